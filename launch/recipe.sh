# Sourced by workflow_a.sh, workflow_b.sh, workflow_c.sh and two_bit.sh: their command line, and the stages that they share.
# A workflow sets `recipe`, `needs` (programs that only it runs) and `own_steps` (lines "OPTION DEFAULT WHAT"), sources
# this, calls recipe_begin "$@", states its trainings and ends with recipe_finish CHECKPOINT.
#
# It may also set, before recipe_begin: choice[OPTION], a default of its own or an option of its own, whose lines of help
# are `own_choices`; and the functions recipe_sizes (run before the text is read: its stages, then choices that follow
# from them), recipe_after_snap (stages between the snap and the report), recipe_facts (lines NAME=TEXT for the report) and the
# arrays snap_flags and cache_flags. cache_payload:
# of a cache that is made, with hidden states otherwise.
#
# What recipe_begin sets: model, input, out, cache (made by then), dry, bin; steps[OPTION], and typed[OPTION] of those
# that stand on the command line; choice[OPTION] and chosen[OPTION] in the same way.

launch=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$launch/stages.sh"
. "$launch/report.sh"

declare -A steps=() typed=() # OPTION to number
declare -A choice=(
  [--ranks]=1 [--bin]=$(programs_folder) [--config-file]='' [--v1-config-file]=''
  [--sequences]=20000 [--length]=128 [--topk]=128 [--holdout]=0.01 [--dataset-format]=plain [--enable-thinking]=false
)
declare -A chosen=()
extra=() # words for every anemll_train
own_choices='' snap_flags=() cache_flags=()

recipe_usage() {
  usage
  echo
  echo "Options:"
  awk '{printf "  %-22s %s (default %s)\n", $1 " N", substr($0, length($1 $2) + 3), $2}' <<<"$own_steps"
  [ -z "$own_choices" ] || echo "$own_choices"
  cat <<TEXT
  --ranks N              ranks of every program that can have several (default 1)
  --bin FOLDER           the programs (default \$ANEMLL_BIN, else build/release/bin, else those on the PATH)
  --config-file FILE     settings of every anemll_train; what it sets, the workflow does not
  -- WORD...             the rest goes to every anemll_train
  --dry-run              print the plan: stages, commands, estimated time and memory. ANEMLL_GFLOPS=N tells the speed
                         of another machine
When TEXT_OR_CACHE is a text:
  --sequences N          sequences to make of it (default ${choice[--sequences]})
  --length N             tokens of a sequence (default ${choice[--length]})
  --topk N               logits kept per position (default ${choice[--topk]})
  --holdout X            share of the documents for evaluation only (default ${choice[--holdout]})
  --dataset-format NAME, --enable-thinking NAME     as in anemll_precompute
  Several texts stand with commas between them, with format and share: chat.json=alpaca_chat:0.7,plain.txt:0.3

The same command goes on where it was stopped or killed, and does nothing where all is done. A stage whose inputs or
command have changed runs anew, and its earlier result moves to OUT/earlier-N.
Exit codes: 0 done, 2 usage, 3 data, 4 communication, 5 numbers or verification, 75 saved: run it again.
TEXT
}

