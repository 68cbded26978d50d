# Sourced by mpirun.sh and by tests: whether a process would survive a signal because it handles it.

# hears PID SIGNAL: the process has a handler for it (TERM, USR1, ...). A process that was forked and has not started
# its program yet still has its parent's handlers, and will lose them: it does not hear. False where there is no /proc.
# Its command line is looked at first: the handlers that are read after that are the program's own.
hears() {
  local status parent own caught
  status=$(cat "/proc/$1/status" 2>/dev/null) || return 1
  [[ $status =~ PPid:[[:space:]]*([0-9]+) ]] || return 1
  parent=${BASH_REMATCH[1]}
  own=$(cat "/proc/$1/cmdline" 2>/dev/null | tr '\0' '\n') || return 1
  [ -n "$own" ] || return 1
  [ "$own" != "$(cat "/proc/$parent/cmdline" 2>/dev/null | tr '\0' '\n')" ] || return 1
  status=$(cat "/proc/$1/status" 2>/dev/null) || return 1
  [[ $status =~ SigCgt:[[:space:]]*([0-9a-f]+) ]] || return 1
  caught=${BASH_REMATCH[1]}
  (((16#$caught >> ($(kill -l "$2") - 1)) & 1))
}
