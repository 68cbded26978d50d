#!/usr/bin/env bash
# anemll, which starts the other programs; man pages, completions and the option reference against --help; an installation
# whose scripts need no source tree. ANEMLL_BIN is the folder of the programs, with ../share as the build makes it.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/support/script_checks.sh"
bin=${ANEMLL_BIN:?the folder of the built programs}
share=${bin%/*}/share
front=$bin/anemll
say_missing() { echo "$1 is not installed (.ci/setup installs it): $2"; }
mapfile -t programs < <("$front" --help=json | head -n 1 | grep -o '\\n  [a-z_0-9]* \{2,\}' | sed 's/^\\n *//; s/ *$//' | while read -r name; do
  [ -x "$bin/anemll_$name" ] && echo "anemll_$name"
done)
[ ${#programs[@]} -gt 10 ] || fail "anemll lists only ${programs[*]}"

# --- names ---
output=$("$front") code=$?
expect "anemll" $code 0
expect "anemll and its help" "$output" "$("$front" help)"
for program in "$bin"/anemll_*; do
  [[ " ${programs[*]} " == *" ${program##*/} "* ]] || fail "${program##*/} is not listed by anemll"
done
for word in "trian train" "two-bits two_bit" "enf env" "precompt precompute"; do
  output=$("$front" "${word% *}" x 2>&1) code=$?
  expect "$word" $code 2
  says "$word" "did you mean ${word#* }?"
done
output=$("$front" qqqqqq 2>&1) code=$?
expect "no such name" $code 2
says "no such name" "anemll help lists all"
output=$("$front" help nothing-like-it 2>&1) code=$?
expect "help of no such name" $code 2
output=$("$front" cache info "$work/none" 2>&1) code=$?
expect "the code of what is started" $code 3
for same in "help train-v1" "train-v1 --help" "anemll_train_v1 --help"; do
  # shellcheck disable=SC2086  # words
  [ "$("$front" $same)" = "$("$bin/anemll_train_v1" --help)" ] || fail "anemll $same is not anemll_train_v1 --help"
done
output=$("$front" help two_bit) code=$?
expect "help of a script" $code 0
says "help of a script" "--time T"
for program in anemll "${programs[@]}"; do
  [[ $("$bin/$program" --version | head -n 1) =~ ^$program\ [0-9.]+\ \(git\ .+\)$ ]] || fail "$program --version begins with another line"
done

# It becomes the other program: the same process with the words as they were.
mkdir alone
cp "$front" alone/anemll
printf '#!/bin/sh\necho $$; printf "%%s|" "$@"; exit 7\n' >alone/anemll_train
chmod +x alone/anemll_train
output=$(sh -c 'echo $$; exec alone/anemll train "a b" "" --c="*"') code=$?
expect "the code of a stand-in" $code 7
expect "one process" "$(sed -n 1p <<<"$output")" "$(sed -n 2p <<<"$output")"
expect "its words" "$(sed -n 3p <<<"$output")" 'a b||--c=*|'
output=$(alone/anemll snap 2>&1) code=$?
expect "a program that is not there" $code 3
says "a program that is not there" "build or install all programs together"
output=$(cd alone && ./anemll two_bit 2>&1) code=$?
expect "a script that is not there" $code 3
output=$(alone/anemll manual train 2>&1) code=$?
expect "a program that tells nothing" $code 3

# --- the reference, man pages, completions ---
"$front" manual >told.md
cmp -s told.md "$root/src/manual/options.md" ||
  fail "src/manual/options.md is old (anemll manual > src/manual/options.md): $(diff "$root/src/manual/options.md" told.md | head -n 20)"
output=$("$front" manual trian 2>&1) code=$?
expect "the manual of no such program" $code 2
says "the manual of no such program" "did you mean train?"

commands_of() { "$bin/$1" --help=json | sed -n '1s/.*"commands":\[\(.*\)\].*/\1/p' | tr -d '"' | tr , ' '; }
bash_words() { # PROGRAM COMMAND
  bash -c '. "$1"; "_$2_options" "$3"' x "$share/bash-completion/completions/$1" "$1" "$2"
}
for program in anemll "${programs[@]}"; do
  page=$share/man/man1/$program.1
  : >in_help
  for command in $(commands_of "$program") ''; do
    if [ -z "$command" ] && [ -s in_help ]; then continue; fi
    # shellcheck disable=SC2086  # no word where there is no command
    help=$("$bin/$program" $command --help)
    names=$(sed -nE 's/^  (-h, )?--(\[no-\])?([A-Za-z0-9_-]+).*/\3/p' <<<"$help")
    [ -n "$names" ] || fail "$program $command --help has no options"
    echo "$names" >>in_help
    flat=$(tr -s ' \n' ' ' <<<"$help")
    offered=" $(bash_words "$program" "$command") "
    for name in $names; do
      case $offered in *" --$name "*) continue ;; esac
      [[ $flat =~ --${name}[^-].{0,60}not\ available: ]] || fail "$program $command: bash does not offer --$name"
    done
    for word in $offered; do
      [[ $flat == *"$word"* ]] || [[ $flat == *"--[no-]${word#--no-}"* ]] || [[ $flat == *"--[no-]${word#--}"* ]] ||
        fail "$program $command: bash offers $word, which help does not have"
    done
    for name in $names; do
      [[ $offered == *" --$name "* ]] || continue
      grep -qE "(^|[^a-zA-Z0-9_-])--${name}[=[]" "$share/zsh/site-functions/_$program" || fail "$program: zsh does not offer --$name"
      grep -qE -- "-l $name " "$share/fish/vendor_completions.d/$program.fish" || fail "$program: fish does not offer --$name"
    done
  done
  in_page=$(sed -nE 's/^\\fB(\\-h, )?\\-\\-(\[no\\-\])?([A-Za-z0-9_\\-]+)\\fR.*/\3/p' "$page" | tr -d '\\' | sort -u)
  expect "options in the man page of $program" "$in_page" "$(sort -u in_help)"
done
if command -v mandoc >/dev/null; then
  # A date would differ from build to build; lines of text are as long as they are.
  for page in "$share"/man/man1/*.1; do
    output=$(mandoc -T lint -W warning "$page" | grep -v 'missing date')
    [ -z "$output" ] || fail "${page##*/}: $output"
  done
