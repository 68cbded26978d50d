# Sourced by tests that run scripts: a folder of their own as the current one, and checks that go on behind a fault.
# `output` is what the last command wrote, `failures` counts; end with `exit $((failures > 0))`.
work=$(mktemp -d)
# A child that a signal ends before it has become its program runs this too.
trap '[ "$BASHPID" != $$ ] || rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
fail() { echo "$*"; failures=$((failures + 1)); }
expect() { [ "$2" = "$3" ] || fail "$1: '$2', not '$3': $(tail -n 20 <<<"${output-}")"; } # WHAT GOT WANTED
says() { grep -qF -- "$2" <<<"$output" || fail "$1: no '$2' in: $output"; }
