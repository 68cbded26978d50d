# Sourced by recipe.sh: report.md and report.json of a finished workflow. Figures are those that the programs wrote:
# lines of metrics.jsonl and the snap's report, taken over as they are.

json_text() { # TEXT as a JSON string
  printf '"%s"' "$(printf '%s' "$1" | LC_ALL=C sed 's/[\\"]/\\&/g; s/\t/\\t/g' | awk 'NR > 1 {printf "\\n"} {printf "%s", $0}')"
}
json_number() { sed -nE "s/.*\"$2\":([-0-9.eE+]+).*/\1/p" <<<"$1"; } # LINE KEY; empty where it is not a number
# The evaluation that the run began with, and the one whose weights it kept; empty without one.
first_eval() { grep -m 1 '"kind":"eval"' "$1" 2>/dev/null || true; }
best_eval() { grep '"kind":"eval"' "$1" 2>/dev/null | awk '/"new_best":true/ || NR == 1 {line = $0} END {if (line != "") print line}' || true; }

write_report() {
  local snap=$out/snap/snap_report.json final=$out/snap/model_state_dict.pt sum total=0 name
  sum=$(digest_of "$final")
  for name in "${stages_names[@]}"; do total=$((total + $(field "$stages_state/$name.done" seconds))); done
  report_as_json | make_file "$out/report.json"
  report_as_text | make_file "$out/report.md"
}

report_as_json() {
  local name comma log first best
  printf '{\n  "recipe": %s,\n  "command": %s,\n' "$(json_text "$recipe")" "$(json_text "$again_command")"
  printf '  "model": %s,\n  "input": %s,\n  "seconds": %d,\n' "$(json_text "$model")" "$(json_text "$input")" "$total"
  printf '  "file": {"path": %s, "bytes": %d, "sha256": "%s"},\n' "$(json_text "$final")" "$(bytes_of "$final")" "$sum"
  printf '  "stages": ['
  comma=
  for name in "${stages_names[@]}"; do
    local done_file=$stages_state/$name.done
    printf '%s\n    {"name": %s, "says": %s, "seconds": %d, "starts": %d, "bytes": %s, "command": %s}' "$comma" \
      "$(json_text "$name")" "$(json_text "$(field "$done_file" says)")" "$(field "$done_file" seconds)" "$(field "$done_file" attempts)" \
      "$(field "$done_file" bytes)" "$(json_text "$(field "$done_file" command)")"
    comma=,
  done
  printf '\n  ],\n  "trainings": ['
  comma=
  for name in "${trainings[@]}"; do
    log=$out/$name/metrics.jsonl
    first=$(first_eval "$log") best=$(best_eval "$log")
    printf '%s\n    {"stage": %s,\n     "first_evaluation": %s,\n     "best_evaluation": %s}' "$comma" "$(json_text "$name")" \
      "${first:-null}" "${best:-null}"
    comma=,
  done
  printf '\n  ],\n  "snap":\n'
  sed 's/^/  /' "$snap"
  printf '}\n'
}

# One row of the table of losses: "START -> BEST" of a key, or a dash.
change_of() { # FIRST BEST KEY
  local from to
  from=$(json_number "$1" "$3") to=$(json_number "$2" "$3")
  if [ -n "$from" ] && [ -n "$to" ]; then printf '%.4f -> %.4f' "$from" "$to"; else printf '-'; fi
}

report_as_text() {
  local name log first best measured=''
  printf '# %s\n\n%s\n\n' "$recipe" "$(sed -n '2s/^# //p' "$launch/$recipe.sh")"
  printf 'Model `%s`, input `%s`. All stages took %s.\n\n' "$model" "$input" "$(spell_seconds "$total")"
  printf 'Result: `%s`, %s, sha256 `%s`\n\n' "$final" "$(spell_bytes "$(bytes_of "$final")")" "$sum"
  printf '## Stages\n\n| Stage | What | Time | Starts | Size |\n|---|---|---|---|---|\n'
  for name in "${stages_names[@]}"; do
    local done_file=$stages_state/$name.done
    printf '| %s | %s | %s | %s | %s |\n' "$name" "$(field "$done_file" says)" "$(spell_seconds "$(field "$done_file" seconds)")" \
      "$(field "$done_file" attempts)" "$(spell_bytes "$(field "$done_file" bytes)")"
  done
  printf '\nA start that was killed adds no time.\n\n## Losses\n\n'
  printf 'At the first evaluation -> at the best one. KL: divergence from the teacher over the whole vocabulary, nats per token.\n\n'
  printf '| Stage | KD loss | KD loss, held-out documents | KL, held-out documents | KL, training rows | KL, --eval-text |\n|---|---|---|---|---|---|\n'
  for name in "${trainings[@]}"; do
    log=$out/$name/metrics.jsonl
    first=$(first_eval "$log") best=$(best_eval "$log")
    printf '| %s | %s | %s | %s | %s | %s |\n' "$name" "$(change_of "$first" "$best" loss)" "$(change_of "$first" "$best" holdout_loss)" \
      "$(change_of "$first" "$best" holdout_kl_mean)" "$(change_of "$first" "$best" train_kl_mean)" "$(change_of "$first" "$best" text_kl_mean)"
    [ -z "$(json_number "$best" holdout_kl_mean)" ] || measured=yes
  done
  [ -n "$measured" ] || printf '\nThe KL on held-out documents was not measured: the cache has no hold-out part, or neither hidden states nor this model as its teacher. From a text, with a larger --holdout, it is measured.\n'
  printf '\n## The snapped file, as each converter reads it\n\n| Converter | KD loss | KL from the trained model | Weight error |\n|---|---|---|---|\n'
  printf '| trained, nothing rounded | %.6f | 0 | 0 |\n' "$(sed -nE 's/^  "trained_kd_loss": ([^,]*),?/\1/p' "$snap")"
  awk '/^  "consumers"/ {on = 1; next} on && /^  }/ {exit} on {gsub(/[",:{}]/, " "); if (NF == 1) name = $1
    if ($1 == "kd_loss") loss = $2; if ($1 == "kl_to_trained") kl = $2
    if ($1 == "weight_error") printf "| %s | %.6f | %.3g | %.4g |\n", name, loss, kl, $2}' "$snap"
  printf '\nVerified: %s. Share of negative scales: %s.\n' "$(sed -nE 's/^    "passed": ([a-z]*).*/\1/p' "$snap" | sed 's/true/yes/; s/false/NO/')" \
    "$(sed -nE 's/^  "negative_scale_share": ([^,]*),?/\1/p' "$snap")"
  if declare -F recipe_report >/dev/null; then recipe_report; fi
  printf '\n## To repeat\n\nAll of it:\n\n```\nbash %s\n```\n\nStage by stage:\n\n```\n' "$again_command"
  for name in "${stages_names[@]}"; do printf '%s\n' "$(field "$stages_state/$name.done" command)"; done
  printf '```\n'
}
