#!/usr/bin/env bash
# The rules of the house that a machine can check: check_layering.sh [ROOT]. Prints every violation as
# "rule: file:line: text" and exits 1 when there is one. CONTRIBUTING.md says why each rule exists.
set -uo pipefail
export LC_ALL=C
support=$(cd "$(dirname "$0")" && pwd)
readonly support
# shellcheck source=tests/support/rooms.sh
source "$support/rooms.sh"
cd "${1:-$(dirname "$0")/../..}" || exit 2

readonly max_lines=450
readonly max_fixture_bytes=12000000
readonly heavy='^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"](torch|ATen|c10|mpi|nccl|hdf5|H5|cuda|cublas|nlohmann|boost|curl|utf8proc|simdjson|zstd|archive|arrow|parquet)'
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

# The same from arguments: report_all RULE VIOLATION...
report_all() { [ $# -eq 1 ] || report "$1" < <(printf '%s\n' "${@:2}"); }

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

# Rooms and their arrows: src/rooms.txt, which says how it is to be read. Without it every file is of no room.
[ -f src/rooms.txt ] && read_rooms src/rooms.txt
report_all "wrong line of rooms.txt" "${wrong_lines[@]}"
report "room named outside rooms.txt" < <(grep_in '^src/[^/]+/CMakeLists\.txt$' '^[^#]*anemll::[a-z]' |
  sed 's/anemll::warnings//' | grep 'anemll::[a-z]')
report "room without a folder" < <(for name in "${rooms[@]}"; do
  if [[ $name == tools/* ]]; then made_by=src/tools/anemll_${name#tools/}.cpp; else made_by=src/$name/CMakeLists.txt; fi
  [ -f "$made_by" ] || echo "src/rooms.txt:${line_of[$name]}: $name has no $made_by"
done)
report "file of no room" < <(select_files '^(src|include)/' | while IFS= read -r file; do
  [[ $file =~ ^src/(tools/)?(README\.md|CMakeLists\.txt|rooms\.txt)$ ]] && continue
  room_of "$file"
  [ -n "${line_of[$room]+known}" ] || echo "$file: src/rooms.txt has no line $room"
done)

# Every #include of a header of a room, also those of tests. A header that lies directly in src/<room> is there for
# others: it is in `reached` when one of them includes it, or another such header of the room. `parts` are the latter.
readonly direct='^src/([^/]+)/[^/]+\.(hpp|h|cuh)$'
looks_inside() { [[ $1 =~ ^(src|tests/unit)/"$2"/ || $1 =~ ^tests/(mpi|fuzz|bench)/ ]]; }
declare -A used_arrows=() reached=() parts=()
declare -a wrong_way=() not_theirs=() not_public=() leaks=() rest=()
while IFS=: read -r file line text; do
  header=${text#*\"}
  header=${header%%\"*}
  room_of "$header"
  target=$room
  [[ $file == include/* && $header == src/* ]] && not_public+=("$file:$line: $header is not public")
  if [[ $header =~ ^src/([^/]+)/internal/ ]]; then
    looks_inside "$file" "${BASH_REMATCH[1]}" || not_theirs+=("$file:$line: $header is internal to $target")
    [[ $file =~ $direct ]] && leaks+=("$file:$line: $header")
  elif [[ $header =~ $direct ]]; then
    if ! looks_inside "$file" "${BASH_REMATCH[1]}"; then
      reached[$header]=1
    elif [[ $file =~ $direct ]]; then
      parts[$file]+=" $header"
    fi
  fi
  [[ $file == tests/* ]] && continue
  room_of "$file"
  [ "$room" = "$target" ] && continue
  used_arrows["$room $target"]=1
  [[ " ${uses[$room]-} " == *" $target "* ]] || wrong_way+=("$file:$line: $room includes $target")
done < <(grep_in "$code" '^[[:space:]]*#[[:space:]]*include[[:space:]]*"(anemll|src)/')
report_all "wrong way between rooms" "${wrong_way[@]}"
report_all "internal header of another room" "${not_theirs[@]}"
report_all "header that is not public in a public one" "${not_public[@]}"
report_all "internal header in one for other rooms" "${leaks[@]}"
rest=("${!reached[@]}")
while [ ${#rest[@]} -gt 0 ]; do
  header=${rest[-1]}
  unset 'rest[-1]'
  for part in ${parts[$header]-}; do
    [ -n "${reached[$part]+known}" ] || rest+=("$part")
    reached[$part]=1
  done
done
report "header that no other room includes" < <(select_files "$direct" | grep -v '^src/tools/' |
  while IFS= read -r header; do
    [ -n "${reached[$header]+known}" ] || echo "$header: belongs in ${header%/*}/internal"
  done)
report "arrow without an include" < <(for name in "${rooms[@]}"; do
  for used in ${uses[$name]}; do
    [ -n "${used_arrows[$name $used]+used}" ] ||
      echo "src/rooms.txt:${line_of[$name]}: $name uses $used, but none of its files includes that room"
  done
done)
[ ${#wrong_lines[@]} -gt 0 ] || report "table of src/README.md" < <(
  bash "$support/rooms_table.sh" . 2>&1 | cmp -s - src/README.md ||
    echo "src/README.md: not what src/rooms.txt says; bash tests/support/rooms_table.sh --write makes it so")

report "backend #if in shared code" < <(grep_in "$code" "$backend_if" | grep -vE '_VERSION|VERSION_')
report "platform #if outside the platform file" < <(grep_in "$code" "$platform_if" | grep -vE '^src/core/platform')

report "file over $max_lines lines" < <(select_files '^(src|include|tests)/.*(\.(cpp|hpp|c|h|cu|cuh|sh|py)|CMakeLists\.txt)$' |
  tr '\n' '\0' | xargs -0 -r wc -l | awk -v max=$max_lines '$2 != "total" && $1 > max {print $2 ":" $1}')

# A source file whose header says what it owns need not repeat it.
report "file without an opening comment" < <(select_files "$code" | while IFS= read -r file; do
  header=${file%.*}.hpp
  [ "$file" != "$header" ] && { [ -f "$header" ] || [ -f "include/anemll/${header#src/}" ] ||
    [ -f "${header%/*}/internal/${header##*/}" ]; } && continue
  head -n 1 "$file" | grep -qE '^(//|/\*)' || echo "$file:1"
done)
report "header without pragma once" < <(select_files '\.hpp$' | tr '\n' '\0' | xargs -0 -r grep -L '^#pragma once')

# This check and its test spell the words and paths that they look for.
readonly not_ours='^(tests/golden/|tests/support/check_layering\.sh|tests/unit/house/)'
report "unfinished work" < <(grep_in '^(src|include|launch|cmake|configs|tests|\.ci|[A-Z]+\.md)' "$unfinished" | grep -vE "$not_ours")
report "path outside the repository" < <(grep_in '.' "$outside" | grep -vE "$not_ours")
report "not ASCII" < <(select_files '\.(cpp|hpp|c|h|cu|cuh|sh|cmake|txt|md|ini|in|json)$' | grep -vE '^tests/golden/' |
  tr '\n' '\0' | xargs -0 -r grep -nHIP '[^\x00-\x7F]')

# Documents: a path leads to a file, a function stands in the file that is named with it, and example code is still that
# of the file that it was taken from.
readonly ours='(src|include|launch|configs|tests|cmake|[.]ci)/[A-Za-z0-9_./-]+'
mapfile -t documents < <(select_files '^(src/.*|.*README|CONTRIBUTING)\.md$' | grep -v '^tests/golden/.')
# mentions PATTERN: "document match" for each match, also across lines.
mentions() {
  [ ${#documents[@]} -eq 0 ] || awk -v pattern="$1" '
    function tell() {
      while (match(text, pattern)) {
        print file " " substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
      }
    }
    FNR == 1 { tell(); text = ""; file = FILENAME }
    { sub(/^ +/, ""); text = text $0 " " }
    END { tell() }' "${documents[@]}" | sort -u
}
report "link to nowhere" < <(mentions '\\]\\([^):# ]+[)#]' | while read -r document target; do
  target=${target:2:-1}
  [ -e "$(dirname "$document")/$target" ] || echo "$document: $target"
done)
report "path to nowhere" < <(mentions "\`$ours\`" | tr -d '\`' | while read -r document target; do
  [ -e "$target" ] || echo "$document: $target"
done)
report "function that its file lacks" < <(mentions "\`[A-Za-z0-9_:]+\` in \`$ours\`" | tr -d '\`' |
  while read -r document name _ target; do
    [ ! -f "$target" ] || grep -qw -- "${name##*:}" "$target" || echo "$document: $target has no $name"
  done)
report "code that its file lacks" < <(select_files '^src/.*\.md$' | grep -v 'README\.md$' | tr '\n' '\0' | xargs -0 -r awk '
  { line = $0; sub(/^[ \t]+/, "", line) }
  line ~ /^<!-- from .* -->$/ { source = line; gsub(/^<!-- from | -->$/, "", source); next }
  /^ *```/ && taken != "" {
    whole = "\n"
    while ((getline part <taken) > 0) { sub(/^[ \t]+/, "", part); whole = whole part "\n" }
    close(taken)
    if (index(whole, code) == 0) print FILENAME ":" start ": " taken " has no such lines"
    taken = ""
    next
  }
  /^ *```/ && source != "" { taken = source; source = ""; code = "\n"; start = FNR; next }
  taken != "" { code = code line "\n" }')

report "fixtures too large" < <(select_files '^tests/golden/' | tr '\n' '\0' | xargs -0 -r stat -c '%s' 2>/dev/null |
  awk -v max=$max_fixture_bytes '{sum += $1} END {if (sum > max) print "tests/golden: " sum " bytes, at most " max}')

if [ "$violations" -gt 0 ]; then
  echo "check_layering: $violations violations"
  exit 1
fi
echo "check_layering: ${#files[@]} files, no violation"
