#!/usr/bin/env bash
# launch/supervise.sh: what starts again and what does not, with a command of a few lines; a real run that is lost once
# and ends with the same bytes; what launch/slurm.sbatch would do, without Slurm; that launch/k8s-mpijob.yaml fits itself.
# ANEMLL_BIN is the folder of the programs.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/support/script_checks.sh"
unset ANEMLL_OUTPUT_DIR ANEMLL_RESUME

# fake [ANYTHING]: takes the next line "CODE STEP [SAYS]" of the file plan: saves the step (-: none), says it, ends with CODE.
# CODE "wait" waits for a signal and ends with 75; "deaf" dies of it.
cat >fake <<'FAKE'
#!/usr/bin/env bash
echo "$*" >>calls
read -r code step says <plan
sed -i 1d plan
if [ "$step" != - ]; then mkdir -p out/state && printf 'step_%08d\n' "$step" >out/state/latest; fi
[ -z "$says" ] || printf '%b\n' "$says" >&2
case $code in
  wait) trap 'echo "heard $(date +%s)" >>heard; exit 75' TERM USR1 INT HUP; : >ready; while :; do sleep 0.02; done ;;
  deaf) : >ready; exec tail -f /dev/null ;;
esac
exit "$code"
FAKE
chmod +x fake
supervise() { # PLAN [OPTION...] : lines of the plan with / between them
  tr / '\n' <<<"$1" >plan
  rm -rf out calls heard ready
  output=$(bash "$root/launch/supervise.sh" --watch out --backoff 0 "${@:2}" -- "${fake[@]}" 2>&1) code=$?
  calls=$(wc -l <calls)
}
fake=(./fake)

output=$(bash "$root/launch/supervise.sh" --help)
expect "the help" $? 0
says "the help" "--on-finish CMD"
for bad in "" "--" "--retries few -- ./fake" "--retries 0 -- ./fake" "--nonsense -- ./fake" "-- ./fake" "--watch" \
  "--watch out --elastic -- ./fake" "--watch out --elastic -- ./fake -np 2 --hostfile none" "-- anemll_train --output-dir out" \
  "-- anemll_train --output-dir out --resume none"; do
  # shellcheck disable=SC2086  # words
  output=$(bash "$root/launch/supervise.sh" $bad 2>&1)
  expect "'$bad'" $? 2
  says "'$bad'" "error:"
  says "'$bad'" "hint:"
done
[ ! -e calls ] || fail "a wrong command line started something"

for code_of in 0 1 2 3 5 139; do
  supervise "$code_of 7"
  expect "a command that ends with $code_of" "$code $calls" "$code_of 1"
done
supervise "75 3/4 9/75 12/0 20"
expect "progress every time" "$code $calls" "0 4"
says "progress every time" "4 starts in"
says "progress every time" "ended with 75 4 75 0; 20 steps gained, step 20 is saved in out"
supervise "4 3/4 -/4 5/4 -/4 -/4 -/0 9"
expect "three starts in a row without progress" "$code $calls" "4 6"
says "three starts in a row without progress" "3 starts in a row saved no new step"
supervise "75 -/75 -/0 9" --retries 2
expect "saved, but nothing new" "$code $calls" "75 2"
supervise "4 3/3 4"
expect "another error later" "$code $calls" "3 2"

# The back-off: only after 4, longer without progress, and no longer than the limit. Nobody waits for it here.
mkdir quick
printf '#!/bin/sh\necho "$1" >>slept\n' >quick/sleep
chmod +x quick/sleep
PATH=$work/quick:$PATH supervise "4 3/4 -/4 -/75 6/4 7/0 9" --backoff 10 --backoff-max 15 --retries 5
expect "back-off" "$(sed -nE 's/.*starts again in ([0-9]+) s/\1/p' <<<"$output" | tr '\n' ' ')" "10 10 15 10 "
expect "what it waited" "$(grep -v '^0' slept | tr '\n' ' ')" "10 10 15 10 "

