#!/usr/bin/env bash
# Ctrl-C in the terminal of a single-process run.
# Right: saved, exit 75.
# Wrong: 130 without a state.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 1000000 --logging-steps 1
py "${CMD[@]}" <<'E'
import os, pty, sys, time, select
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
got = b''; sent = False; end = time.time() + 30
while time.time() < end:
    if select.select([fd], [], [], 0.2)[0]:
        try: got += os.read(fd, 65536)
        except OSError: break
    if not sent and b'step 5/' in got: os.write(fd, b'\x03'); sent = True; end = time.time() + 12
p, s = os.waitpid(pid, os.WNOHANG if time.time() >= end else 0)
open('rc', 'w').write(str(os.waitstatus_to_exitcode(s)) if p else '124')
if not p: os.kill(pid, 9)
E
RC=$(cat rc); ls -d out/state/step_* >/dev/null 2>&1 && [ "$RC" = 75 ] && right "exit 75, saved"; wrong "exit $RC, $(ls out/state 2>/dev/null | tr '\n' ' ')"
