# shellcheck shell=bash
# Sourced by tests: several hosts on this machine. A host has its own network, name, processes, /tmp, /dev/shm and sshd.
# All of them lie in a "world": namespaces without a way out, whose end ends everything in them. So nothing can be left.
#
#   hosts_missing                 prints why there can be no hosts here, or nothing
#   enter_world SCRIPT WORD...    runs SCRIPT in a new world, and looks afterwards that nothing of it is left
# In a world, whose folder is $world:
#   make_hosts N                  host1 to hostN, joined by a bridge
#   in_host N COMMAND...          as a process of host N, in its /
#   cut_link N, join_link N       takes the network from host N, gives it back
#   kill_host N, start_host N     ends all processes of host N at once, starts it again with empty folders of its own
#   drop_hosts                    ends all hosts; true when no process is left
#   traffic N                     bytes that host N has sent and received: "SENT RECEIVED"
# Folders at the same path on every host: $world/share is one disk for all, $world/own is each host's own,
# $world itself and what is outside of /tmp, /dev/shm and /run are this machine's.

hosts_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
hosts_repository=$(cd "$hosts_here/../.." && pwd)
world=${ANEMLL_HOSTS_WORLD:-}
declare -A host_init=() host_keeper=()
readonly share_size=192m,nr_inodes=2000 # the shared disk, small enough to be filled

host_address() { echo "10.77.0.$1"; }
host_sshd() { command -v sshd || PATH=/usr/sbin:/usr/local/sbin command -v sshd; }

hosts_missing() {
  local tool
  [ "$(id -u)" -eq 0 ] || { echo "not root"; return; }
  for tool in unshare nsenter setpriv ip mount ssh ssh-keygen mpirun; do
    command -v $tool >/dev/null || { echo "no $tool (bash .ci/setup installs it)"; return; }
  done
  host_sshd >/dev/null || { echo "no sshd (package openssh-server)"; return; }
  # What a world is made of.
  unshare --net --uts --ipc --mount --pid --fork --mount-proc bash -c '
    mount -t tmpfs probe /mnt && hostname probe && ip link add br0 type bridge && ip link add h1 type veth peer name eth0
  ' 2>/dev/null || echo "no right to make namespaces, mounts, a bridge and veth pairs (CAP_SYS_ADMIN, CAP_NET_ADMIN)"
}

# Processes that see the world's folder among their mounts are in the world.
world_processes() { # WORLD
  grep -lF "$1" /proc/[0-9]*/mountinfo 2>/dev/null | cut -d/ -f3
}

