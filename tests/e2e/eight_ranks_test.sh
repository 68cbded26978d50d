#!/usr/bin/env bash
# Eight ranks by mpirun itself, on however few cores: with launch/env.sh, and as an ordinary user with nothing but
# --oversubscribe. Both work, say what it costs when ranks outnumber cores, and train the same. It prints how long the start takes.
# ANEMLL_BIN is the folder of the programs. Exit codes: 0 passed, 1 failed, 77 skipped, with its reason.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=$(realpath "${ANEMLL_BIN:?the folder of the programs}")
. "$root/tests/support/script_checks.sh"
for name in $(compgen -e | grep '^OMPI_\|^OMP_\|^PMIX_\|^ANEMLL_'); do unset "$name"; done
export HF_HUB_OFFLINE=1 PATH=$bin:$PATH
nano=$root/tests/golden/nano
train=(anemll_train --from-scratch --model-id "$nano" --cache-dir "$nano/cache" --lr 5e-4 --warmup-steps 1 --max-steps 4
  --logging-steps 1 --eval-samples 8 --seed 7 --output-dir out)

trains() { # WHAT FOLDER COMMAND...: eight ranks, in a folder of their own
  local code=0 began=$EPOCHREALTIME line
  output=$(
    cd "$2" || exit
    "${@:3}" "${train[@]}" 2>&1 </dev/null | while IFS= read -r line; do
      printf '%s\n' "$line"
      if [[ $line == *"step 1/4  loss"* ]]; then echo "$EPOCHREALTIME" >first_step; fi
    done
    exit "${PIPESTATUS[0]}"
  ) || code=$?
  expect "$1" "$code" 0
  # Not judged: other work on the machine decides too. tests/README.md has a figure.
  line=$(cat "$2/first_step" 2>/dev/null) && awk -v what="$1" -v from="$began" -v to="$line" -v cores="$(nproc)" \
    'BEGIN {printf "%s: the first step is done %.1f s after the start of the command, on %d processors\n", what, to - from, cores}'
  says "$1" "] 8 ranks (mpi), "
  says "$1" "step 4/4  loss"
  # Eight processors and more are enough.
  [ "$(nproc)" -ge 8 ] || grep -qE 'for 8 ranks, which take turns: [0-9]+ ranks? would be faster and need [0-9]+% of the memory' <<<"$output" ||
    fail "$1: not what it costs: $output"
}
rows() { cut -d, -f1-4 "$1/out/training_log.csv"; } # without times

mkdir card
# shellcheck disable=SC2016  # for the other bash
trains "with launch/env.sh" card bash -c '. "$0" && exec mpirun -np 8 "$@"' "$root/launch/env.sh"

mkdir user
user=()
if [ "$(id -u)" -eq 0 ]; then # as somebody else, who may read what root has built and write where anybody may
  # shellcheck disable=SC2054  # commas of setpriv
  user=(setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps -all,+dac_read_search --ambient-caps -all,+dac_read_search)
  "${user[@]}" test -x "$bin/anemll_train" 2>/dev/null || {
    echo "skipped: root cannot start anything as nobody here"
    exit $((failures > 0 ? 1 : 77))
  }
  chmod 755 "$work"
  chown nobody user
fi
trains "as an ordinary user" user "${user[@]}" env HOME="$work/user" mpirun -np 8 --oversubscribe
cmp <(rows card) <(rows user) || fail "the two train differently"

[ "$failures" -eq 0 ] && echo "eight ranks by mpirun itself work for root and for others"
exit $((failures > 0))
