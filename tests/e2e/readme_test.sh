#!/usr/bin/env bash
# Runs every command block of README.md: readme_test.sh [README]. ANEMLL_BIN is the folder of the built programs.
#
# A block is what stands between ```bash and ```. It runs word for word in a folder of its own, where small stand-ins
# have the names that it uses: a model MODEL, a cache KD_PT_FOLDER, runs run-a and run-b, a hub cache with the two
# repositories, the scripts and presets of this repository over a project that compiles nothing. What would take an hour
# or the network is changed by the table below, and by nothing else. A block without a row fails, and so does a row
# without a block.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
readme=${1:-$root/README.md}
bin=${ANEMLL_BIN:?the folder of the built programs}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
readonly root readme bin work limit_s=300
failures=0
fail() { echo "$*"; failures=$((failures + 1)); }

# row NAME FIRST_WORDS MAKES [FROM TO]...: the block that begins with FIRST_WORDS runs with each FROM replaced by TO
# (each must stand there once), and leaves the files MAKES.
names=() begins=() makes=() changes=()
row() {
  names+=("$1") begins+=("$2") makes+=("$3")
  shift 3
  changes+=("$([ $# -eq 0 ] || printf '%s\n' "$@")")
}
row "two commands" "bash launch/quickstart.sh" "runs/quickstart-tiny/snap/model_state_dict.pt" \
  "launch/quickstart.sh" "launch/quickstart.sh --tiny"
row "build by hand" "bash launch/setup.sh" "build/release/CMakeCache.txt"
row "help" "anemll help " ""
row "a KD cache" "anemll_precompute " "kd_cache/index.json"
row "calibrating" "anemll_calibrate " "moments.h5" "--max_length 64" "--max_length 16 --num-sequences 4"
row "tokens" "echo " "ids.jsonl"
row "a real model" "anemll_cache import " "kd_cache/index.json run/training_log.csv run/snap/model_state_dict.pt" \
  "--max-steps 1000" "--max-steps 4" "--save-steps 200" "--save-steps 2"
row "a good start" "anemll_init " "start/v2_init.pt start/start_report.json run-start/training_log.csv" \
  "texts.jsonl --output start" "tests/golden/datasets/c4_demo.jsonl --max_length 32 --calibration-tokens 1024 --output start" \
  "texts.jsonl --output-dir" "tests/golden/datasets/c4_demo.jsonl --max_length 32 --output-dir" "--max-steps 1000" "--max-steps 4"
row "two bits" "bash launch/two_bit.sh" "runs/two/report.html runs/two/report.md runs/two/snap/model_state_dict.pt" \
  "texts.jsonl" "tests/golden/datasets/c4_demo.jsonl" "--time 1h" "--gflops 20 --length 16 --holdout 0.3 --calibration-tokens 256 --steps 4"
row "watching" "anemll_watch " ""
picture=()
command -v gnuplot >/dev/null || {
  echo "gnuplot is not installed (apt-get install gnuplot-nox): 'curves' draws no picture"
  picture=("--output curves.png" "--no_show")
}
row "curves" "anemll_plot " "$([ ${#picture[@]} -gt 0 ] || echo curves.png)" "${picture[@]}"
row "from C++" "cmake --install " "distilled/snap/model_state_dict.pt" "build/release" "$(dirname "$bin")"
row "a report" "anemll_report " "run-a/report.html both.html"
row "a workflow" "bash launch/workflow_b.sh" "runs/b/report.html runs/b/report.md runs/b/report.json runs/b/snap/model_state_dict.pt" \
  "--ranks 2" "--ranks 2 -- --max-steps 2"

# hub_entry KIND NAME FOLDER: FOLDER as the cached repository KIND/NAME of the folder $hub.
hub_entry() {
  local repository commit=0123456789abcdef0123456789abcdef01234567
  repository=$hub/$1--${2/\//--}
  mkdir -p "$repository/refs" "$repository/snapshots"
  printf '%s' $commit >"$repository/refs/main"
  cp -r "$3" "$repository/snapshots/$commit"
}

# The hub cache and the model that all blocks share.
hub=$work/hub
model=$work/model
golden=$root/tests/golden
mkdir -p "$model" "$work/text"
for file in config.json model.safetensors tokenizer.json tokenizer_config.json chat_template.jinja; do
  cp "$golden/nano/$file" "$model"
done
cp "$golden/datasets/alpaca_40.json" "$work/text/train.json"
hub_entry models Qwen/Qwen3-0.6B "$model"
hub_entry datasets tatsu-lab/alpaca "$work/text"

# The folder that a block runs in: a clone with its programs built, and the files that the text speaks of.
make_place() {
  local place=$1 folder
  mkdir -p "$place"
  cp -r "$root/launch" "$root/CMakePresets.json" "$place"
  printf '#!/usr/bin/env bash\n' >"$place/launch/setup.sh" # installs nothing
  for folder in configs tests; do ln -s "$root/$folder" "$place/$folder"; done
  cat >"$place/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(stand_in NONE)
enable_testing()
add_custom_target(programs ALL COMMAND ${CMAKE_COMMAND} -E create_symlink $ENV{PROGRAMS} ${CMAKE_BINARY_DIR}/bin)
add_custom_target(quick_start DEPENDS programs)
add_test(NAME nothing COMMAND ${CMAKE_COMMAND} -E true)
CMAKE
  ln -s "$model" "$place/MODEL"
  ln -s "$golden/nano/cache" "$place/KD_PT_FOLDER"
  printf '%s\n' '{"text": "Hello, world"}' '{"text": "Two lines\nof text"}' >"$place/texts.jsonl"
  ln -s "$golden/datasets/alpaca_40.json" "$place/chat.json"
  for folder in run-a run-b; do # two runs that are over
    mkdir "$place/$folder"
    printf '%s\n' '{"kind":"eval","step":0,"loss":2,"elapsed_s":0}' \
      '{"kind":"train","step":10,"loss":1.5,"tokens_per_s":100,"elapsed_s":20}' \
      '{"kind":"train","step":20,"loss":1.25,"tokens_per_s":100,"elapsed_s":40}' \
      '{"kind":"summary","summary":{"step":20}}' >"$place/$folder/metrics.jsonl"
  done
}

# run_block FILE: in the folder of the moment, with nothing of the caller's settings.
run_block() {
  local name
  for name in $(compgen -e); do
    case $name in ANEMLL_* | HF_* | HUGGINGFACE_* | TRANSFORMERS_*) unset "$name" ;; esac
  done
  # Each command line must succeed, also where bash -e overlooks it: in front of &&.
  awk '{ text = text $0 }
    sub(/\\$/, "", text) { next }
    text != "" { print "{ " text "\n} || exit"; text = "" }' "$1" >"$1.lines"
  PATH=$bin:$PATH PROGRAMS=$bin HF_HUB_CACHE=$hub HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 \
    timeout -k 5 $limit_s bash -o pipefail "$1.lines" </dev/null
}