else
  say_missing mandoc "man pages are not checked"
fi

complete_words() { # WORD...: the last one is being typed
  bash -c 'words=$1; shift; . "$words/$1"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); "_$1"; echo "${COMPREPLY[@]}"' \
    x "$share/bash-completion/completions" "$@"
}
completes() { # WANTED WORD...
  expect "completion of ${*:2}" "$(complete_words "${@:2}")" "$1"
}
completes "--kd-objective" anemll_train --kd-o
completes "--kd-objective" anemll_train --resume auto --kd_o
completes "topk-tail" anemll_train --kd-objective topk-
completes "topk-tail" anemll_train --kd_objective topk-
completes "topk-tail" anemll_train --kd-objective = topk-
completes "" anemll_train --batch-size 1
completes "auto" anemll_train --batch-size a
completes "" anemll_train --output-dir ru
completes "import info" anemll_cache i
completes "--overwrite" anemll_cache import --ov
completes "" anemll_cache info --ov
completes "train train_v1" anemll tr
completes "--kd-objective" anemll train --kd-o
completes "topk-tail" anemll train --kd-objective topk-
completes "--overwrite" anemll cache import --ov
completes "import info" anemll cache i
completes "--snap-weights" anemll train-v1 --snap-w
completes "workflow_a workflow_b workflow_c" anemll help work
completes "--json" anemll env --js
case " $(complete_words anemll_cache '') " in *" import "*) ;; *) fail "an empty word is completed by no command" ;; esac
if command -v zsh >/dev/null; then
  for file in "$share"/zsh/site-functions/_*; do zsh -n "$file" || fail "$file: zsh cannot read it"; done
