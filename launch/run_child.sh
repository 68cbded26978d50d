# Sourced by quickstart.sh and recipes: a command that gets the script's signals and may save before the script goes on.

# run COMMAND...: waits for it, hands TERM and HUP on, and leaves a terminal's Ctrl-C to it. Returns its exit code.
run() {
  local code=0 ignored
  # Of a script that a script put in the background. `trap -` would make it deadly, and nothing can set it again.
  ignored=$(trap -p INT)
  "$@" <&0 &
  child=$!
  trap 'kill -TERM $child 2>/dev/null || true' TERM HUP
  [ -n "$ignored" ] || trap : INT
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
  done
  trap - TERM HUP
  [ -n "$ignored" ] || trap - INT
  return $code
}
