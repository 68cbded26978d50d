#!/usr/bin/env bash
# The C++ API from an installed prefix: install_test.sh BUILD_FOLDER SOURCE_FOLDER. The prefix is moved before it is used,
# links of its documents are followed, the example in it is built out of tree against it, run on the nano model, and its
# files are looked at.
set -euo pipefail
build=$1
source=$2
golden=${ANEMLL_TEST_DATA:-$source/tests/golden}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "install_test: $1" >&2
  exit 1
}
# quiet NAME COMMAND...: what it says is shown when it fails.
quiet() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 || { cat "$work/$name.log"; fail "$name failed"; }
}

quiet install cmake --install "$build" --prefix "$work/first"
mv "$work/first" "$work/prefix"
prefix=$work/prefix
if found=$(grep -rlF -e "$source" -e "$work/first" "$prefix/lib"*/cmake "$prefix/include"); then
  fail "a path of this machine's source tree in $found"
fi
[ -f "$prefix/include/anemll/anemll.hpp" ] || fail "the header is missing"
[ "$(wc -l <"$prefix/share/anemll_train/example/main.cpp")" -le 40 ] || fail "the example has more than 40 lines"
quiet "links of installed documents" bash "$source/tests/support/installed_links.sh" "$prefix"
rm "$prefix/share/anemll_train/src/rooms.txt"
! bash "$source/tests/support/installed_links.sh" "$prefix" >/dev/null || fail "a link to nowhere is not seen"

quiet configure cmake -S "$prefix/share/anemll_train/example" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_BUILD_TYPE=Release
quiet compile cmake --build "$work/build"

quiet run "$work/build/distill" "$golden/nano" "$golden/nano/cache" "$work/out"
grep -q '^14 linears replaced$' "$work/run.log" || fail "not 14 linears: $(head -n 1 "$work/run.log")"
grep -Eq '^KD loss [0-9.]+ -> [0-9.]+ in 20 steps$' "$work/run.log" || fail "no losses in $(cat "$work/run.log")"
for file in run/best_state_dict.pt run/config.json run/training_log.csv snap/model_state_dict.pt snap/config.json \
  snap/snap_report.json; do
  [ -s "$work/out/$file" ] || fail "the example wrote no $file"
done

# An error of the library reaches the caller with its exit code, and no other word is said.
code=0
"$work/build/distill" "$work/nowhere" "$golden/nano/cache" "$work/none" >"$work/error.log" 2>&1 || code=$?
[ "$code" = 3 ] || fail "a missing model ended with $code: $(cat "$work/error.log")"
[ ! -e "$work/none" ] || fail "something was written for a missing model"
