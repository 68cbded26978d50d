# Sourced by mpirun.sh and by tests: whether a process would survive a signal because it handles it.

# hears PID SIGNAL: the process has a handler for it (TERM, USR1, ...). A process that was forked and has not started
# its program yet still has its parent's handlers, and will lose them: it does not hear. False where there is no /proc.
hears() {
  local caught parent
  caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) || return 1
  [ -n "$caught" ] && (((16#$caught >> ($(kill -l "$2") - 1)) & 1)) || return 1
  parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) || return 1
  ! cmp -s "/proc/$1/cmdline" "/proc/$parent/cmdline"
}