leave_world() { # WORLD [KEEPER, where it may be running]
  local folder=$1 left
  if [ $# -gt 1 ]; then
    kill -KILL "$2" 2>/dev/null # and with it the world's first process, by --kill-child
    wait "$2" 2>/dev/null
  fi
  for _ in {1..200}; do
    left=$(world_processes "$folder")
    [ -n "$left" ] || break
    sleep 0.05
  done
  if [ -n "$left" ]; then echo "FAILED: processes of the hosts are left: $left" >&2; fi
  if grep -F "$folder" /proc/self/mountinfo >&2; then
    echo "FAILED: these mounts are left" >&2
    left=mounts
  fi
  if ip -o link show 2>/dev/null | grep -E ': anemll_h' >&2; then
    echo "FAILED: these interfaces are left" >&2
    left=interfaces
  fi
  [ -n "$left" ] || rm -rf --one-file-system "$folder"
  [ -z "$left" ]
}

enter_world() { # SCRIPT WORD...
  local folder keeper code=0
  folder=$(mktemp -d "${TMPDIR:-/tmp}/anemll_hosts.XXXXXX") || return 1
  # Should this shell be killed, the world ends too; only its folder stays.
  ANEMLL_HOSTS_WORLD=$folder setpriv --pdeathsig KILL unshare --net --ipc --mount --pid --fork --kill-child --mount-proc bash "$@" </dev/null &
  keeper=$!
  # shellcheck disable=SC2064  # as they are now
  trap "leave_world '$folder' $keeper" EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  wait $keeper || code=$?
  trap - EXIT
  leave_world "$folder" || code=1
  return $code
}

# Keys and settings, made anew for each world.
write_settings() {
  local n etc=$world/etc
  mkdir -p "$etc" "$world/share" "$world/own"
  ln -sf "$(host_sshd)" "$etc/sshd"
  ssh-keygen -q -t ed25519 -N '' -C test -f "$etc/key"
  ssh-keygen -q -t ed25519 -N '' -C test -f "$etc/host_key"
  cp "$etc/key.pub" "$etc/authorized_keys"
  printf '%s:*:19000:0:99999:7:::\n' root sshd >"$etc/shadow"
  cat >"$etc/ssh_config" <<END
Host host*
  User root
  IdentityFile $etc/key
  IdentitiesOnly yes
  UserKnownHostsFile $etc/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 10
  LogLevel ERROR
END
  echo "127.0.0.1 localhost" >"$etc/hosts"
  for n in $(seq 1 9); do
    echo "$(host_address "$n") host$n" >>"$etc/hosts"
    echo "host$n,$(host_address "$n") $(cut -d' ' -f1,2 "$etc/host_key.pub")" >>"$etc/known_hosts"
    set_host_environment "$n"
  done
}

# set_host_environment N [NAME=VALUE...]: what sshd gives to the programs of host N, from its next start on.
set_host_environment() {
  local n=$1
  shift
  cat >"$world/etc/sshd_config.host$n" <<END
ListenAddress 0.0.0.0
HostKey $world/etc/host_key
AuthorizedKeysFile $world/etc/authorized_keys
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
END
  [ $# -eq 0 ] || echo "SetEnv $*" >>"$world/etc/sshd_config.host$n"
}

make_hosts() { # N
  local n
  [ -d "$world/etc" ] || write_settings
  mountpoint -q "$world/share" || mount -t tmpfs -o "size=$share_size" share "$world/share"
  if ! ip link show anemll_hosts >/dev/null 2>&1; then
    ip link add anemll_hosts type bridge && ip link set anemll_hosts up && ip link set lo up
  fi
  for n in $(seq 1 "$1"); do start_host "$n" || return 1; done
}

start_host() { # N
  local n=$1 bin=${ANEMLL_BIN:-} child=
  unshare --net --uts --ipc --mount --pid --fork --kill-child \
    bash "$hosts_here/host_init.sh" "$world" "host$n" "$world" "$hosts_repository" ${bin:+"$bin"} \
    >"$world/host$n.log" 2>&1 &
  host_keeper[$n]=$!
  for _ in {1..500}; do
    child=$(cat "/proc/${host_keeper[$n]}/task/"*/children 2>/dev/null) && [ -n "$child" ] && break
    sleep 0.01
  done
  host_init[$n]=${child%% *}
  # The same address after each start, as a machine has: others still know it.
  ip link add "anemll_h$n" type veth peer name eth0 address "02:00:00:00:00:0$n" netns "${host_init[$n]}" &&
    ip link set "anemll_h$n" master anemll_hosts up &&
    nsenter -t "${host_init[$n]}" --net ip link set lo up &&
    nsenter -t "${host_init[$n]}" --net ip addr add "$(host_address "$n")/24" dev eth0 &&
    nsenter -t "${host_init[$n]}" --net ip link set eth0 up || return 1
  for _ in {1..600}; do
    if in_host "$n" bash -c "true </dev/tcp/$(host_address "$n")/22" 2>/dev/null; then return 0; fi
    kill -0 "${host_keeper[$n]}" 2>/dev/null || break
    sleep 0.05
  done
  echo "host$n does not start:" >&2
  cat "$world/host$n.log" >&2
  return 1
}

in_host() { # N COMMAND...
  local n=$1
  shift
  nsenter -t "${host_init[$n]}" --net --uts --ipc --mount --pid -- "$@"
}

cut_link() { ip link set "anemll_h$1" down; }
join_link() { ip link set "anemll_h$1" up; }

kill_host() { # N
  kill -KILL "${host_init[$1]}" 2>/dev/null
  wait "${host_keeper[$1]}" 2>/dev/null
  # The pair goes with the host's network, which the kernel takes away a little later.
  ip link del "anemll_h$1" 2>/dev/null || true
}

# Processes of this world that are neither this shell nor started by it for a moment: those of hosts.
host_processes() {
  local process ours theirs
  ours=$(readlink /proc/$$/ns/pid)
  for process in /proc/[0-9]*; do
    theirs=$(readlink "$process/ns/pid") && [ "$theirs" != "$ours" ] && echo "${process#/proc/}"
  done 2>/dev/null
}

drop_hosts() {
  local n left
  for n in "${!host_keeper[@]}"; do kill_host "$n"; done
  host_init=() host_keeper=()
  for _ in {1..100}; do
    left=$(host_processes)
    [ -n "$left" ] || return 0
    sleep 0.05
  done
  echo "processes of dropped hosts are left: $left" >&2
  return 1
}

traffic() { # N: what the bridge's end received is what the host sent
  awk -v name="anemll_h$1:" '$1 == name {print $2, $10}' /proc/net/dev
}
