#!/usr/bin/env bash
# Started in an ssh session with nohup-like protection (SIGHUP ignored); the terminal disappears: writes give EIO.
# Right: the run ends with its results.
# Wrong: a failure.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 300 --logging-steps 1
py "${CMD[@]}" <<'E'
import os, pty, signal, sys, time, subprocess
pid, fd = pty.fork()
if pid == 0:
    signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])
got = b''
try:
    while b'step 5/' not in got: got += os.read(fd, 4096)
except OSError: sys.exit('ended early: ' + got[-300:].decode())
os.close(fd)
end = time.time() + 30
while time.time() < end:
    p, s = os.waitpid(pid, os.WNOHANG)
    if p: open('rc', 'w').write(str(os.waitstatus_to_exitcode(s))); sys.exit(0)
    time.sleep(0.1)
os.kill(pid, 9); open('rc', 'w').write('124')
E
RC=$(cat rc 2>/dev/null); [ "$RC" = 0 ] && finished && right "exit 0, finished"; wrong "exit ${RC:-?}, $(ls out 2>/dev/null | tr '\n' ' ')"
