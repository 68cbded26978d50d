#!/bin/bash
# Options that the readers' messages name are options of a program: a hint that nobody can follow is none.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
rooms=(text infer hub source datasets)
# Options of other programs that hints give commands of.
others=' --local-dir --force-download --include --repo-type '

options() {  # of the tables, with - for _
  find "$1/src" -name '*.cpp' -o -name '*.hpp' | xargs cat | tr '\n' ' ' |
    grep -oE '\badd[a-z_]*\( *([a-z_.]+, *)?"[A-Za-z][A-Za-z0-9_-]*"' | grep -oE '"[^"]+"' | tr -d '"' | tr _ - | sort -u
}

check() {  # the root of a tree; prints what is named and is no option
  local known file option
  known=$(options "$1")
  for file in $(cd "$1/src" && find "${rooms[@]}" \( -name '*.cpp' -o -name '*.hpp' \) 2>/dev/null); do
    sed -E 's|^ *//.*||' "$1/src/$file" | { grep -oE '"([^"\\]|\\.)*"' || true; } |
      { grep -oE -- '(^|[^A-Za-z0-9_-])--[a-z][A-Za-z0-9_-]+' || true; } | grep -oE -- '--.*' | sort -u |
      while read -r option; do
        [[ $others == *" $option "* ]] && continue
        grep -qxF -- "$(tr _ - <<<"${option#--}")" <<<"$known" || echo "src/$file names $option, which no program has"
      done || true
  done
}

wrong=$(check "$root")
[[ -z $wrong ]] || { echo "$wrong"; exit 1; }

# It can fail, and it knows options of tables that are written over two lines.
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/src/text"
printf '%s\n' 'table.add(' '    "dataset_name", &x, "");' > "$tree/src/text/a.cpp"
printf '%s\n' '// --comment' 'throw_data("x", "y", "give --dataset-name X, or --no-such-thing");' > "$tree/src/text/b.cpp"
[[ $(check "$tree") == 'src/text/b.cpp names --no-such-thing, which no program has' ]] ||
  { echo "the check does not see a wrong option: $(check "$tree")"; exit 1; }
