#!/usr/bin/env bash
# run_all.sh [kind... | kindNN/NAME.sh...]: runs the scripts one at a time (60 s each) and prints a table.
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 2
files=()
if [ $# -eq 0 ]; then files=(kind*/*.sh); fi
for a in "$@"; do
  case $a in
    *.sh) files+=("${a#$PWD/}") ;;
    kind*) files+=("$a"/*.sh) ;;
    *) files+=("kind$(printf %02d "$((10#$a))")"/*.sh) ;;
  esac
done
r=0 w=0 s=0
for f in "${files[@]}"; do
  t0=$SECONDS
  out=$(timeout -k 5 60 nice bash "$f" 2>&1); rc=$?
  line=$(tail -1 <<<"$out")
  case $rc in
    0) v=RIGHT r=$((r + 1)) ;; 77) v=SKIP s=$((s + 1)) ;; 1) v=WRONG w=$((w + 1)) ;;
    124 | 137) v=WRONG w=$((w + 1)) line="WRONG: the script took more than 60 s" ;;
    *) v=BROKEN line="exit $rc: $line" ;;
  esac
  case $line in RIGHT:*|WRONG:*|SKIP:*) ;; *) v=BROKEN ;; esac
  printf '%-7s %-44s %-7s %3ds  %s\n' "${f%%/*}" "$(basename "$f" .sh)" "$v" $((SECONDS - t0)) "$(cut -c1-170 <<<"${line#*: }")"
done
echo "$r right, $w wrong, $s skipped, of ${#files[@]}"
