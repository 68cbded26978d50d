# shellcheck shell=bash disable=SC2034,SC2154  # variables that run.sh and hosts.sh set or use
# Sourced by run.sh: the cases, and what they share. A case starts with no hosts, and run.sh drops those that it leaves.
# `faults` is what was wrong in the case of the moment, `skipped` why it could not be run.

cases=(train cut_link kill_host elastic stop full_disk no_new_files full_stage full_tmp skewed_clock shared_folder without_model without_cache
  only_first_host own_output)
hosts=3
ranks=${ANEMLL_HOSTS_RANKS:-8}
steps=${ANEMLL_HOSTS_STEPS:-100}
readonly ends_s=${ANEMLL_HOSTS_ENDS_S:-60} # so long after a loss the job has ended
readonly stops_s=8 # all ranks have saved and left so long after a signal
readonly runs_s=${ANEMLL_HOSTS_RUNS_S:-300} # no undisturbed run takes that long
readonly nano=$root/tests/golden/nano

# --- checks

fault() { # CHECK WHAT: a check that failed
  echo "--- $name: $1: $2"
  faults+=("$1: $2")
}
expect() { [ "$2" = "$3" ] || fault "$1" "'$2', not '$3'"; } # CHECK GOT WANTED
says() { grep -aqE -- "$2" "$log" || fault "$1" "no '$2' in its output"; } # CHECK PATTERN

# --- jobs

# hostfile HOST...: the ranks spread over these hosts, as evenly as it goes.
hostfile() {
  local n at=0
  for n; do
    echo "host$n slots=$((ranks / $# + (at < ranks % $#)))"
    at=$((at + 1))
  done >"$world/hostfile"
}

# start_job OUT [FLAG...]: training on the hosts of the host file. Its output is $log. The words of the array `supervisor` stand before
# the command.
start_job() {
  local out=$1
  shift
  log=$world/job.log
  in_host 1 ${supervisor[@]+"${supervisor[@]}"} bash "$root/launch/mpirun.sh" -np "$ranks" --hostfile "$world/hostfile" \
    -mca plm_rsh_agent "ssh -F $world/etc/ssh_config" -mca btl tcp,vader,self \
    -mca btl_tcp_if_include eth0 -mca oob_tcp_if_include eth0 \
    "$ANEMLL_BIN/anemll_train" --v2-checkpoint "${model:-$nano}/v2_q2a4_init.pt" --model-id "${model:-$nano}" \
    --cache-dir "${cache:-$nano/cache}" --output-dir "$out" --batch-size 8 --lr 5e-4 --warmup-steps 5 \
    --logging-steps 5 --eval-steps 50 --eval-samples 8 --save-steps 10 --keep-checkpoints 2 --precision fp32 \
    --threads 1 --seed 7 --max-steps "$steps" "$@" >"$log" 2>&1 &
  job=$!
}

child_of() { cut -d' ' -f1 <(cat "/proc/$1/task/"*/children); }

milliseconds() { local now=${EPOCHREALTIME/[.,]/}; echo $(((now - ${1/[.,]/}) / 1000)); }

# end_job SECONDS: waits for the job; sets code ("hangs" after that time, and ends it) and took_ms.
end_job() {
  local began=$EPOCHREALTIME
  code=hangs
  while [ "$(milliseconds "$began")" -lt $(($1 * 1000)) ]; do
    if ! kill -0 "$job" 2>/dev/null; then
      wait "$job"
      code=$?
      break
    fi
    sleep 0.05
  done
  took_ms=$(milliseconds "$began")
  echo "--- $name: the job ends with $code after $took_ms ms"
  [ "$code" = 0 ] || show_log
  if [ "$code" = hangs ]; then
    where_ranks_are
    kill -KILL "$job"
    wait "$job" 2>/dev/null
  fi
}
run_job() { start_job "$@" && end_job "$runs_s"; }

