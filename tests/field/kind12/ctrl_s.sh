#!/usr/bin/env bash
# Somebody presses Ctrl-S (or selects text) in the terminal: nobody reads; then a TERM arrives from the batch system.
# Right: the run saves and leaves with 75 although its log cannot be written.
# Wrong: it hangs in a write.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
train_line --max-steps 1000000 --logging-steps 1
py "${CMD[@]}" <<'E'
import os, pty, signal, sys, time
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
got = b''
try:
    while b'step 5/' not in got: got += os.read(fd, 4096)
except OSError: sys.exit('ended early: ' + got[-300:].decode())
time.sleep(4)  # the terminal's buffer fills up
os.kill(pid, signal.SIGTERM)
end = time.time() + 10
while time.time() < end:
    p, s = os.waitpid(pid, os.WNOHANG)
    if p: open('rc', 'w').write(str(os.waitstatus_to_exitcode(s))); sys.exit(0)
    time.sleep(0.1)
os.kill(pid, 9); os.waitpid(pid, 0); open('rc', 'w').write('124')
E
RC=$(cat rc 2>/dev/null); [ "$RC" = 75 ] && right "exit 75, $(cat out/state/latest | tr '\n' ' ')"; wrong "exit ${RC:-?} (124: hung), state: $(ls out/state 2>/dev/null | tr '\n' ' ')"
