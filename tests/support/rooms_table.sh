#!/usr/bin/env bash
# The table and the drawing of src/README.md, from src/rooms.txt: rooms_table.sh [--write] [ROOT]. Prints the README as it
# should be; with --write it becomes so.
set -euo pipefail
# shellcheck source=tests/support/rooms.sh
source "$(dirname "$0")/rooms.sh"
write=false
[ "${1:-}" = --write ] && { write=true; shift; }
cd "${1:-$(dirname "$0")/../..}"
readonly begin='<!-- from rooms.txt: begin -->' end='<!-- from rooms.txt: end -->'

read_rooms src/rooms.txt
[ ${#wrong_lines[@]} -eq 0 ] || { printf '%s\n' "${wrong_lines[@]}" >&2; exit 1; }

table() {
  local name folder
  echo "| Room | Owns | May use |"
  echo "|---|---|---|"
  for name in "${rooms[@]}"; do
    folder=${name%%/*}
    echo "| [$name]($folder/README.md) | ${owns[$name]} |${uses[$name]:+ ${uses[$name]// /, }} |"
  done
}

# A cross where the room of the row uses the room of the column, a dot on the diagonal. An arrow to a room below would
# stand right of the diagonal.
drawing() {
  local row column width=0
  for row in "${rooms[@]}"; do [ ${#row} -le "$width" ] || width=${#row}; done
  for row in "${rooms[@]}"; do
    printf "%-${width}s " "$row"
    for column in "${rooms[@]}"; do
      if [ "$column" = "$row" ]; then
        printf ' .'
      elif [[ " ${uses[$row]} " == *" $column "* ]]; then
        printf ' x'
      else
        printf '  '
      fi
    done
    echo
  done | sed 's/ *$//'
}

generated() {
  table
  printf '\n%s\n\n```\n' "The same as a drawing. Columns stand in the order of the rows, and a dot is the room itself. No cross stands right of a
dot: no arrow goes down the list, so there is no circle."
  drawing
  echo '```'
}

readme() {
  awk -v begin="$begin" -v end="$end" -v text="$(generated)" '
    $0 == end {inside = 0}
    !inside {print}
    $0 == begin {inside = 1; found = 1; print text}
    END {if (!found || inside) exit 1}' src/README.md ||
    { echo "rooms_table: src/README.md lacks the lines '$begin' and '$end'" >&2; return 1; }
}

if $write; then
  readme >src/README.md.new && mv src/README.md.new src/README.md
else
  readme
fi
