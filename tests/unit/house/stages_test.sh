#!/usr/bin/env bash
# launch/stages.sh with programs of a few lines: what is skipped, gone on with, done anew, refused; kills at any point.
set -uo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/tests/support/script_checks.sh"

# The programs. Each writes a line to its log for every start. `slow` makes its result of four parts, one at a time, and
# goes on after those that are there; at the part that the file `hang` names it says so and waits to be ended.
cat >copy <<'PROGRAM'
#!/usr/bin/env bash
echo "copy" >>log
mkdir -p "$2" && cp "$1" "$2/text"
PROGRAM
cat >slow <<'PROGRAM'
#!/usr/bin/env bash
set -e
again=${*: -1}
echo "slow $again" >>log
trap 'echo saved >>log; exit 75' TERM
mkdir -p "$2"
for part in 1 2 3 4; do
  [ ! -e "$2/$part" ] || continue
  if [ "$(cat hang 2>/dev/null)" = $part ]; then
    touch hangs
    while [ -e hang ]; do sleep 0.01; done
  fi
  cat "$1/text" >"$2/.part" && echo $part >>"$2/.part" && mv "$2/.part" "$2/$part"
  echo "part $part" >>log
done
cat "$2"/[1-4] >"$2/all"
PROGRAM
printf '#!/usr/bin/env bash\necho "broken" >>log\nexit 5\n' >broken
printf '#!/usr/bin/env bash\necho "idle" >>log\n' >idle
# It refuses the word "bad", and only looks at its words when the last one is --look.
cat >checked <<'PROGRAM'
#!/usr/bin/env bash
echo "checked ${*:2}" >>log
[ "$2" != bad ] || exit 2
[ "${*: -1}" = --look ] || { mkdir -p "$1" && echo "$2" >"$1/text"; }
PROGRAM
cat >recipe <<'RECIPE'
#!/usr/bin/env bash
set -euo pipefail
. "$ROOT/launch/stages.sh"
stages_begin recipe "$1" "${2:-}"
stage first "copies the text" --from input --makes "$1/first" -- ./copy input "$1/first"
stage second "makes four parts" --from "$1/first" --makes "$1/second" --result "$1/second/all" --part "$1/second.rest" \
  --again --resume --cost "an hour" -- ./slow "$1/first" "$1/second" ${FLAG:-}
${LAST:-:}
stages_end
RECIPE
chmod +x copy slow broken idle checked
export ROOT=$root
recipe() { output=$(bash recipe "$@" 2>&1); code=$?; }
logged() { [ ! -e log ] || tr '\n' ' ' <log; rm -f log; }
wait_for() { # FILE, at most 20 s
  for _ in {1..2000}; do [ ! -e "$1" ] || return 0; sleep 0.01; done
  fail "no $1 came"
}
whole='copy slow --resume part 1 part 2 part 3 part 4 '

echo "hello" >input
recipe out dry
expect "a plan" "$code" 0
[ ! -e out ] || fail "a plan left a folder"
says "the plan has the command" "command   ./slow out/first out/second --resume"
says "the plan has the estimate" "estimate  an hour"

recipe out
expect "the first run" "$code" 0
expect "the first run's work" "$(logged)" "$whole"
says "a stage says what it does" "== second: makes four parts"
cp out/second/all wanted
recipe out
expect "the second run" "$code" 0
expect "what is done is not done again" "$(logged)" ""
says "a stage that is skipped" "== second: done already, unchanged"
recipe out dry
says "the plan of what is done" "done and unchanged: is skipped"
mv out elsewhere
recipe elsewhere
expect "in another place nothing is done again" "$code $(logged)" "0 "
mv elsewhere out

# Inputs.
echo "hello" >input.new && mv input.new input
recipe out
expect "the same text with another time" "$(logged)" ""
echo "other" >input
recipe out dry
says "the plan tells what changed" "runs anew: input is another"
says "and what hangs on it" "runs, if the stages before it make something new"
recipe out
expect "another text" "$code $(logged)" "0 $whole"
cmp -s wanted out/earlier-1/first/text && fail "the earlier result is another"
expect "the earlier results" "$(cat out/earlier-1/first/text; cat out/earlier-2/second/all)" "$(echo hello; cat wanted)"
touch out/second.rest
FLAG=--faster recipe out
expect "another command" "$code $(logged)" "0 slow --resume part 1 part 2 part 3 part 4 "
says "it is told" "another command"
[ ! -e out/second.rest ] || fail "the rest of the other command is still there"

