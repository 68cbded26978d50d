#!/usr/bin/env bash
# The rules of the house that a machine can check: check_layering.sh [ROOT]. Prints every violation as
# "rule: file:line: text" and exits 1 when there is one. CONTRIBUTING.md says why each rule exists.
set -uo pipefail
export LC_ALL=C
cd "${1:-$(dirname "$0")/../..}" || exit 2

# Rooms that each room may include. Public headers of a room live in include/anemll/<room>, the rest in src/<room>.
declare -A may_include=(
  [core]=""
  [formats]="core"
  [data]="core formats"
  [comm]="core"
  [hub]="core"
  [text]="core formats"
  [datasets]="core formats text"
  [kernels]="core"
  [model]="core formats kernels"
  [quant]="core formats kernels model"
  [export]="core formats kernels model quant"
  [score]="core comm kernels model"
  [teacher]="core formats data comm hub text datasets kernels model score"
  [train]="core formats data comm hub text kernels model quant export score"
  [tools]="core formats data comm hub text datasets kernels model quant export score teacher train"
)
readonly max_lines=450
readonly max_fixture_bytes=12000000
readonly heavy='^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"](torch|ATen|c10|mpi|nccl|hdf5|H5|cuda|cublas|nlohmann|boost|curl|utf8proc|simdjson|zstd|arrow|parquet)'
# Library versions may be told apart inside the one file that wraps the library.
readonly backend_if='^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif)\b.*(CUDA|NCCL|MPI|TORCH|HDF5|ANEMLL_(WITH|HAVE)|USE_)'
readonly platform_if='^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif)\b.*(__APPLE__|__linux__|_WIN32)'
readonly unfinished='\b(TODO|FIXME|XXX|HACK)\b|not implemented|unimplemented'
readonly outside='/(work|root|farm|home)/|/tmp/(w|bash_jobs)|\.\./shared|\b(reference|ane-export|formats|house|distributed)\.md\b'

violations=0
# Reads violations from stdin, one a line.
report() {
  local line
  while IFS= read -r line; do
    echo "$1: $line"
    violations=$((violations + 1))
  done
}

list_files() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -co --exclude-standard
  else
    find . -path ./build -prune -o -path ./runs -prune -o -path ./.git -prune -o -type f -print | sed 's|^\./||'
  fi
}
mapfile -t files < <(list_files | sort -u | while IFS= read -r f; do [ -f "$f" ] && echo "$f"; done)
select_files() { printf '%s\n' "${files[@]}" | grep -E "$1"; }
# grep over the files of a pattern, always with file names.
grep_in() { select_files "$1" | tr '\n' '\0' | xargs -0 -r grep -nHIE "$2"; }

readonly code='^(src|include|tests)/.*\.(cpp|hpp|c|h|cu|cuh)$'

report "top level" < <(printf '%s\n' "${files[@]}" | cut -d/ -f1 | sort -u |
  grep -vxE 'src|include|launch|configs|tests|cmake|CMakeLists\.txt|CMakePresets\.json|README\.md|CONTRIBUTING\.md|LICENSE|\.ci|\.[a-z-]+')

report "heavy library in a public header" < <(grep_in '^include/' "$heavy")

report "wrong way between rooms" < <(
  grep_in '^(src|include/anemll)/[a-z_]+/.*\.(cpp|hpp|cu|cuh|h|in)$' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"(anemll|src)/' |
    while IFS=: read -r file line text; do
      room=${file#include/anemll/}; room=${room#src/}; room=${room%%/*}
      target=${text#*\"}; target=${target#*/}; target=${target%%/*}
      [ "$room" = "$target" ] && continue
      if [ -z "${may_include[$room]+known}" ]; then
        echo "$file:$line: the room $room is not in the list of this check"
      elif [[ " ${may_include[$room]} " != *" $target "* ]]; then
        echo "$file:$line: $room includes $target"
      fi
    done)

report "backend #if in shared code" < <(grep_in "$code" "$backend_if" | grep -vE '_VERSION|VERSION_')
report "platform #if outside the platform file" < <(grep_in "$code" "$platform_if" | grep -vE '^src/core/platform')

report "file over $max_lines lines" < <(select_files '^(src|include|tests)/.*(\.(cpp|hpp|c|h|cu|cuh|sh|py)|CMakeLists\.txt)$' |
  tr '\n' '\0' | xargs -0 -r wc -l | awk -v max=$max_lines '$2 != "total" && $1 > max {print $2 ":" $1}')

# A source file whose header says what it owns need not repeat it.
report "file without an opening comment" < <(select_files "$code" | while IFS= read -r file; do
  header=${file%.*}.hpp
  [ "$file" != "$header" ] && { [ -f "$header" ] || [ -f "include/anemll/${header#src/}" ]; } && continue
  head -n 1 "$file" | grep -qE '^(//|/\*)' || echo "$file:1"
done)
report "header without pragma once" < <(select_files '\.hpp$' | tr '\n' '\0' | xargs -0 -r grep -L '^#pragma once')

# This check and its test spell the words and paths that they look for.
readonly not_ours='^(tests/golden/|tests/support/check_layering\.sh|tests/unit/house/)'
report "unfinished work" < <(grep_in '^(src|include|launch|cmake|configs|tests|\.ci|[A-Z]+\.md)' "$unfinished" | grep -vE "$not_ours")
report "path outside the repository" < <(grep_in '.' "$outside" | grep -vE "$not_ours")
report "not ASCII" < <(select_files '\.(cpp|hpp|c|h|cu|cuh|sh|cmake|txt|md|ini|in|json)$' | grep -vE '^tests/golden/' |
  tr '\n' '\0' | xargs -0 -r grep -nHIP '[^\x00-\x7F]')

report "fixtures too large" < <(select_files '^tests/golden/' | tr '\n' '\0' | xargs -0 -r stat -c '%s' 2>/dev/null |
  awk -v max=$max_fixture_bytes '{sum += $1} END {if (sum > max) print "tests/golden: " sum " bytes, at most " max}')

if [ "$violations" -gt 0 ]; then
  echo "check_layering: $violations violations"
  exit 1
fi
echo "check_layering: ${#files[@]} files, no violation"
