#!/usr/bin/env bash
# Two bits that work: a start out of teacher and text, end-to-end training of its scales, snapped, scored, told.
#
#   launch/two_bit.sh MODEL TEXT OUT [--time 1h] [--bits-target B] [options]
#
# MODEL is a model folder, a .gguf file or org/name on the hub. TEXT is a file, a folder or a data set, or several as
# NAME[=FORMAT][:SHARE],...; or a KD cache with hidden states. OUT gets the result in OUT/snap, and OUT/report.html,
# OUT/report.md and OUT/report.json.
#
# It measures this machine and takes the sizes that fit the time: tokens to calibrate on, steps, batch. They stand in
# OUT/stages/measure.sizes. The time is that of all stages together, in one sitting or in many.
set -euo pipefail
recipe=two_bit
needs='anemll_init anemll_eval anemll_infer anemll_inspect anemll_allocate'
own_steps='--steps auto steps of the training
--calibration-tokens auto tokens that the start looks at'
here=$(dirname "${BASH_SOURCE[0]}")
. "$here/recipe.sh"
. "$here/two_bit_plan.sh"
choice+=([--time]=1h [--bits-target]='' [--bits]=2,4 [--config]=q2a4 [--scale-bits]=8 [--gflops]='' [--score-text]='' [--teacher]=cached
  [--sequences]=auto [--length]=512 [--topk]=32 [--holdout]=0.05)
own_choices="  --time T               what it may take: seconds, 15m, 1h (default ${choice[--time]})
  --bits-target B        bits of a weight, scales included: widths are allocated by what each linear costs
  --bits LIST            widths that may be chosen then (default ${choice[--bits]}, which all known converters read)
  --config NAME          the preset without --bits-target (default ${choice[--config]})
  --scale-bits N         8 or 16 bits of a scale as stored (default ${choice[--scale-bits]})
  --teacher WORD         cached: its hidden states lie in the cache; live: it runs on every batch, which takes memory and
                         no disk (default ${choice[--teacher]})
  --score-text FILE      a text for the final score; without it the held-out sequences are scored
  --gflops N             the rate of this machine: nothing is measured"

recipe_sizes() {
  local seconds size=(--size 4096) sizes=$stages_state/measure.sizes name
  seconds=$(seconds_of "${choice[--time]}")
  [ -n "$seconds" ] || refuse 2 "--time ${choice[--time]} is no time" "give seconds, or 15m, or 1h"
  for name in --bits-target --gflops; do
    [ -z "${choice[$name]}" ] || [[ ${choice[$name]} =~ ^[0-9]+([.][0-9]+)?$ ]] || refuse 2 "$name ${choice[$name]} is no number" "launch/$recipe.sh --help"
  done
  if [ -n "${choice[--bits-target]}" ] && [ -n "${chosen[--config]-}" ]; then
    refuse 2 "--bits-target and --config both choose the widths" "drop one of them"
  fi
  case ${choice[--teacher]} in
    cached) ;;
    live) cache_payload=topk ;;
    *) refuse 2 "--teacher ${choice[--teacher]} is neither cached nor live" "launch/$recipe.sh --help" ;;
  esac
  [ -z "${choice[--score-text]}" ] || [ -f "${choice[--score-text]}" ] || refuse 3 "--score-text ${choice[--score-text]} does not exist" "give a text file"
  [ -z "${choice[--gflops]}" ] || size=(--size 0)
  stage measure "the model's sizes, this machine's rate" --from "$model" --makes "$out/work.json" --cost "a few seconds" \
    -- "$bin/anemll_inspect" work "$model" "${size[@]}" --output "$out/work.json"
  # A plan of a model that was not looked at yet is an estimate, as its times are.
  local work=$out/work.json rate=${choice[--gflops]} guess
  if [ ! -f "$work" ]; then
    work=/dev/stdin
    rate=${rate:-$(machine_gflops)}
  fi
  guess=$(awk -v p="${parameters:-100000000}" 'BEGIN {
      printf "{\"linear_weights\": %.0f, \"head_weights\": %.0f,", 0.8 * p, 0.2 * p
      printf "\"squared_inputs\": %.0f, \"solved_weights\": %.0f, \"layers\": 28, \"attention_width\": %.0f}\n", p / 2, 800 * p, sqrt(p) / 12
    }')
  sizes=$(two_bit_sizes "$work" "$seconds" "${choice[--length]}" "${choice[--bits-target]:+1}" "$rate" <<<"$guess")
  sized() { sed -n "s/^$1=//p" <<<"$sizes"; }
  [ "${steps[--steps]}" != auto ] || steps[--steps]=$(sized steps)
  [ "${steps[--calibration-tokens]}" != auto ] || steps[--calibration-tokens]=$(sized calibration_tokens)
  train_batch=$(sized batch)
  train_evals=$((${steps[--steps]} < 4 ? 1 : ${steps[--steps]} / 4))
  chunks=$(sized chunks)
  if [ "${choice[--sequences]}" = auto ]; then
    choice[--sequences]=$(($(setting max-steps "${steps[--steps]}") * $(setting batch-size "$train_batch")))
    name=$((${steps[--calibration-tokens]} / ${choice[--length]} + 1))
    [ "${choice[--sequences]}" -ge "$name" ] || choice[--sequences]=$name
  fi
  announced=$(sized announced_s)
  say "== ${steps[--calibration-tokens]} tokens to calibrate on, ${steps[--steps]} steps of $train_batch sequences: about $(spell_seconds "$announced") in all"
  [ "$(sized over)" != yes ] || say "== that is longer than ${choice[--time]}: fewer steps would change little"
}