recipe_begin() {
  local words=() option value
  while read -r option value _; do steps[$option]=$value; done <<<"$own_steps"
  again_command=$(spelled "$0" "$@")
  dry=
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) recipe_usage; exit 0 ;;
      --dry-run) dry=dry; shift; continue ;;
      --) extra=("${@:2}"); break ;;
      -*)
        if [ -n "${steps[$1]+known}" ]; then
          whole_number "$1" "${2-}"
          steps[$1]=$2 typed[$1]=$2
        elif [ -n "${choice[$1]+known}" ]; then
          [ $# -gt 1 ] || refuse 2 "$1 needs a value" "launch/$recipe.sh --help"
          choice[$1]=$2 chosen[$1]=$2
        else
          refuse 2 "no such option: $1" "launch/$recipe.sh --help; options of anemll_train go behind --"
        fi
        shift 2
        ;;
      *) words+=("$1"); shift ;;
    esac
  done
  [ ${#words[@]} -eq 3 ] || refuse 2 "MODEL, TEXT_OR_CACHE and OUT are needed" "launch/$recipe.sh --help"
  for option in --ranks --sequences --length --topk; do
    [ "${choice[$option]}" = auto ] && [ -z "${chosen[$option]-}" ] || whole_number $option "${choice[$option]}"
  done
  for option in --config-file --v1-config-file; do
    [ -z "${choice[$option]}" ] || [ -f "${choice[$option]}" ] || refuse 2 "$option ${choice[$option]} does not exist" "give a file, see configs/README.md"
  done
  if [ -n "${choice[--v1-config-file]}" ] && [ "$recipe" != workflow_a ]; then
    refuse 2 "--v1-config-file is read by workflow_a.sh only" "drop it; --config-file has the settings of anemll_train"
  fi
  for option in max-steps batch-size; do
    whole_number "--$option" "$(setting $option 1)"
    value=$(said_in_file "${choice[--v1-config-file]}" $option)
    whole_number "--$option" "${value:-1}"
  done
  for option in "${!typed[@]}"; do
    [ "$option" = --v1-steps ] || [ -z "$(said_behind max-steps)" ] ||
      refuse 2 "$option ${typed[$option]}, and behind -- stands --max-steps too" "give one of them"
  done
  model=${words[0]%/} input=${words[1]%/} out=${words[2]%/}
  bin=${choice[--bin]%/}
  # What looks like a path must be there: the hub is asked for org/name only.
  if [ ! -e "$model" ] && [[ $model == /* || $model == ./* || $model == ../* || $model == *.gguf || $model != */* ]]; then
    refuse 3 "the model $model does not exist" "a model folder, a .gguf file, or org/name on the hub"
  fi
  if [ -d "$model" ] && [ ! -e "$model/config.json" ]; then
    refuse 3 "$model is no model: it has no config.json" "MODEL comes first, then TEXT_OR_CACHE, then OUT"
  fi
  local text
  while IFS= read -r text; do
    if [ ! -e "$text" ] && [[ $text == /* || $text == ./* || $text == ../* || $text != */* ]]; then
      refuse 3 "$text does not exist" "a text, a data set, a KD cache, an archive of one, or org/name on the hub"
    fi
  done < <(texts_of "$input")
  # Before hours of work.
  for option in anemll_cache anemll_precompute anemll_train anemll_snap anemll_report $needs; do
    [ -n "$dry" ] || [ -x "$bin/$option" ] || refuse 2 "$bin has no $option" "bash launch/build.sh release programs, or --bin FOLDER"
  done
  parameters=$(count_parameters "$model")
  [ -z "$dry" ] || say "estimates: ${parameters:-an unknown number of} parameters, at $(machine_gflops) GFLOP/s"
  stages_begin "$recipe" "$out" $dry
  if declare -F recipe_sizes >/dev/null; then recipe_sizes; fi
  make_cache
}

# texts_of TEXT: a line for each of a mixture A[=FORMAT][:SHARE],B[=FORMAT][:SHARE]; what is there is one text.
texts_of() {
  if [ -e "$1" ]; then echo "$1"; else tr ',' '\n' <<<"$1" | sed -E 's/:[0-9.]+$//; s/=[a-z_]+$//'; fi
}

whole_number() { # OPTION VALUE
  [[ $2 =~ ^[1-9][0-9]*$ ]] || refuse 2 "$1 ${2:-without a value}: a whole number above 0 is needed" "launch/$recipe.sh --help"
}

# said_behind NAME: the value of an option among the words behind --; empty where it is not there.
said_behind() {
  local i
  for i in "${!extra[@]}"; do
    case ${extra[i]//_/-} in
      "--$1") echo "${extra[i + 1]-}"; return ;;
      "--$1="*) echo "${extra[i]#*=}"; return ;;
    esac
  done
}
# said_in_file FILE NAME: the same of a config file. FILE may be empty.
said_in_file() { [ -z "$1" ] || sed -nE "s/^[[:space:]]*${2//-/[-_]}[[:space:]]*=[[:space:]]*([^#]*[^#[:space:]]).*/\1/p" "$1" | tail -n 1; }
# setting NAME DEFAULT: of a training, as the words behind --, else the config file, else the workflow has it.
setting() {
  local found
  found=$(said_behind "$1")
  found=${found:-$(said_in_file "${choice[--config-file]}" "$1")}
  echo "${found:-$2}"
}
# at_most LIMIT NUMBER: a period that is longer than its run means nothing.
at_most() { echo $(($2 < $1 ? $2 : $1)); }
# train_batch, train_evals: a workflow's own batch and steps between evaluations, where nobody sets them.
is_set() { [ "$(setting "$1" -)" != - ]; }

