# Sourced by recipe.sh: what a finished workflow says of itself, and the report that anemll_report makes of that and of
# the files of its stages.

write_report() {
  {
    printf 'recipe=%s\nsays=%s\ncommand=%s\n' "$recipe" "$(sed -n '2s/^# //p' "$launch/$recipe.sh")" "$again_command"
    printf 'model=%s\ninput=%s\nstages=%s\n' "$model" "$input" "${stages_names[*]}"
    if declare -F recipe_facts >/dev/null; then recipe_facts; fi
  } | make_file "$stages_state/recipe"
  # The three are this script's own, whichever version wrote them.
  "$bin/anemll_report" "$out" --overwrite --output "$out/report.html" --output "$out/report.md" --output "$out/report.json" >/dev/null
}
