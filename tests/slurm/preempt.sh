#!/usr/bin/env bash
# launch/slurm.sbatch under a real Slurm of one node: a run that another job displaces (PreemptType=preempt/partition_prio), that
# Slurm's clock, a person or an operator stops, ends with the same bytes as one that never stopped. Array jobs, a cancelled job,
# and srun where it can.
# usage: preempt.sh   or   preempt.sh --short: the displaced run alone
# ANEMLL_BIN is the folder of the programs. Exit codes: 0 passed, 1 failed, 77 skipped, with its reason.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=$(realpath "${ANEMLL_BIN:?the folder of the programs}")
. "$root/tests/support/script_checks.sh"
for name in $(compgen -e | grep '^SLURM\|^SBATCH\|^ANEMLL_'); do unset "$name"; done
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 ANEMLL_BIN=$bin
short=''
[ "${1:-}" != --short ] || short=yes
# shellcheck source=tests/slurm/daemons.sh
. "$root/tests/slurm/daemons.sh"
trap 'stop_daemons; cd / && rm -rf "$work"' EXIT
start_daemons
echo "== Slurm runs after $SECONDS s"

nano=$root/tests/golden/nano
train=(anemll_train --v2-checkpoint "$nano/v2_q2a4_init.pt" --model-id "$nano" --cache-dir "$nano/cache" --batch-size 8 --lr 5e-4
  --logging-steps 5 --eval-samples 8 --precision fp32 --threads 1 --seed 7)