else
  say_missing zsh "its completions are not read"
fi
if command -v fish >/dev/null; then
  fish_completes() { # WANTED LINE
    output=$(HOME=$work XDG_DATA_DIRS=$share PATH=$bin:$PATH fish -c "complete -C '$2'" | cut -f 1 | paste -s -d ' ')
    expect "fish: completion of $2" "$output" "$1"
  }
  fish_completes "--kd-objective" "anemll_train --kd-o"
  fish_completes "topk-tail" "anemll_train --kd-objective topk-"
  fish_completes "--overwrite" "anemll_cache import --ov"
  fish_completes "--kd-objective" "anemll train --kd-o"
else
  say_missing fish "its completions are not tried"
fi

# --- facts ---
output=$(HF_TOKEN=hf_secretword ANEMLL_BATCH_SIZE=5 WANDB_API_KEY=secretword "$front" env 2>&1) code=$?
expect "env" $code 0
for part in Build System Processors Memory Disks GPUs Libraries MPI Limits Variables; do says "env" "$part"; done
grep -qE '^  LibTorch +/.*libtorch_cpu' <<<"$output" || fail "env does not tell where LibTorch is: $output"
grep -qE '^  HDF5 +/' <<<"$output" || fail "env does not tell where HDF5 is"
grep -qE '^  ANEMLL_BATCH_SIZE +5$' <<<"$output" || fail "env does not tell a variable"
[[ $output != *secretword* ]] || fail "env tells a secret"
output=$("$front" env --json) code=$?
expect "env --json" $code 0
says "env --json" '"Processors": {'
command -v python3 >/dev/null && { python3 -c 'import json, sys; json.load(sys.stdin)["Build"]["version"]' <<<"$output" || fail "env --json is no JSON"; }

# --- an installation ---
output=$(cmake --install "${bin%/*}" --component programs --prefix "$work/prefix" 2>&1) code=$?
expect "the installation" $code 0
for file in bin/anemll bin/anemll_train share/man/man1/anemll.1 share/man/man1/anemll_train.1 share/bash-completion/completions/anemll_cache \
  share/zsh/site-functions/_anemll share/fish/vendor_completions.d/anemll.fish share/anemll_train/launch/stages.sh \
  share/anemll_train/configs/smoke_cpu.ini share/doc/anemll-train/options.md; do
  [ -s "prefix/$file" ] || fail "not installed: $file"
done
for name in build test setup packages fuzz colab pictures; do
  [ ! -e prefix/share/anemll_train/launch/$name.sh ] || fail "$name.sh is installed, and needs the source tree"
done
nano=$root/tests/golden/nano
text=$root/tests/golden/datasets/c4_demo.jsonl
installed() { env -u ANEMLL_BIN -u ANEMLL_LAUNCH PATH=/usr/local/bin:/usr/bin:/bin "$@"; }
output=$(installed prefix/bin/anemll workflow-b "$nano" "$text" by_name --length 16 --topk 8 --steps 2 --sequences 8 \
  -- --batch-size 4 --precision fp32 --threads 1 --eval-samples 4 2>&1) code=$?
expect "a recipe of the installation" $code 0
[ -s by_name/snap/model_state_dict.pt ] || fail "a recipe of the installation made no file"
output=$(installed bash prefix/share/anemll_train/launch/two_bit.sh "$nano" "$text" by_path --dry-run --gflops 20 --length 16 2>&1) code=$?
expect "the plan of a recipe of the installation" $code 0
says "the plan of a recipe of the installation" "$work/prefix/bin/anemll_init"
output=$(installed prefix/bin/anemll mpirun -np 2 anemll_precompute --version 2>&1) code=$?
expect "ranks of the installation" $code 0
says "ranks of the installation" "anemll_precompute "
"$work/prefix/bin/anemll" help | cmp -s - <("$front" help) || fail "the installed anemll lists something else"

exit $((failures > 0))
