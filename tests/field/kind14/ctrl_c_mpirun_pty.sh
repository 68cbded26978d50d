#!/usr/bin/env bash
# Ctrl-C in the terminal that runs launch/mpirun.sh -np 2.
# Right: all ranks save; exit 75 (130 is right too), a state to resume from.
# Wrong: nothing is saved.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 1000000 --logging-steps 1
py "$REPO/launch/mpirun.sh" "${CMD[@]}" <<'E'
import os, pty, sys, time, select
pid, fd = pty.fork()
if pid == 0: os.execvp('bash', ['bash', sys.argv[1], '-np', '2'] + sys.argv[2:])
got = b''; sent = False; end = time.time() + 40
while time.time() < end:
    if select.select([fd], [], [], 0.2)[0]:
        try: got += os.read(fd, 65536)
        except OSError: break
    if not sent and b'step 5/' in got: os.write(fd, b'\x03'); sent = True; end = time.time() + 15
p, s = os.waitpid(pid, os.WNOHANG if time.time() >= end else 0)
open('rc', 'w').write(str(os.waitstatus_to_exitcode(s)) if p else '124'); open('said', 'wb').write(got[-3000:])
if not p: os.killpg(pid, 9)
E
RC=$(cat rc); OUT=$(tr -d '\r' < said); ls -d out/state/step_* >/dev/null 2>&1 || wrong "exit $RC, nothing was saved: $(last)"
case $RC in 75|130) right "exit $RC, saved" ;; esac; wrong "saved, but exit $RC"
