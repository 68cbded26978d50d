#!/usr/bin/env bash
# Documents of an installation lead to what is installed: installed_links.sh PREFIX. Links of every .md file, and documents
# that stand in it by their path from the top (`src/train/tour.md`, `src/rooms.txt`). Prints "document: target" for each that
# is missing, and exits 1. Paths of sources and tests are not looked at: cmake/package/README.md tells where those are.
set -uo pipefail
cd "$1/share/anemll_train" || exit 2
missing=0 links=0
look() { # DOCUMENT TARGET FILE
  links=$((links + 1))
  [ -e "$3" ] || { echo "$1: $2"; missing=$((missing + 1)); }
}
while IFS=: read -r document target; do
  target=${target:2:-1}
  case $document in
    */*) look "$document" "$target" "${document%/*}/$target" ;;
    *) look "$document" "$target" "$target" ;;
  esac
done < <(grep -roE --include='*.md' '\]\([^):# ]+[)#]' -- *)
while IFS=: read -r document target; do
  look "$document" "$target" "${target//\`/}"
done < <(grep -roE --include='*.md' '`((src|include|launch|configs|tests|cmake)/[A-Za-z0-9_./-]+\.md|src/rooms\.txt|(README|CONTRIBUTING)\.md)`' -- *)
[ $links -gt 0 ] || { echo "installed_links: no link in $1/share/anemll_train"; exit 1; }
[ $missing -eq 0 ] || { echo "installed_links: $missing of $links links lead nowhere"; exit 1; }