# Blocks to files: $work/block.LINE, where LINE is that of the opening fence.
awk -v work="$work" '
  /^```/ && open { open = 0; next }
  /^```/ {
    open = FNR
    language = substr($0, 4)
    if (language == "bash") { file = work "/block." FNR; printf "" >file }
    else if (language != "text") print FNR ": the fence says neither bash nor text"
    next
  }
  open && language == "bash" { print >file }
  END { if (open) print open ": the fence is not closed" }' "$readme" >"$work/wrong"
while IFS= read -r line; do fail "README.md:$line"; done <"$work/wrong"

# change FILE FROM TO
change() {
  local text rest
  text=$(<"$1")
  rest=${text#*"$2"}
  [ "$rest" != "$text" ] && [[ $rest != *"$2"* ]] || return 1
  printf '%s\n' "${text%%"$2"*}$3$rest" >"$1"
}

declare -A seen=()
for block in $(printf '%s\n' "$work"/block.* | sort -V); do
  [ -f "$block" ] || continue
  line=${block##*.}
  found=
  for i in "${!names[@]}"; do
    [[ $(<"$block") == "${begins[i]}"* ]] && found=$i && break
  done
  if [ -z "$found" ]; then
    fail "README.md:$line: no row of the table of tests/e2e/readme_test.sh is about this block:"
    cat "$block"
    continue
  fi
  [ -z "${seen[$found]-}" ] || fail "README.md:$line: another block for the row '${names[found]}'"
  seen[$found]=1
  name=${names[found]}
  mapfile -t pairs < <([ -z "${changes[found]}" ] || printf '%s\n' "${changes[found]}")
  for ((k = 0; k < ${#pairs[@]}; k += 2)); do
    change "$block" "${pairs[k]}" "${pairs[k + 1]}" ||
      fail "README.md:$line: '${pairs[k]}' does not stand once in '$name'"
  done
  place=$work/place.$line
  make_place "$place"
  began=$SECONDS
  (cd "$place" && run_block "$block") >"$work/output" 2>&1
  code=$?
  if [ $code -ne 0 ]; then
    fail "README.md:$line: '$name' ends with $code:"
    tail -n 30 "$work/output"
    continue
  fi
  for file in ${makes[found]}; do
    [ -s "$place/$file" ] || fail "README.md:$line: '$name' leaves no $file"
  done
  echo "$name: ok, $((SECONDS - began)) s"
  rm -rf "$place"
done
for i in "${!names[@]}"; do
  [ -n "${seen[$i]-}" ] || fail "README.md has no block '${names[i]}', which begins with '${begins[i]}'"
done

# Tables "Python | Here": each program has the flags that its row names, and each script is there.
rows=0
while IFS='|' read -r _ python here _; do
  program=$(grep -oE 'anemll_[a-z0-9]+' <<<"$here" | head -n 1)
  script=$(grep -oE 'launch/[a-z0-9_]+\.sh' <<<"$here" | head -n 1)
  [ -z "$script" ] || [ -f "$root/$script" ] || fail "README.md names $script, which is not there"
  [ -n "$program" ] || continue
  command=$(sed -nE "s/.*$program ([a-z0-9-]+)\`.*/\1/p" <<<"$here")
  # shellcheck disable=SC2086  # no word where there is no command
  help=$("$bin/$program" $command --help 2>&1) || fail "README.md: $program $command is no command"
  for flag in $(grep -oE -- '--[a-z0-9][a-z0-9_-]*' <<<"$python $here" | sort -u); do
    grep -qE -- "(^|[ ,])(--(\[no-\])?${flag#--})([ ,]|\$)" <<<"$help" || fail "README.md: $program has no $flag"
  done
  rows=$((rows + 1))
done < <(sed -n '/^| Python | Here |/,/^$/p' "$readme" | tail -n +3)
[ "$rows" -gt 10 ] || fail "README.md: the table of the Python version's commands was not read: $rows rows"

[ "$failures" -eq 0 ] && echo "every command of README.md runs"
exit $((failures > 0))