supervise "4 3/0 9" --on-finish 'echo "$SUPERVISE_EXIT_CODE $SUPERVISE_STEP $SUPERVISE_STEPS $SUPERVISE_OUTPUT_DIR" >>told; exit 7'
expect "at the end" "$code $(<told)" "0 0 9 9 out"
says "at the end" "warning: --on-finish ended with 7"
rm told

# signalled WHAT SIGNAL: to the script, while the command runs.
signalled() {
  tr / '\n' <<<"$1" >plan
  rm -rf out calls heard ready told
  # Started in the background, a script cannot undo that INT is ignored.
  env --default-signal=INT bash "$root/launch/supervise.sh" --watch out --backoff 20 --on-finish 'echo "$SUPERVISE_EXIT_CODE" >>told' -- ./fake >log 2>&1 &
  local script=$!
  # By the clock, and by the real sleep: PATH may have one that takes no time.
  local until=$((SECONDS + 60))
  until [ -e ready ] || grep -qs 'again in' log || [ $SECONDS -ge $until ]; do command -p sleep 0.01; done
  kill -s "$2" $script
  code=0
  wait $script || code=$?
  output=$(<log) calls=$(wc -l <calls)
}
for signal in TERM USR1 INT HUP; do
  signalled "wait 3/0 9" $signal
  expect "SIG$signal" "$code $calls $(<told)" "75 1 75"
  [ -e heard ] || fail "SIG$signal was not passed on"
  says "SIG$signal" "SIG$signal is passed on"
done
signalled "4 3/0 9" TERM
expect "TERM in the wait between two starts" "$code $calls $(<told)" "75 1 75"
PATH=$work/quick:$PATH signalled "deaf 3/0 9" USR1
expect "a command that dies of the signal" "$code $calls" "75 1"

# A host that is lost in two ends is left out, whoever names it; several at once are not counted.
printf '%s\n' '# two of them' 'one slots=2' 'two.example.org slots=3 max_slots=3' >hosts
cp hosts hosts.before
fake=(./fake -np 5 --hostfile hosts)
supervise "4 3 error: rank 4 on two was lost by signal 9 (Killed)/4 4 lost: rank 1 on one in phase step/4 5 hung: rank 3 on two in phase reduce/0 9" --elastic
expect "elastic" "$code $calls" "0 4"
says "elastic" "HOST two IS LEFT OUT: it was lost twice. 5 ranks become 2"
expect "elastic: -np" "$(cut -d' ' -f2 calls | tr '\n' ' ')" "5 5 5 2 "
cmp hosts hosts.before || fail "the file of hosts was changed"
several='hung: rank 4 on two in phase a\nhung: rank 1 on one in phase a'
supervise "4 3 hung: rank 4 on two in phase a/4 4 $several/0 9" --elastic
expect "elastic, several at once" "$code $(cut -d' ' -f2 calls | sort -u)" "0 5"
says "elastic, several at once" "several hosts were lost at once (one two)"
supervise "4 3/4 4/4 5/0 9" --elastic # nobody is named
expect "elastic, nobody named" "$code $(cut -d' ' -f2 calls | sort -u)" "0 5"
nobody='error: host (see above) was lost: it is down'
supervise "4 3 $nobody/4 - $nobody/4 - $nobody/4 - $nobody/0 9" --elastic # it must not go on for ever
expect "elastic, a host that is not in the file" "$code $calls $(cut -d' ' -f2 calls | sort -u)" "4 4 5"
! grep -q 'LEFT OUT' <<<"$output" || fail "elastic: nobody was left out: $output"
supervise "4 3 rank 4 on two was lost by signal 9/4 4 rank 4 on two was lost by signal 9/0 9"
expect "without --elastic" "$(cut -d' ' -f2 calls | sort -u)" 5

# launch/slurm.sbatch, as far as it goes without Slurm.
job() { output=$(env -u SLURM_JOB_ID -u SLURM_ARRAY_JOB_ID -u SLURM_ARRAY_TASK_ID -u SLURM_CPUS_PER_TASK "${with[@]}" bash "$root/launch/slurm.sbatch" --dry-run "$@" 2>&1) code=$?; }
bash -n "$root/launch/slurm.sbatch" || fail "slurm.sbatch does not parse"
for directive in --requeue --open-mode=append --signal=B:USR1@180; do
  # Slurm stops reading them at the first command.
  sed '/^[^#]/q' "$root/launch/slurm.sbatch" | grep -qx "#SBATCH $directive" || fail "slurm.sbatch: no $directive where Slurm reads it"