recipe_after_snap() {
  local stage_name=score texts=(--cache-dir "$cache" --cache-part holdout --chunks 20) from=()
  if [ -n "${choice[--score-text]}" ]; then
    texts=(--text "${choice[--score-text]}" --chunks 20 --context "${choice[--length]}")
    from=(--from "${choice[--score-text]}")
  fi
  stage score "start, trained and snapped model are held against MODEL" --from "$model" --from "$cache" "${from[@]}" \
    --from "$out/start/v2_init.pt" --from "$out/v2/best_state_dict.pt" --from "$out/snap/model_state_dict.pt" \
    --makes "$out/score.md" --makes "$out/score.json" --ranks "${choice[--ranks]}" --cost "$(cost $((80 * tokens_of_sequence)) 1 14)" \
    -- "$bin/anemll_eval" "$out/start/v2_init.pt" "$out/v2/best_state_dict.pt" "$out/snap/model_state_dict.pt" --model-id "$model" \
    --teacher "$model" "${texts[@]}" --parts --output "$out/score.md" --output "$out/score.json"

  stage_name=samples
  for name in teacher snap; do
    local from=() answers=("$bin/anemll_infer")
    if [ $name = snap ]; then from=(--from "$out/snap/model_state_dict.pt") answers+=("$out/snap/model_state_dict.pt"); fi
    stage "samples_$name" "answers of the ${name/snap/snapped file}" --from "$model" "${from[@]}" --from "$prompts" --makes "$out/answers_$name.jsonl" \
      --cost "$(cost 400 1 4)" -- "${answers[@]}" --model-id "$model" --batch "$prompts" --out "$out/answers_$name.jsonl" \
      --greedy --max-tokens 48
  done
}

recipe_facts() {
  printf 'sizes=Sizes were chosen for %s: %s calibration tokens, %s steps, %s s announced.\n' "${choice[--time]}" \
    "${steps[--calibration-tokens]}" "${steps[--steps]}" "$announced"
  if [ -n "${choice[--bits-target]}" ]; then printf 'widths=Widths of the linears: %s.\n' "$out/widths.json"; fi
}

prompts=$launch/two_bit_prompts.jsonl
cache_flags=(--cut-corpora)
recipe_begin "$@"
# Said before hours of work rather than behind them.
if [ -z "$dry" ] && [ -z "${choice[--score-text]}" ] && ! grep -q 'holdout_00000\.h5' "$cache/index.json" 2>/dev/null; then
  refuse 3 "$cache has no held-out sequence: nothing can be scored" "more text, a larger --holdout, or --score-text FILE"
fi
snap_flags=(--scale-bits "${choice[--scale-bits]}" --samples 10)

# Bits where they count, or the preset.
widths=(--config "${choice[--config]}") widths_from=()
if [ -n "${choice[--bits-target]}" ]; then
  stage_name=allocate
  stage allocate "bits and rank of each linear, by what it costs" --from "$model" --from "$cache" --makes "$out/widths.json" \
    --part "$out/widths.sensitivity.json" --ranks "${choice[--ranks]}" --cost "$(cost $((chunks * tokens_of_sequence)) 60 8)" \
    -- "$bin/anemll_allocate" "$model" --cache-dir "$cache" --chunks "$chunks" --bits-target "${choice[--bits-target]}" \
    --bits "${choice[--bits]}" --scale-bits "${choice[--scale-bits]}" --output "$out/widths.json"
  widths=(--layer-overrides "$out/widths.json") widths_from=(--from "$out/widths.json")
fi

stage_name=start
stage start "the start: block by block out of the teacher and the text" --from "$model" --from "$cache" "${widths_from[@]}" \
  --makes "$out/start" --part "$out/start.start" --again --resume --ranks "${choice[--ranks]}" \
  --cost "$(cost "${steps[--calibration-tokens]}" 8 14)" \
  -- "$bin/anemll_init" --model-id "$model" --cache-dir "$cache" --init cd --calibration-tokens "${steps[--calibration-tokens]}" \
  "${widths[@]}" --output "$out/start"

if [ "${choice[--teacher]}" = live ]; then teacher=(--teacher-model "$model"); fi
exact=()
for pair in kd-objective=exact temperature=1 hard-top1=0 hard-full=0 "scale-bits=${choice[--scale-bits]}" min-lr-ratio=0.05 eval-samples=12; do
  is_set "${pair%%=*}" || exact+=("--${pair%%=*}" "${pair#*=}")
done
# By hold-out KL (tests/bench/README.md): the better the start, the lower the rate that improves it.
rate=5e-5
[ -n "${choice[--bits-target]}" ] || [ "${choice[--config]}" != q2a4 ] || rate=1e-4
train v2 "the scales are trained end to end" --steps $rate --from "$out/start/v2_init.pt" -- --v2-checkpoint "$out/start/v2_init.pt" "${exact[@]}"
recipe_finish "$out/v2/best_state_dict.pt"
