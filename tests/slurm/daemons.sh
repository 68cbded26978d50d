# shellcheck shell=bash disable=SC2034,SC2154  # variables of the script that sources it
# Sourced by preempt.sh: a Slurm of one node with daemons, keys, sockets and logs of its own in the folder $work. Another Slurm
# is not touched. `start_daemons` skips the test, with its reason, where they do not start; `stop_daemons` leaves nothing behind.
#
# Three partitions share the node. A job of `urgent` displaces one of the others, which Slurm requeues: one of `all` at once, one of
# `graceful` after $grace_s seconds.

export SLURM_CONF=$work/slurm.conf
readonly grace_s=20
skip() { echo "skipped: $*"; exit 77; }

# until_true SECONDS COMMAND...: whether it became true in time.
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}
idle() { [ "$(sinfo -h -p all -o %T 2>/dev/null)" = idle ]; }

slurm_missing() { # skips
  local tool
  for tool in munged slurmctld slurmd sbatch; do
    command -v $tool >/dev/null || skip "no $tool here (packages munge, slurmctld, slurmd, slurm-client)"
  done
  [ "$(id -u)" -eq 0 ] || skip "only root can start slurmd"
}

# stop_daemons: those of our pid files, and what still runs of their jobs.
stop_daemons() {
  local file pid left
  scancel --quiet --state=RUNNING --user=root 2>/dev/null
  for file in slurmctld.pid slurmd.pid munged.pid; do
    pid=$(cat "$work/$file" 2>/dev/null) || continue
    kill "$pid" 2>/dev/null
    for _ in {1..100}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null
  done
  export -n SLURM_CONF # not of what looks for it
  for _ in {1..50}; do # steps and their programs
    mapfile -t left < <(grep -lsa "SLURM_CONF=$work/slurm.conf" /proc/[0-9]*/environ | cut -d/ -f3)
    [ ${#left[@]} -gt 0 ] || return 0
    kill -KILL "${left[@]}" 2>/dev/null
    sleep 0.1
  done
}

start_daemons() {
  local node port
  slurm_missing
  node=$(hostname -s)
  port=$((20000 + $$ % 5000 * 2))
  chmod 755 "$work" # munged wants its socket to be reached by all
  mkdir state spool tmp
  (umask 077 && head -c 1024 /dev/urandom >munge.key)
  cat >slurm.conf <<CONF
ClusterName=anemll
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
ReturnToService=2
TmpFS=$work/tmp
KillWait=30
NodeName=$node NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=0 MaxTime=INFINITE State=UP
PartitionName=graceful Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=$grace_s MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE State=UP
CONF
  munged --socket="$work/munge.socket" --key-file="$work/munge.key" --pid-file="$work/munged.pid" --log-file="$work/munged.log" \
    --seed-file="$work/munge.seed" >daemons.log 2>&1 || skip "munged does not start: $(tail -n 1 daemons.log munged.log 2>/dev/null | tr '\n' ' ')"
  slurmctld -c >>daemons.log 2>&1 || skip "slurmctld does not start: $(tail -n 1 slurmctld.log)"
  slurmd -N "$node" >>daemons.log 2>&1 || skip "slurmd does not start: $(tail -n 1 slurmd.log)"
  until_true 60 idle || skip "the node is not idle after a minute: $(sinfo -h -o '%T %E' 2>&1); $(tail -n 1 slurmd.log)"
}