done
mkdir programs
printf '#!/bin/sh\n' >programs/anemll_train
chmod +x programs/anemll_train
printf '%s\n' '# rates' '--lr 1e-4' '' '--lr 2e-4 --seed 3' "--lr '3e-4'" >sweep
with=(SLURM_NTASKS=3 ANEMLL_BIN="$work/programs")
job -- anemll_train --output-dir out
expect "slurm.sbatch" "$code" 0
says "slurm.sbatch" "/launch/supervise.sh --watch out -- bash $root/launch/mpirun.sh -np 3 $work/programs/anemll_train --output-dir out --resume auto"
with+=(SLURM_ARRAY_TASK_ID=2)
job --sweep sweep -- anemll_train --output-dir out
says "a task of a sweep" "/anemll_train --output-dir out/task-2 --resume auto --lr 2e-4 --seed 3"
with+=(ANEMLL_SLURM_START=srun)
job -- anemll_train --output-dir out
says "by srun" "srun --mpi=pmix --ntasks 3 --kill-on-bad-exit=1 "
with+=(SLURM_CPUS_PER_TASK=4)
job --max-time 50m -- anemll_train --output-dir out
expect "by srun with processors" "$code" 0
says "by srun with processors" "srun --mpi=pmix --ntasks 3 --cpus-per-task=4 "
refused() { # TEXT ARGUMENT...
  job "${@:2}"
  expect "${*:2}" "$code" 2
  says "${*:2}" "error: $1"
  says "${*:2}" "hint:"
}
refused "no program" --
refused "the command has no --output-dir" -- anemll_train
refused "there is no program anemll_trian" -- anemll_trian --output-dir out
refused "there is no option --swep" --swep sweep -- anemll_train --output-dir out
refused "--max-time soon is no time" --max-time soon -- anemll_train --output-dir out
refused "--requeue-after soon is no time" --requeue-after soon -- anemll_train --output-dir out
with=(ANEMLL_BIN="$work/programs" SLURM_ARRAY_TASK_ID=3)
refused "sweep, line 3 has quotes" --sweep sweep -- anemll_train --output-dir out
with=(ANEMLL_BIN="$work/programs" SLURM_ARRAY_TASK_ID=4)
refused "sweep has no line 4" --sweep sweep -- anemll_train --output-dir out
with=(ANEMLL_BIN="$work/programs")
refused "--sweep, but this is no array job" --sweep sweep -- anemll_train --output-dir out
with+=(ANEMLL_SLURM_START=lsf)
refused "ANEMLL_SLURM_START=lsf is neither" -- anemll_train --output-dir out

# launch/k8s-mpijob.yaml, as far as it goes without a cluster.
python=
for place in python3 /usr/bin/python3; do
  if [ -z "$python" ] && "$place" -c 'import yaml' 2>/dev/null; then python=$place; fi
done
[ -n "$python" ] || echo "k8s-mpijob.yaml: no python3 with yaml here (package python3-yaml): not parsed"
manifest_faults() { # FILE
  local slots workers ranks word
  slots=$(sed -n 's/^  slotsPerWorker: //p' "$1")
  workers=$(sed -n '/^    Worker:/,$ s/^      replicas: //p' "$1")
  ranks=$(sed -n 's/.*mpirun.sh -np \([0-9]*\) *$/\1/p' "$1")
  [ "$ranks" = $((slots * workers)) ] || echo "-np ${ranks:-(none)} is not $slots slots of $workers workers"
  for word in $(sed -n 's/.*{name: \([a-z]*\), mountPath.*/\1/p' "$1"); do
    grep -qx " *- name: $word" "$1" || echo "there is no volume $word"
  done
  for word in $(grep -o 'launch/[a-z_]*\.sh' "$1"); do [ -f "$root/$word" ] || echo "there is no $word"; done
  ! grep -n "$(printf '\t')" "$1" || echo "has tabs"
  [ -z "$python" ] || "$python" - "$1" <<'PARSED' 2>&1
import subprocess, sys, yaml
job = yaml.safe_load(open(sys.argv[1]))
launcher = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]
if (job["apiVersion"], job["kind"]) != ("kubeflow.org/v2beta1", "MPIJob") or launcher["command"] != ["bash", "-c"]:
    print("another kind of job")
