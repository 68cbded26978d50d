#!/usr/bin/env bash
# readme_test.sh must be able to fail: blocks of README.md with a mistake in each are refused with the block's name.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
readme=$here/../../README.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# block FIRST_WORDS: the block of README.md that begins so, with its fences.
block() {
  awk -v words="$1" '
    /^```bash/ { text = $0; getline; taken = index($0, words) == 1 }
    taken { text = text "\n" $0 }
    /^```$/ && taken { print text; exit }' "$readme"
}

# expect MESSAGE FIRST_WORDS SED: a README of this one block, changed by SED, is refused with MESSAGE.
expect() {
  local before after output
  before=$(block "$2")
  after=$(sed -E "$3" <<<"$before")
  [ -n "$before" ] && [ "$before" != "$after" ] || { echo "'$3' changes nothing of '$2'"; failures=$((failures + 1)); }
  printf '%s\n' "$after" >"$work/README.md"
  output=$(bash "$here/readme_test.sh" "$work/README.md") && { echo "accepted: $3"; failures=$((failures + 1)); }
  grep -qE "$1" <<<"$output" || { echo "'$3' should give '$1'; it said: $output"; failures=$((failures + 1)); }
}

expect "'a KD cache' ends with 2:" "anemll_precompute " 's/--topk/--top-ids/'
expect "'a KD cache' ends with 2:" "anemll_precompute " 's/--enable_thinking both/--enable_thinking all-of-them/'
expect "'a KD cache' ends with 3:" "anemll_precompute " 's|tatsu-lab/alpaca|tatsu-lab/llama|'
expect "'a KD cache' leaves no kd_cache" "anemll_precompute " 's/--output_dir kd_cache/--output_dir other/'
expect "'tokens' ends with 2:" "echo " 's/decode (.*) --jsonl/decode \1 --json-lines/'
expect "'a real model' ends with 2:" "anemll_cache import " 's/--lr /--learning-rate /'
expect "'a real model' ends with 127:" "anemll_cache import " 's/anemll_cache verify/anemll_check/'
expect "'--max-steps 1000' does not stand once in 'a real model'" "anemll_cache import " 's/--max-steps 1000/--max-steps 9/'
expect "'build by hand' ends with 1:" "bash launch/setup.sh" 's/cmake --preset release/cmake --preset relaese/'
expect "'build by hand' ends with [1-9]" "bash launch/setup.sh" 's/ctest --preset release/ctest --preset relaese/'
expect "'two commands' ends with 2:" "bash launch/quickstart.sh" 's/quickstart.sh/quickstart.sh --fast/'
expect "no row of the table" "echo " 's/^echo .*/printf hello/'
expect "the fence says neither bash nor text" "echo " 's/^```bash/```sh/'
expect "README.md has no block 'two commands'" "echo " 's/Hello/Bye/'

[ "$failures" -eq 0 ] && echo "every mistake fails where it should"
exit $((failures > 0))
