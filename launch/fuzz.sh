#!/usr/bin/env bash
# Builds the libFuzzer targets of the file readers with clang and runs each:   launch/fuzz.sh [SECONDS_EACH]
# Findings stay in build/fuzz/findings; new inputs in build/fuzz/corpus, for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly seconds=${1:-60}
readonly build=build/fuzz
compiler=$(command -v clang++-14 || command -v clang++) || {
  echo "fuzz: no clang++" >&2
  echo "hint: bash .ci/setup installs clang-14 and libclang-rt-14-dev" >&2
  exit 2
}
readonly targets=(data_files gguf json_records safetensors tokenizer torch_file)
declare -A seeds=(
  [data_files]=tests/golden/datasets [gguf]=tests/golden/formats [json_records]=tests/golden/datasets [safetensors]=tests/golden/files/safetensors
  [tokenizer]=tests/golden/text [torch_file]=tests/golden/files/pt)
# Bytes of an input. Larger ones take the same ways through a reader and many times as long.
declare -A longest=(
  [data_files]=2048 [gguf]=4096 [json_records]=2048 [safetensors]=2048 [tokenizer]=1024 [torch_file]=8192)
# Freed memory is held back for checks: a small part of it stays in the processor's cache.
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=16:malloc_context_size=5}

cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="env;CCACHE_BASEDIR=$PWD;CCACHE_NOHASHDIR=1;ccache" -DANEMLL_FUZZ=ON \
  -DANEMLL_WITH_PARQUET=OFF >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
cmake --build "$build" --target "${targets[@]/#/fuzz_}"
mkdir -p "$build/findings"
for target in "${targets[@]}"; do
  mkdir -p "$build/corpus/$target"
  echo "== $target, $seconds s"
  if ! "$build/tests/fuzz_$target" -max_total_time="$seconds" -max_len="${longest[$target]}" -rss_limit_mb=4096 -timeout=20 -print_final_stats=1 \
    -artifact_prefix="$build/findings/$target-" "$build/corpus/$target" "${seeds[$target]}" >"$build/$target.log" 2>&1; then
    tail -n 40 "$build/$target.log"
    echo "fuzz: $target failed; its input is in $build/findings" >&2
    exit 1
  fi
  grep -E '^stat::number_of_executed_units' "$build/$target.log"
done
echo "fuzz: no findings"