if len(launcher["args"]) != 1 or "\n" in launcher["args"][0].strip() or subprocess.call(["bash", "-n", "-c", launcher["args"][0]]):
    print("the words of bash -c are not one line of shell")
PARSED
}
manifest=$root/launch/k8s-mpijob.yaml
expect "k8s-mpijob.yaml" "$(manifest_faults "$manifest")" ""
for change in 's/-np 8/-np 9/' 's/name: shm, mountPath/name: shn, mountPath/' 's/launch.supervise/launch\/supervize/'; do
  sed "$change" "$manifest" >changed.yaml
  [ -n "$(manifest_faults changed.yaml)" ] || fail "k8s-mpijob.yaml after $change: no fault is found"
done

# until_saved FOLDER: the run that $script starts has saved a state there, or has ended.
until_saved() { until [ -e "$1/state/latest" ] || ! kill -0 $script 2>/dev/null; do sleep 0.01; done; }

# A real run that loses its rank goes on, and ends with the same bytes.
nano=$root/tests/golden/nano
train=("${ANEMLL_BIN:?the folder of the programs}/anemll_train" --v2-checkpoint "$nano/v2_q2a4_init.pt" --model-id "$nano" --cache-dir "$nano/cache"
  --batch-size 4 --lr 5e-4 --logging-steps 5 --eval-steps 40 --eval-samples 4 --state-steps 5 --precision fp32 --threads 1 --seed 7
  --max-steps 80 --resume auto)
"${train[@]}" --output-dir whole >whole.log 2>&1 || fail "the run without a fault: $(tail -n 20 whole.log)"
bash "$root/launch/supervise.sh" --backoff 0 -- bash "$root/launch/mpirun.sh" -np 1 "${train[@]}" --output-dir "$work/lost" >lost.log 2>&1 &
script=$!
rank=
while [ -z "$rank" ] && kill -0 $script 2>/dev/null; do
  for place in $(grep -lsx anemll_train /proc/[0-9]*/comm); do # mpirun has the same words, and another name
    ! grep -qszxF -- "$work/lost" "${place%comm}cmdline" || { rank=${place%/comm} && rank=${rank#/proc/}; }
  done
done
until_saved lost
kill -KILL "$rank"
code=0
wait $script || code=$?
output=$(<lost.log)
expect "the run that is lost once" "$code" 0
says "the run that is lost once" "was lost by signal 9"
says "the run that is lost once" "2 starts in"
says "the run that is lost once" "ended with 4 0; 80 steps gained"
for file in best_state_dict.pt state/step_00000080/parameters.safetensors state/step_00000080/optimizer.safetensors; do
  cmp "whole/$file" "lost/$file" || fail "another $file after the loss"
done

# Slurm's TERM reaches everybody. A start that saved because of it is no loss, and nothing starts again.
bash "$root/launch/supervise.sh" -- bash "$root/launch/mpirun.sh" -np 2 "${train[@]}" --max-steps 100000 --output-dir "$work/ended" >ended.log 2>&1 &
script=$!
until_saved ended
descendants() { local child; for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do echo "$child"; descendants "$child"; done; }
# shellcheck disable=SC2046  # one word each
kill -TERM $(descendants $script) $script 2>/dev/null
code=0
wait $script || code=$?
output=$(<ended.log)
expect "TERM to everybody" "$code" 75
says "TERM to everybody" "exit code 75 (run again"
says "TERM to everybody" "1 start in"

[ "$failures" -eq 0 ] && echo "what should go on goes on, and nothing else"
exit $((failures > 0))