# After the end of a job its processes go from every host, also from one that could not be told.
nobody_is_left() {
  local n left began=$EPOCHREALTIME
  while :; do
    left=''
    for n in $(seq "$hosts"); do
      kill -0 "${host_init[$n]}" 2>/dev/null && in_host "$n" bash -c 'pgrep -x anemll_train || pgrep -x orted' >/dev/null && left+=" host$n"
    done
    [ -n "$left" ] || break
    [ "$(milliseconds "$began")" -lt $((ends_s * 1000)) ] || break
    sleep 0.2
  done
  expect "no process is left" "$left" ""
}

# The output but for build facts, memory plan and steps.
show_log() { grep -avE '^      |Memory per rank|step [0-9]+/' "$log" | sed 's/^/    | /'; }

where_ranks_are() {
  echo "processes of programs on each host:"
  for n in "${!host_init[@]}"; do
    echo "host$n: $(in_host "$n" ps -C anemll_train,orted,mpirun -o comm=,stat= 2>/dev/null | sort | uniq -c | tr -s ' \n' ' ')"
  done
}

# saved OUT STEP: waits until the job in OUT has saved a state of this step or a later one. False when it ended before.
saved() {
  local latest
  while kill -0 "$job" 2>/dev/null; do
    latest=$(cat "$1/state/latest" 2>/dev/null) # step_00000020
    [ $((10#0${latest//[!0-9]/})) -lt "$2" ] || return 0
    sleep 0.02
  done
  return 1
}

# The same steps by as many ranks on one host, once for all cases.
reference() {
  whole=$world/whole
  [ ! -d "$whole" ] || return 0
  make_hosts 1
  hostfile 1
  run_job "$whole"
  expect "the run on one host" "$code" 0
  [ "$code" = 0 ] || rm -rf "$whole" # the next case tries again
  drop_hosts
}

# The run on one host is there, and the ranks are to be spread over all hosts.
all_hosts() {
  reference
  make_hosts "$hosts"
  hostfile $(seq "$hosts")
}

state() { printf '%s/state/step_%08d' "$1" "$2"; }
same_run() { # CHECK OUT: OUT has the bytes of the run on one host
  local file differ=''
  for file in "state/step_$(printf %08d "$steps")"/{parameters,optimizer}.safetensors best_state_dict.pt; do
    cmp -s "$whole/$file" "$2/$file" || differ+=" $file"
  done
  # The seconds of a run are its own.
  cmp -s <(cut -d, -f1-4 "$whole/training_log.csv") <(cut -d, -f1-4 "$2/training_log.csv") || differ+=" training_log.csv"
  cmp -s <(run_numbers "$whole") <(run_numbers "$2") || differ+=" trainer.json"
  [ -z "$differ" ] || fault "$1" "differs from the run on one host:$differ"
}
run_numbers() { sed -n '/^  "state"/,$ { /"elapsed_s"/d; p }' "$(state "$1" "$steps")/trainer.json"; }

near_run() { # CHECK OUT: the same up to rounding, where the number of ranks has changed
  local differ
  differ=$(python3 "$root/tests/hosts/near_run.py" "$whole" "$2" "$steps") || differ+=" the comparison failed"
  [ -z "$differ" ] || fault "$1" "differs from the run on one host: $differ"
}

nothing_torn() { # OUT: no half file, and the latest state is one that the program takes
  local rest
  rest=$(find "$1" -name '*.tmp*')
  expect "nothing torn" "$rest" ""
}

goes_on() { # OUT: the same command ends as if nothing had been
  run_job "$1" --resume auto
  expect "goes on" "$code" 0
  says "goes on from a state" 'at step [1-9][0-9]* of'
  same_run "equal after going on" "$1"
}

# --- cases

case_train() {
  local out=$world/share/train n before=() now need
  all_hosts
  for n in $(seq "$hosts"); do before[n]=$(traffic "$n"); done
  run_job "$out"
  expect "exit code" "$code" 0
  same_run "equal to one host" "$out"
  # Each host gets at least the gradients of one rank in every step, and sends as much.
  need=$(($(sed -n 's/.*"trained_values": \([0-9]*\).*/\1/p' "$(state "$out" "$steps")/trainer.json") * 4 * steps))
  for n in $(seq "$hosts"); do
    now=$(traffic "$n")
    echo "--- $name: host$n sent $((${now% *} - ${before[n]% *})) and received $((${now#* } - ${before[n]#* })) bytes, at least $need wanted"
    expect "host$n sent the gradients" $((${now% *} - ${before[n]% *} >= need)) 1
    expect "host$n received the gradients" $((${now#* } - ${before[n]#* } >= need)) 1
  done
}

# lose OUT FUNCTION: the job runs, FUNCTION takes host3 away, the job ends in time and says who is lost.
lose() {
  all_hosts
  start_job "$1"
  saved "$1" 20 || fault "is lost in time" "the job ended before"
  "$2" 3
  end_job "$ends_s"
  expect "exit code" "$code" 4
  says "names the host" '([Dd]aemon|[Ll]ost|error|[Pp]eer|closed).*host3'
  says "our error names host and rank" 'error: .*(rank [0-9]+.*host3|host3.*rank [0-9]+)'
  says "the phase" 'rank [0-9]+ on host3 .*phase [a-z]'
  says "our error names the phase" 'error: .*host3.*rank [0-9]+ \(in phase [a-z]'
  [ "$code" = hangs ] || nobody_is_left
  [ ! -e "$(state "$1" "$steps")" ] || fault "is lost in time" "the job had done all its steps"
}

case_cut_link() {
  local out=$world/share/cut_link
  lose "$out" cut_link
  nothing_torn "$out"
  if [ "$code" = hangs ]; then # nothing else ends it
    drop_hosts
    make_hosts "$hosts"
  else
    join_link 3
  fi
  goes_on "$out"
}

case_kill_host() {
  local out=$world/share/kill_host
  lose "$out" kill_host
  nothing_torn "$out"
  if [ "$code" = hangs ]; then
    drop_hosts
    make_hosts "$hosts"
  else
    start_host 3
  fi
  goes_on "$out"
}

# lose_again OUT STEP: host3 is killed once the job has saved this step or a later one.
lose_again() {
  saved "$1" "$2" || fault "is lost in time" "the job ended before step $2"
  kill_host 3
}

# A host that is lost twice is left out by the supervisor, and the run ends on the others.
case_elastic() {
  local out=$world/share/elastic left=$((ranks - ranks / hosts)) until
  local supervisor=(bash "$root/launch/supervise.sh" --elastic --backoff 3 --)
  all_hosts
  cp "$world/hostfile" "$world/hostfile.before"
  start_job "$out" --resume auto
  lose_again "$out" 20
  until=$((SECONDS + ends_s))
  until grep -aq 'starts again in' "$log" || [ $SECONDS -ge $until ]; do sleep 0.1; done
  start_host 3
  lose_again "$out" $(($(newest_step "$out") + 20))
  end_job "$runs_s"
  expect "exit code" "$code" 0
  says "ends twice with 4" '3 starts in .* ended with 4 4 0;'
  says "leaves the host out" "HOST host3 IS LEFT OUT: it was lost twice. $ranks ranks become $left, on host1 host2"
  says "fewer ranks" "\] $left ranks \(mpi\)"
  expect "the file of hosts is as it was" "$(cmp "$world/hostfile" "$world/hostfile.before" 2>&1)" ""
  nobody_is_left
  nothing_torn "$out"
  near_run "near to one host" "$out"
}

# fills COMMAND...: the disk of the output fills while the job runs, by this command of host1.
fills() {
  local out=$world/share/$name
  all_hosts
  start_job "$out"
  saved "$out" 20 || fault "fills in time" "the job ended before"
  in_host 1 "$@" 2>/dev/null
  end_job "$ends_s"
  expect "exit code" "$code" 3
  says "the error" 'error: .*(No space left|are free)'
  says "names host and rank" 'rank 0 on host1\] error: ' # which writes
  says "where it is" "where: $out"
  says "a hint" 'hint: '
  nothing_torn "$out"
  rm -r "$world/share/filler"
  goes_on "$out"
}
case_full_disk() { fills dd if=/dev/zero of="$world/share/filler" bs=1M status=none; }
# Bytes are free, but there can be no new file: what looks for free bytes does not notice.
case_no_new_files() { fills bash -c "mkdir $world/share/filler; for i in {1..9999}; do : >$world/share/filler/\$i || exit; done"; }

# The disk of another host than rank 0's is full when the files come that the host lacks.
case_full_stage() {
  local out=$world/share/full_stage stage=$world/own/stage
  all_hosts
  in_host 1 cp -r "$nano/." "$whole/kd_cache" "$world/own"
  in_host 3 dd if=/dev/zero of="$world/own/filler" bs=1M status=none 2>/dev/null
  local model=$world/own cache=$world/own/kd_cache
  start_job "$out" --stage local --stage-dir "$stage"
  end_job "$ends_s"
  expect "exit code" "$code" 3
  says "the error" 'error: .*(No space left|are free)'
  says "names the host" '(error|where|hint): .*host3'
  says "names the rank" "(error|where|hint): .*rank $((ranks - ranks / hosts))"
  says "where it is" "where: $stage"
  says "a hint" 'hint: .*--stage-dir'
  nobody_is_left
  expect "nothing half sent" "$(in_host 3 find "$stage" -type f 2>/dev/null)" ""
  in_host 3 rm "$world/own/filler"
  run_job "$out" --stage local --stage-dir "$stage"
  expect "exit code with room" "$code" 0
  same_run "equal with room" "$out"
}

# Nothing of a run that trains is written below /tmp of a host.
case_full_tmp() {
  local out=$world/share/full_tmp
  all_hosts
  start_job "$out"
  saved "$out" 20 || fault "fills in time" "the job ended before"
  in_host 3 dd if=/dev/zero of=/tmp/filler bs=1M status=none 2>/dev/null
  expect "the folder is full" "$(in_host 3 df --output=avail /tmp | tail -n 1 | tr -d ' ')" 0
  end_job "$runs_s"
  expect "exit code" "$code" 0
  same_run "equal to one host" "$out"
}

case_skewed_clock() {
  local out=$world/share/skewed_clock library here there
  library=$(find /usr/lib /usr/local/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
  [ -n "$library" ] || { skipped="no libfaketimeMT.so.1 (package libfaketime)"; return; }
  reference
  set_host_environment 3 "LD_PRELOAD=$library" FAKETIME=+3600 DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_FAKE_MONOTONIC=1
  make_hosts "$hosts"
  set_host_environment 3
  here=$(in_host 1 date +%s)
  there=$(in_host 1 ssh -F "$world/etc/ssh_config" host3 date +%s)
  expect "an hour between the clocks" $((there - here >= 3590 && there - here <= 3630)) 1
  hostfile $(seq "$hosts")
  start_job "$out"
  saved "$out" 20
  # shellcheck disable=SC2016  # for the host's shell
  in_host 3 bash -c 'for rank in $(pgrep -x anemll_train); do grep -q libfaketime /proc/$rank/maps || exit 1; done'
  expect "the ranks of the host have its clock" $? 0
  end_job "$runs_s"
  expect "exit code" "$code" 0
  same_run "equal to one host" "$out"
}

case_shared_folder() {
  local out=$world/share/shared_folder
  reference
  local model=$world/share/model cache=$world/share/model/cache # not those of the reference
  make_hosts "$hosts"
  mkdir "$model"
  cp -r "$nano/." "$model"
  hostfile $(seq "$hosts")
  run_job "$out"
  expect "exit code" "$code" 0
  same_run "equal to one host" "$out"
  rm -rf "$model"
}

# TERM to the script, as a person or a scheduler sends it.
case_stop() {
  local out=$world/share/stop
  all_hosts
  start_job "$out"
  saved "$out" 20 || fault "stops in time" "the job ended before"
  kill -TERM "$(child_of "$(child_of "$job")")" # in_host, nsenter, then the script
  end_job "$ends_s"
  expect "75 within $stops_s s" "$code $((took_ms < stops_s * 1000))" "75 1"
  nothing_torn "$out"
  goes_on "$out"
}

# shellcheck source=tests/hosts/input_cases.sh
. "$root/tests/hosts/input_cases.sh"
