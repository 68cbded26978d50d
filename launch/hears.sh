# Sourced by mpirun.sh and by tests: whether a process would survive a signal because it handles it.

# hears PID SIGNAL: the process has a handler for it (TERM, USR1, ...). False where there is no /proc.
hears() {
  local caught
  caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) || return 1
  [ -n "$caught" ] && (((16#$caught >> ($(kill -l "$2") - 1)) & 1))
}