# --- estimates

count_parameters() { # MODEL: roughly; empty if nothing tells
  local bytes width
  if [ -d "$1" ]; then
    bytes=$(find -L "$1" -maxdepth 1 -name 'model*.safetensors' -exec wc -c {} + | awk '$2 != "total" {s += $1} END {printf "%.0f", s}')
    width=2
    # Not by the status of a pipe: who reads its first bytes only ends the one who writes.
    [ -z "$(head -qc 100000 "$1"/model*.safetensors 2>/dev/null | grep -aom 1 '"dtype": *"F32"' || true)" ] || width=4
    [ "$bytes" = 0 ] || echo $((bytes / width))
  elif [ -f "$1" ]; then
    awk -v b="$(bytes_of "$1")" 'BEGIN {printf "%.0f\n", b * 8 / 5}' # about five bits a weight
  else
    sed -nE 's/.*[-_]([0-9.]+)([BMbm])([^a-zA-Z].*)?$/\1 \2/p' <<<"$1" |
      awk '{printf "%.0f\n", $1 * (tolower($2) == "b" ? 1e9 : 1e6)}'
  fi
}
machine_gflops() {
  if [ -n "${ANEMLL_GFLOPS:-}" ]; then
    echo "$ANEMLL_GFLOPS"
  elif command -v nvidia-smi >/dev/null; then
    echo 20000
  else
    echo $((20 * $(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)))
  fi
}
# cost TOKENS PASSES BYTES: of a stage that computes for TOKENS the work of PASSES forward passes, and holds BYTES per
# parameter on each rank. What an earlier whole run took is better known.
cost() {
  local took
  took=$(field "$out/stages/$stage_name.done" seconds)
  [ -n "$parameters" ] || { echo "time and memory are known when the model is here"; return; }
  echo "$([ -n "$took" ] && echo "took $(spell_seconds "$took") before" ||
    echo "about $(spell_seconds "$(awk -v t="$1" -v f="$2" -v p="$parameters" -v g="$(machine_gflops)" 'BEGIN {printf "%.0f", 5 + 2 * t * f * p / g / 1e9}')")"), about $(
    spell_bytes "$(awk -v b="$3" -v p="$parameters" 'BEGIN {printf "%.0f", 4e8 + b * p}')") on each rank"
}
# cost_of_reading PATH: of a cache, at 100 MB a second.
cost_of_reading() { echo "about $(spell_seconds $((1 + $(bytes_of "$1") / 100000000))), about $(spell_bytes 100000000) on each rank"; }

# --- stages that workflows share

is_torch_cache() { compgen -G "$1/shard_*.pt" >/dev/null; }

# A cache was made with numbers of its own.
tell_unread_choices() {
  local option
  for option in --sequences --length --topk --holdout --dataset-format --enable-thinking; do
    [ -z "${chosen[$option]-}" ] || say "warning: $option ${chosen[$option]} has no effect: $input is a KD cache already (drop it)"
  done
}

