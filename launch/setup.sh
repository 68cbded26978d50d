#!/usr/bin/env bash
# Installs what a build needs and this machine lacks: Debian or Ubuntu packages, and out of their Python wheels
# LibTorch 2.11.0 and Arrow 22.0.0 (for Parquet files). Run it as often as you like; what is there already is left alone.
#
#   launch/setup.sh [tests]   `tests`: also what building the tests needs
#
#   ANEMLL_DEPS_DIR    where they go (default ~/.cache/anemll_train)
#   ANEMLL_TORCH_ROOT  use this LibTorch (a folder with include/ and lib/) and fetch none
#   ANEMLL_ARROW_ROOT  use this Arrow (the folder of pyarrow 21 or newer) and fetch none
set -euo pipefail

readonly torch_version=2.11.0
readonly deps_dir=${ANEMLL_DEPS_DIR:-$HOME/.cache/anemll_train}
readonly libtorch_dir=$deps_dir/libtorch-$torch_version
readonly arrow_version=22.0.0
readonly arrow_dir=$deps_dir/pyarrow-$arrow_version
readonly packages=(g++ cmake ninja-build ccache git libopenmpi-dev openmpi-bin libhdf5-dev
  libboost-program-options-dev nlohmann-json3-dev libssl-dev zlib1g-dev
  libcurl4-openssl-dev libutf8proc-dev libzstd-dev libbz2-dev liblzma-dev libarchive-dev libsimdjson-dev
  libedit-dev pkg-config)
readonly test_packages=(libboost-test-dev libcpp-httplib-dev)
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

have_libtorch() { compgen -G "$1/lib/libtorch_cpu.*" >/dev/null && [ -e "$1/include/ATen/ATen.h" ]; }
have_arrow() { compgen -G "$1/libparquet.*" >/dev/null && [ -e "$1/include/parquet/arrow/reader.h" ]; }

# fetch_wheels DIR NAME MIB PACKAGE CHECK HINT WHEEL...: unpacks the wheels into DIR, which needs MIB meanwhile.
# Into a folder of its own first, then one rename: a killed download is never taken for a whole one.
fetch_wheels() {
  local dir=$1 name=$2 mib=$3 package=$4 check=$5 hint=$6 part=$1.part.$$ free_kib
  shift 6
  mkdir -p "$deps_dir"
  rm -rf "$dir".part.* "$dir"
  free_kib=$(df -Pk "$deps_dir" | awk 'NR == 2 {print $4}')
  [ "$free_kib" -gt $((mib * 1000)) ] || fail "$deps_dir has $((free_kib / 1024)) MiB free, $name needs $mib while it is unpacked" \
    "free some, or set ANEMLL_DEPS_DIR"
  # shellcheck disable=SC2064  # $part is wanted as it is now
  trap "rm -rf '$part'" EXIT
  mkdir -p "$part/tmp"
  TMPDIR=$part/tmp python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-cache-dir \
    --no-compile --no-deps --target "$part/wheel" "$@" ||
    fail "pip could not fetch $*" "the wheel wants Python 3.10 to 3.14; or give $hint to cmake"
  "$check" "$part/wheel/$package" || fail "the wheel of $* holds no $name" "report this with the lines above"
  mv "$part/wheel" "$dir" || fail "cannot give $dir its name" "check the permissions of $deps_dir"
  rm -rf "$part"
}

install_libtorch() {
  local wheels=("torch==$torch_version")
  [ "$(uname -s)" = Darwin ] || wheels+=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
  say "fetching LibTorch $torch_version out of its Python wheel (about 550 MB, 1.3 GB unpacked) into $libtorch_dir"
  fetch_wheels "$libtorch_dir" LibTorch 4000 torch have_libtorch "-DANEMLL_TORCH_ROOT=<any LibTorch from 2.6 on>" "${wheels[@]}"
}

install_arrow() {
  say "fetching Arrow $arrow_version out of its Python wheel (about 50 MB, 150 MB unpacked) into $arrow_dir"
  fetch_wheels "$arrow_dir" Arrow 500 pyarrow have_arrow "-DANEMLL_WITH_PARQUET=OFF" "pyarrow==$arrow_version"
}

ensure_pip() {
  python3 -m pip --version >/dev/null 2>&1 && return
  [ "$(uname -s)" != Darwin ] || fail "python3 with pip is missing" "brew install python"
  apt_install python3 python3-pip
}

case $(uname -s) in
  Darwin)
    for tool in cmake ninja ccache mpirun; do
      command -v "$tool" >/dev/null || fail "$tool is missing" \
        "brew install cmake ninja ccache pkg-config open-mpi hdf5 boost nlohmann-json openssl@3 simdjson utf8proc zstd bzip2 xz libarchive libedit cpp-httplib"
    done
    ;;
  *)
    command -v dpkg-query >/dev/null || fail "this script knows Debian 12 and Ubuntu 24.04 only" \
      "install a C++20 compiler, CMake 3.25, Ninja, Open MPI, serial HDF5, Boost (program_options, test), nlohmann-json, OpenSSL, zlib, zstd, bzip2, xz (liblzma), libarchive, libedit, libcurl, simdjson, utf8proc, cpp-httplib"
    install_missing "${packages[@]}"
    [ "${1:-}" != tests ] || install_missing "${test_packages[@]}"
    ;;
esac

if [ -n "${ANEMLL_TORCH_ROOT:-}" ]; then
  have_libtorch "$ANEMLL_TORCH_ROOT" || fail "ANEMLL_TORCH_ROOT=$ANEMLL_TORCH_ROOT holds no LibTorch" "it must have include/ and lib/"
elif ! have_libtorch "$libtorch_dir/torch"; then
  ensure_pip
  install_libtorch
fi
if [ -n "${ANEMLL_ARROW_ROOT:-}" ]; then
  have_arrow "$ANEMLL_ARROW_ROOT" || fail "ANEMLL_ARROW_ROOT=$ANEMLL_ARROW_ROOT holds no Arrow" "it must be the folder pyarrow of an unpacked wheel"
elif ! have_arrow "$arrow_dir/pyarrow"; then
  ensure_pip
  # In a subshell: only Parquet files need it.
  (install_arrow) || say "no Arrow: the build goes on, its programs will read no Parquet files"
fi
say "all there"
