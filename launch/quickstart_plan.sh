# Sourced by quickstart.sh: how fast is this machine, how much fits into the time, what came out. Brings stages.sh with it.

. "$(dirname "${BASH_SOURCE[0]}")/stages.sh"

seconds_now() { date +%s.%N; }
minus() { awk -v a="$1" -v b="$2" 'BEGIN {print a - b}'; }

# measure FOLDER: the real programs on the real model, as short as they can be. Prints the losses of the few steps. Sets
#   teacher_start_s, teacher_rate  seconds before the first sequence, sequences a second after that
#   train_fixed_s, step_s          all of a training run but its steps (start, evaluations, files), one step
#   snap_s                         the snap with its 40 sequences
measure() {
  local folder=$1 began whole read_sequences code=0 steps reader
  readonly probe_sequences=16 probe_steps=3 snap_sequences=40
  mkdir -p "$folder"
  began=$(seconds_now)
  precompute $probe_sequences 8 0.1 "$folder/cache" >"$folder/teacher.log" 2>&1 || show "$folder/teacher.log"
  whole=$(minus "$(seconds_now)" "$began")
  # "teacher pass: 20 sequences in 8.1s, 2.5 sequences/s, 160 tokens/s", held-out ones included; a sequence has 64 tokens.
  read -r read_sequences teacher_rate < <(sed -n 's/.*teacher pass: \([0-9]*\) sequences in .* \([0-9.]*\) tokens\/s.*/\1 \2/p' \
    "$folder/teacher.log" | tail -n 1 | awk '{print $1, $2 / 64}')
  teacher_start_s=$(awk -v w="$whole" -v n="$read_sequences" -v r="$teacher_rate" 'BEGIN {s = w - n / r; print (s > 0 ? s : 0)}')

  began=$(seconds_now)
  # Not behind a pipe of its own: a signal would not reach it before its end.
  exec {steps}> >(tee -p "$folder/train.log" | say_steps)
  reader=$!
  train "$folder/cache" "$folder/run" --max-steps $probe_steps --warmup-steps 1 --logging-steps 1 >&"$steps" 2>&1 || code=$?
  exec {steps}>&-
  wait "$reader" || true
  (exit $code) || show "$folder/train.log"
  whole=$(minus "$(seconds_now)" "$began")
  # The first step also warms up; the others tell the rate.
  step_s=$(sed -n 's/.*"kind":"train".*"elapsed_s":\([0-9.eE+-]*\).*/\1/p' "$folder/run/metrics.jsonl" |
    awk '{t[NR] = $1} END {if (NR < 2) exit 1; print (t[NR] - t[1]) / (NR - 1)}')
  train_fixed_s=$(awk -v w="$whole" -v n=$probe_steps -v s="$step_s" 'BEGIN {f = w - n * s; print (f > 0 ? f : 0)}')

  began=$(seconds_now)
  snap "$folder/run" "$folder/cache" "$folder/snap" >"$folder/snap.log" 2>&1 || show "$folder/snap.log"
  whole=$(minus "$(seconds_now)" "$began")
  # Twice as many sequences take twice the time for scoring only.
  snap_s=$(awk -v w="$whole" -v all=$snap_sequences '
    /Scoring: 0\// { from = since() }
    /Scoring: .* in / { to = since() }
    /KD loss over/ { n = $4 }
    function since() { match($0, /\+[0-9.]+s/); return substr($0, RSTART + 1, RLENGTH - 2) }
    END { if (n < 1) exit 1; print w + (to - from) * (all / n - 1) }' "$folder/snap.log")
}

# The losses of a training, as they come. All else of its output is read and dropped.
say_steps() { sed -un 's/^\[[^]]*\] \(step [0-9]\)/\1/p' 2>/dev/null || cat >/dev/null; }

# show LOG: why a measurement failed; ends the script with the code of the failed command.
show() {
  local code=$?
  [ $code -eq 75 ] || tail -n 30 "$1" >&2
  exit $code
}

# choose_sizes SECONDS: prints the plan that fits into them, between the least that gives a usable model and what
# gives a good one.
choose_sizes() {
  awk -v budget="$1" -v start="$teacher_start_s" -v rate="$teacher_rate" -v fixed="$train_fixed_s" -v step="$step_s" -v snap="$snap_s" '
    # Held-out documents come on top of the sequences.
    function total(f) { return start + 1.2 * (100 + 150 * f) / rate + fixed + (30 + 30 * f) * step + snap }
    BEGIN {
      f = (0.9 * budget - total(0)) / (total(1) - total(0))
      if (f > 1) f = 1
      over = f < 0 && total(0) > budget
      if (f < 0) f = 0
      f = int(30 * f) / 30
      printf "machine=this machine: the teacher reads %.1f sequences a second, a training step takes %.1f s\n", rate, step
      printf "sequences=%d\nsteps=%d\nannounced_s=%.0f\nover=%s\n", 100 + 150 * f, 30 + 30 * f, total(f), over ? "yes" : "no"
    }'
}

# verdict METRICS KEY WHAT LIMIT: first and last value of the key among the evaluations. LIMIT: a number, or half (of
# the first value).
verdict() {
  sed -n "s/.*\"kind\":\"eval\".*\"$2\":\([0-9.eE+-]*\).*/\1/p" "$1" | awk -v what="$3" -v limit="$4" '
    { if (first == "") first = $1; last = $1 }
    END {
      if (NR < 2) { print "fewer than two evaluations in metrics.jsonl"; exit 1 }
      if (first !~ /^[0-9]/ || last !~ /^[0-9]/) { print what ": not a number"; exit 1 }
      most = limit == "half" ? first / 2 : limit
      printf "%s: %.4f -> %.4f nats (must be at most %.4f)\n", what, first, last, most
      exit !(last <= most)
    }'
}
