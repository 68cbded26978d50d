#!/usr/bin/env bash
# The first process of a test host: makes the host's own folders and starts its sshd. hosts.sh starts it in namespaces of
# its own. When it is killed, the kernel ends every process of the host.
# usage: host_init.sh WORLD NAME PATH...   PATH: what the host has to see although its /tmp is its own
set -euo pipefail
world=$1
name=$2
shift 2

hostname "$name"
mount -t proc proc /proc
# The own /tmp is built elsewhere, for what it has to show of the old one. A mount in the old one would hold itself.
own=/mnt
# Its own folders are small enough to be filled.
mount -t tmpfs -o mode=1777,size=192m tmp "$own"
for path; do
  [[ $path == /tmp/* ]] || continue
  mkdir -p "$own/${path#/tmp/}"
  mount --rbind "$path" "$own/${path#/tmp/}"
done
mount --move "$own" /tmp
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777,size=192m own "$world/own"
mkdir -p /run/sshd
mount --bind "$world/etc/hosts" /etc/hosts
mount --bind "$world/etc/shadow" /etc/shadow # no account is locked

"$world/etc/sshd" -D -e -f "$world/etc/sshd_config.$name" &
wait $! # meanwhile bash takes leave of processes whose parents are gone