# Sets `cache`: the input itself, or what a stage makes of it. Sets `teacher`: words that make evaluations run the model,
# where the cache has no hidden states but is of this model.
make_cache() {
  local stage_name=cache length=${choice[--length]} index named text texts=()
  teacher=()
  cache=$out/cache
  if [ -f "$input/index.json" ] || [[ $input == *.h5 ]]; then
    cache=$input
    tell_unread_choices
    stage cache "every value of the KD cache is checked" --from "$input" --cost "$(cost_of_reading "$input")" \
      -- "$bin/anemll_cache" verify "$input"
  elif is_torch_cache "$input" || [[ $input =~ \.(tgz|tar|tar\.gz|tar\.zst)$ ]]; then
    tell_unread_choices
    stage cache "the KD cache becomes HDF5, every value is checked" --from "$input" --makes "$cache" \
      --cost "$(cost_of_reading "$input")" -- "$bin/anemll_cache" import "$input" "$cache"
  else
    while IFS= read -r text; do texts+=(--from "$text"); done < <(texts_of "$input")
    stage cache "the teacher reads the text" --from "$model" "${texts[@]}" --makes "$cache" --part "$cache.precompute" --again --resume \
      --ranks "${choice[--ranks]}" --cost "$(cost $((choice[--sequences] * length)) 1 4)" \
      -- "$bin/anemll_precompute" --teacher_model_name_or_path "$model" --dataset_name "$input" --output_dir "$cache" \
      --dataset_format "${choice[--dataset-format]}" --enable_thinking "${choice[--enable-thinking]}" --payload "${cache_payload:-topk,lse,hidden}" \
      --topk "${choice[--topk]}" --max_length "$length" --num_sequences "${choice[--sequences]}" --holdout "${choice[--holdout]}" --batch_size 16 \
      "${cache_flags[@]}"
    tokens_of_sequence=$length
    return 0
  fi
  # Of a cache that others made. Before a plan's import there is only the source's meta.json.
  index=$cache/index.json
  [ -f "$index" ] || index=$input/meta.json
  tokens_of_sequence=$(said_in "$index" '(max_)?length": *([0-9]+)' '\2')
  : "${tokens_of_sequence:=$length}"
  if [ -f "$index" ] && ! grep -q '"hidden"' "$index"; then
    named=$(said_in "$index" '(teacher_model)": *"([^"]*)"' '\2')
    [ "${named##*/}" != "${model##*/}" ] || teacher=(--teacher-model "$model")
  fi
}
# said_in FILE PATTERN WHICH: of JSON, the first place of a key and its value.
said_in() { [ ! -f "$1" ] || sed -nE "/.*\"$2.*/{s//$3/p;q;}" "$1"; }

# train NAME SAYS STEPS_OPTION LR [--from PATH]... -- FLAG...: a stage of anemll_train into OUT/NAME.
train() {
  local stage_name=$1 says=$2 own=() froms=() pair most=${steps[$3]} rate=$4 defaults
  if [ -n "${typed[$3]-}" ] && [ -z "$(said_behind max-steps)" ]; then
    own=(--max-steps "$most") # what is typed wins over the config file
  else
    is_set max-steps || own=(--max-steps "$most")
    most=$(setting max-steps "$most")
  fi
  shift 4
  while [ "$1" != -- ]; do froms+=("$1"); shift; done
  shift
  defaults=("lr=$rate" "batch-size=${train_batch:-8}" "state-steps=$(at_most 50 "$most")" "eval-steps=$(at_most "${train_evals:-100}" "$most")")
  for pair in "${defaults[@]}"; do is_set "${pair%%=*}" || own+=("--${pair%%=*}" "${pair#*=}"); done
  # The reference's 100 steps, and less for a run that would end in them.
  is_set warmup-steps || own+=(--warmup-steps "$(at_most 100 $((most / 10)))")
  [ -z "${choice[--config-file]}" ] || froms+=(--from "${choice[--config-file]}") own+=(--config-file "${choice[--config-file]}")
  stage "$stage_name" "$says" --from "$model" --from "$cache" "${froms[@]}" --makes "$out/$stage_name" \
    --result "$out/$stage_name/best_state_dict.pt" --result "$out/$stage_name/config.json" \
    --again --resume --again auto --check --print-config --ranks "${choice[--ranks]}" \
    --cost "$(cost $((most * $(setting batch-size "${train_batch:-8}") * tokens_of_sequence)) 3 14)" \
    -- "$bin/anemll_train" "$@" --model-id "$model" --cache-dir "$cache" --output-dir "$out/$stage_name" "${own[@]}" "${teacher[@]}" "${extra[@]}"
}

# recipe_finish CHECKPOINT: snaps it, verifies the file, writes the report.
recipe_finish() {
  local stage_name=snap
  stage snap "the scales are rounded to FP16, the file is read again and scored" --from "$model" --from "$cache" --from "$1" --makes "$out/snap" \
    --result "$out/snap/model_state_dict.pt" --result "$out/snap/config.json" --cost "$(cost $((40 * tokens_of_sequence)) 7 16)" \
    -- "$bin/anemll_snap" --checkpoint "$1" --model-id "$model" --cache-dir "$cache" --fp16 "${snap_flags[@]}" --output "$out/snap"
  if declare -F recipe_after_snap >/dev/null; then recipe_after_snap; fi
  [ -z "$dry" ] || return 0
  stages_now=report
  write_report
  say "report: $out/report.html"
  say "snapped checkpoint: $out/snap/model_state_dict.pt (report: $out/snap/snap_report.json)"
  stages_end
}