# Results.
rm -rf out && echo "hello" >input && recipe out && rm -f log
echo "damage" >>out/second/all
recipe out
expect "a result that was changed" "$code $(logged)" "0 slow --resume part 1 part 2 part 3 part 4 "
says "it is told" "out/second/all was changed"
expect "the new result" "$(cat out/second/all)" "$(cat wanted)"
rm -r out/first
recipe out
expect "a result that is gone comes again and changes nothing" "$code $(logged)" "0 copy "

# Kills: of the script alone, of all of its group, by a signal that programs hear; at each part.
stopped() { # HOW SIGNAL PART
  rm -rf out hangs log
  echo "$3" >hang
  setsid bash recipe out >/dev/null 2>&1 &
  script=$!
  wait_for hangs
  if [ "$1" = group ]; then kill -"$2" -- -$script; else kill -"$2" $script; fi
  [ "$2" = KILL ] || { wait $script; expect "$2 to the $1" $? 75; }
  wait $script 2>/dev/null
  rm -f hang
  recipe out
  expect "after $2 to the $1" "$code $(cat out/second/all)" "0 $(cat wanted)"
  says "it goes on" "== second: makes four parts (going on)"
  expect "no part twice" "$(grep -c part log)" 4
  grep -q copy <(sed 1d log) && fail "the first stage was done again"
}
{
  stopped group KILL 1
  stopped script TERM 3
  if setpriv --pdeathsig TERM true 2>/dev/null; then stopped script KILL 2; fi
} 2>/dev/null # bash tells of what was killed

# A stage without a way to go on begins again without its rest.
rm -rf out hangs log
recipe out
mkdir -p out/first.rest && rm out/stages/first.done && echo "rest" >out/first/rest
recipe out
expect "a rest is removed" "$code $(ls out/first)" "0 text"

# A failure's code comes through, and the stage is tried again.
# shellcheck disable=SC2016  # the recipe's own variables
LAST='stage last ends --makes out/last -- ./broken' recipe out
expect "a stage that fails" "$code" 5
says "it is told" "FAILED (exit code 5) in the stage last"
LAST='stage last ends --makes out/last -- ./idle' recipe out
expect "a program that makes nothing" "$code" 3
says "a hint" "hint:"
LAST='stage last ends -- ./idle' recipe out
expect "a stage that makes nothing" "$code" 0
rm -f log
LAST='stage last ends -- ./idle' recipe out
expect "it is done once" "$code $(logged)" "0 "

# A command line that its program refuses costs no earlier result.
last() { LAST="stage line ends --makes out/line --check --look -- ./checked out/line $1" recipe out; }
last one
expect "the first needs no look" "$code $(logged)" "0 checked one "
last bad
expect "a bad word" "$code $(logged)" "2 checked bad --look "
expect "the earlier result stays" "$(cat out/line/text)" one
last one
expect "and is still that of its command" "$code $(logged)" "0 "
last two
expect "another word" "$code $(logged)" "0 checked two --look checked two "
expect "its result" "$(cat out/line/text)" two

# What is not ours.
mkdir other && touch other/file
recipe other dry
expect "the plan in somebody's folder" "$code" 2
recipe other
expect "somebody's folder" "$code" 2
says "somebody's folder" "hint:"
rm -rf out && mkdir -p out/stages out/first && touch out/first/file
recipe out dry
expect "the plan over a result that no stage made" "$code" 2
recipe out
expect "a result that no stage made" "$code $(ls out/first)" "2 file"
if command -v flock >/dev/null; then
  rm -rf out
  echo 1 >hang
  setsid bash recipe out >/dev/null 2>&1 &
  script=$!
  wait_for hangs
  ANEMLL_LOCK_WAIT_S=0 recipe out
  expect "two at a time" "$code" 2
  says "two at a time" "in use"
  { kill -KILL -- -$script && wait $script; } 2>/dev/null
  rm -f hang
fi

[ "$failures" -eq 0 ] && echo "every stage is done once"
exit $((failures > 0))