saving=(--eval-steps 50 --state-steps 5)
script=$root/launch/slurm.sbatch
submit() { id=$(sbatch --parsable --output "$work/%x.log" "$@" 2>submit.log) || fail "sbatch: $(<submit.log)"; }
state_of() { scontrol show job -o "$1" 2>/dev/null | sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p' | head -n 1; }
ended() { [[ $(state_of "$1") =~ ^(COMPLETED|FAILED|TIMEOUT|CANCELLED|NODE_FAIL) ]]; }
# hurry ID: a requeued job waits two minutes; here it need not. But slurmd refuses one that was killed in the same second.
hurry() {
  until_true 60 eval '[ "$(state_of "$id")" = PENDING ]' || fail "$1 is not requeued: $(state_of "$1")"
  sleep 3
  scontrol update "JobId=$1" StartTime=now 2>/dev/null # it may run by now
  until_true 60 eval '[ "$(state_of "$id")" = RUNNING ]' || fail "$1 did not come back: $(state_of "$1")"
}
starts() { [ "$(grep -cs '^slurm: job ' "$1")" -ge "$2" ] 2>/dev/null; }
. "$root/launch/states.sh"
beyond() { [ "$(newest_step "$1")" -gt "$2" ] || ended "$id"; }
# same_run A B STEP: what is trained, and what is logged but times.
rows() { cut -d, -f1-4 "$1/training_log.csv"; }
# Without what a clock says; the summary at the end is times and names with a date, the start is hosts and the command.
lines() { grep -vE '"kind":"(summary|start)"' "$1/metrics.jsonl" | sed -E 's/"(elapsed_s|tokens_per_s|data_wait_s)":[^,}]*//g'; }
same_run() {
  local file
  for file in best_state_dict.pt "state/step_$(printf %08d "$3")"/{parameters,optimizer}.safetensors; do
    cmp "$1/$file" "$2/$file" || fail "$2: another $file"
  done
  cmp <(rows "$1") <(rows "$2") || fail "$2: another training_log.csv"
  cmp <(lines "$1") <(lines "$2") || fail "$2: another metrics.jsonl"
}

# by_hand STEPS OUT: the same training without Slurm.
by_hand() {
  local began=$SECONDS
  bash "$root/launch/mpirun.sh" -np 2 "$bin/anemll_train" "${train[@]:1}" "${saving[@]}" --accumulation-steps 8 --max-steps "$1" --output-dir "$2" >"$2.log" 2>&1 ||
    fail "it failed: $(tail -n 5 "$2.log")"
  echo "   $1 steps in $((SECONDS - began)) s"
}

# displaced NAME PARTITION STEPS WHOLE: a job of a partition that goes before takes its processors.
displaced() {
  local victim began
  submit --job-name "$1" --partition "$2" --ntasks 2 "$script" -- "${train[@]}" "${saving[@]}" --accumulation-steps 8 --max-steps "$3" --output-dir "$1"
  victim=$id
  until_true 120 beyond "$1" 0
  began=$SECONDS
  # What the other job sees of the first while it runs.
  submit --job-name urgent --partition urgent --ntasks 2 --wrap "squeue -h -j $victim -o %T >$1.seen"
  until_true 120 ended "$id" || fail "the urgent job does not run: $(scontrol show job "$id")"
  expect "the urgent job" "$(state_of "$id")" COMPLETED
  expect "$1, seen by the urgent job" "$(cat "$1.seen")" PENDING
  echo "   the urgent job has ended after $((SECONDS - began)) s"
  id=$victim
  hurry "$id"
  until_true 300 ended "$id"
  output=$(grep -v '^ ' "$1.log")
  expect "$1" "$(state_of "$id")" COMPLETED
  expect "$1: starts" "$(grep -c '^slurm: job ' "$1.log")" 2
  grep -qE 'at step [1-9][0-9]* of' "$1.log" || fail "$1 does not go on from a state: $output"
  same_run "$4" "$1" "$3"
  grep -E '^slurm: |^supervise: ' "$1.log" | sed 's/^/   /'
}

echo "== displaced at once by a job of a partition that goes before"
few=40
by_hand $few calm
displaced displaced all $few calm
says "a displaced job" "slurm: saved; Slurm ends this job"
grep -q "preempted JobId=$id has been requeued to reclaim resources" slurmctld.log || fail "Slurm does not say that it displaced the job: $(grep -i preempt slurmctld.log)"
if [ -n "$short" ]; then
  [ "$failures" -eq 0 ] && echo "displaced, requeued by Slurm, and the same bytes: $SECONDS s"
  exit $((failures > 0))
fi

echo "== a run that nobody stops"
# Long enough for Slurm's clock, which it reads every half minute.
began=${EPOCHREALTIME/[.,]/}
"$bin/anemll_train" "${train[@]:1}" "${saving[@]}" --accumulation-steps 8 --max-steps 20 --output-dir probe >probe.log 2>&1 || fail "it failed: $(tail -n 5 probe.log)"
steps=$((20 * 110000000 / (${EPOCHREALTIME/[.,]/} - began) / 10 * 10))
[ $steps -ge 150 ] || steps=150 # a machine that is busy now may be quick later
long=("${saving[@]}" --accumulation-steps 8 --max-steps "$steps")
by_hand "$steps" whole

echo "== the same, signalled by Slurm's clock, by scancel, and requeued by an operator"
submit --job-name cut --ntasks 2 --time 1 --signal B:USR1@55 "$script" -- "${train[@]}" "${long[@]}" --output-dir cut
until_true 120 starts cut.log 1 || fail "the job does not start: $(scontrol show job "$id"; tail slurmd.log)"
until_true 120 grep -q 'the job is requeued' cut.log || fail "Slurm's clock did not make it save: $(tail -n 5 cut.log)"
scontrol update "JobId=$id" TimeLimit=30
hurry "$id"
until_true 120 starts cut.log 2
until_true 120 beyond cut "$(newest_step cut)"
scancel --signal=USR1 --batch "$id"
until_true 60 eval '[ "$(grep -c "the job is requeued" cut.log)" -eq 2 ]' || fail "scancel --signal did not make it save"
hurry "$id"
until_true 120 starts cut.log 3
until_true 120 beyond cut "$(newest_step cut)"
scontrol requeue "$id" || fail "scontrol requeue"
hurry "$id"
until_true 600 ended "$id"
output=$(<cut.log)
! grep '^error: .*requeue' cut.log || fail "Slurm did what was asked, and the script says it did not"
expect "the job" "$(state_of "$id")" COMPLETED
expect "starts" "$(grep -c '^slurm: job ' cut.log)" 4
grep -q '^slurm: saved; Slurm ends this job' cut.log || fail "the start that an operator requeued does not know that it saved"
same_run whole cut "$steps"
grep -E '^slurm: |^supervise: ' cut.log | sed 's/^/   /'

echo "== displaced with a grace time: the script hears at its end"
displaced graceful graceful "$steps" whole
says "a displaced job" "slurm: saved; Slurm ends this job"

echo "== displaced with a grace time, preempt_send_user_signal: the script hears at its beginning"
echo SlurmctldParameters=preempt_send_user_signal >>slurm.conf
scontrol reconfigure || fail "scontrol reconfigure"
displaced told graceful "$steps" whole
says "a displaced job that is told" "SIGUSR1 is passed on"

echo "== an array job: a set of options and a folder for each task"
printf '%s\n' '# learning rates' '--lr 1e-4' '' '--lr 2e-4' >options.txt
submit --job-name array --array 1-2 --ntasks 1 --output "$work/array.%a.log" "$script" --sweep options.txt -- "${train[@]}" --state-steps 0 --eval-steps 0 --max-steps 4000 --output-dir array
# Nothing is saved but on a signal.
trains() { [ "$(wc -l <"array/task-$1/training_log.csv")" -gt 2 ] 2>/dev/null; }
until_true 60 eval 'trains 1 && trains 2' 2>/dev/null || fail "the tasks do not train: $(tail -n 3 array.*.log)"
# The task with the number of the whole array is the one that could take the others with it.
scancel --signal=USR1 --batch "${id}_2"
until_true 60 grep -q 'the job is requeued' array.2.log || fail "the task was not requeued: $(tail -n 5 array.2.log)"
sleep 1
expect "the other task" "$(squeue -h -j "${id}_1" -o %T)" RUNNING
grep -qE '^slurm: .* into array/task-2$' array.2.log || fail "no folder of its own: $(head -n 3 array.2.log)"

echo "== a cancelled job saves and does not come back"
scancel "$id"
until_true 60 eval '[ -z "$(squeue -h -j "$id" -o %T 2>/dev/null)" ]' || fail "it does not end"
! grep -q 'the job is requeued' array.1.log || fail "a cancelled job was requeued"
[ "$(newest_step array/task-1)" -gt 0 ] || fail "a cancelled job did not save: $(tail -n 5 array.1.log)"
grep -q '^slurm: saved; Slurm ends this job' array.1.log || fail "a cancelled job does not know that it saved: $(tail -n 5 array.1.log)"

echo "== by srun"
if ! srun --mpi=list 2>&1 | grep -q pmix; then
  echo "   left out: this Slurm has no PMIx"
else
  few=$((steps / 5))
  [ $few -ge 60 ] || few=60 # or they are over before the clock
  ANEMLL_SLURM_START=srun submit --job-name srun --ntasks 2 --cpus-per-task 1 "$script" --max-time 4s -- "${train[@]}" "${saving[@]}" --accumulation-steps 8 --max-steps $few --output-dir srun
  for _ in {1..20}; do # each start ends after the same few seconds
    until_true 120 eval 'ended "$id" || [ "$(state_of "$id")" = PENDING ]'
    ! ended "$id" || break
    hurry "$id"
  done
  output=$(<srun.log)
  grep -q 'the job is requeued' srun.log || fail "by srun: its clock did not make it save"
  expect "by srun" "$(state_of "$id") $(newest_step srun)" "COMPLETED $few"
  grep -E '^slurm: |^supervise: ' srun.log | sed 's/^/   /'
  mkdir -p "tmp/spmix_appdir_0_$((id + 1)).0" # left by a step that was killed: srun starts nothing, and returns 0
  ANEMLL_SLURM_START=srun submit --job-name stale --ntasks 2 "$script" -- "${train[@]}" --max-steps 10 --output-dir stale
  until_true 60 ended "$id"
  output=$(<stale.log)
  expect "srun that starts nothing" "$(scontrol show job -o "$id" | sed -n 's/.* ExitCode=\([0-9]*\):.*/\1/p') $(newest_step stale)" "4 0"
fi

[ "$failures" -eq 0 ] && echo "displaced, signalled, requeued, and the same bytes: $SECONDS s"
exit $((failures > 0))
