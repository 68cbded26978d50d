#!/usr/bin/env bash
# pull_cache.sh and save_to_drive.sh on a folder and on an rclone remote: names, checksums, damage, what is there already.
set -uo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/tests/support/script_checks.sh"
pull() { output=$(bash "$root/launch/pull_cache.sh" "$@" 2>&1); code=$?; }
save() { output=$(bash "$root/launch/save_to_drive.sh" "$@" 2>&1); code=$?; }
sum_beside() { (cd "${1%/*}" && sha256sum "${1##*/}" >"${1##*/}.sha256"); }

# A remote is a folder here; the commands are those that launch/drive.sh gives.
mkdir -p bin remote
cat >bin/rclone <<'RCLONE'
#!/usr/bin/env bash
set -euo pipefail
there() { case $1 in far:*) echo "$REMOTE/${1#far:}" ;; *) echo "$1" ;; esac; }
case $1 in
  lsf)
    if [ "$2" = --format ]; then stat -c '%s;%y' "$(there "$4")"; else
      place=$(there "$2")
      if [ -d "$place" ]; then ls "$place"; else [ -e "$place" ] && echo "${place##*/}"; fi
    fi
    ;;
  cat) cat "$(there "$2")" ;;
  copyto) mkdir -p "$(dirname "$(there "$3")")" && cp "$(there "$2")" "$(there "$3")" ;;
  moveto) mv "$(there "$2")" "$(there "$3")" ;;
  rcat) cat >"$(there "$2")" ;;
  deletefile) rm "$(there "$2")" ;;
  *) echo "rclone: $1?" >&2; exit 9 ;;
esac
RCLONE
chmod +x bin/rclone
export PATH=$work/bin:$PATH REMOTE=$work/remote

# The reference's cache of the goldens, packed as the document has it.
mkdir -p tree/nano drive/qwen3_caches
cp "$root"/tests/golden/nano/cache/* tree/nano
tar -czf drive/qwen3_caches/nano.tgz -C tree nano
mkdir -p remote/qwen3_caches && cp drive/qwen3_caches/nano.tgz remote/qwen3_caches
same_cache() { diff -r "$1" tree/nano >/dev/null || fail "$2: the cache is another"; }

for drive in "$work/drive" far:; do
  export ANEMLL_DRIVE=$drive
  rm -rf caches
  pull --dry-run nano
  expect "$drive: a plan" "$code $(ls -A caches 2>/dev/null)" "0 "
  pull nano
  expect "$drive: pulled" "$code" 0
  says "$drive: without a checksum" "no qwen3_caches/nano.tgz.sha256"
  same_cache caches/nano "$drive"
  [ -z "$(find caches -name '*.part.*')" ] || fail "$drive: a rest is left"
  touch -d '2001-02-03' caches/nano/meta.json
  pull nano
  says "$drive: unchanged" "done already"
  expect "$drive: it stays" "$code $(stat -c %Y caches/nano/meta.json)" "0 $(date -d '2001-02-03' +%s)"
  mkdir -p run
  printf 'weights' >run/best_state_dict.pt
  printf '{}' >run/config.json
  save run/best_state_dict.pt kept
  expect "$drive: saved" "$code" 0
  place=${drive/far:/$work/remote}/qwen3_runs
  (cd "$place" && sha256sum --check --status kept.tgz.sha256) || fail "$drive: the checksum"
  expect "$drive: its files" "$(tar -tzf "$place/kept.tgz" | tr '\n' ' ')" "kept/best_state_dict.pt kept/config.json "
  expect "$drive: nothing else" "$(ls "$place" | tr '\n' ' ')" "kept.tgz kept.tgz.sha256 "
  save run/best_state_dict.pt kept
  expect "$drive: saved again" "$code" 0
  says "$drive: saved again" "done already"
  printf 'others' >run/best_state_dict.pt
  save run kept
  expect "$drive: another of this name" "$code" 2
  says "$drive: another of this name" "hint:"
  expect "$drive: the first stays" "$(tar -xOzf "$place/kept.tgz" kept/best_state_dict.pt)" weights
  save --overwrite run kept
  expect "$drive: replaced" "$code $(tar -xOzf "$place/kept.tgz" kept/best_state_dict.pt)" "0 others"
done

export ANEMLL_DRIVE=$work/drive
archives=drive/qwen3_caches
if command -v zstd >/dev/null; then
  save run packed.tar.zst
  expect "zstd" "$code $(zstd -dc drive/qwen3_runs/packed.tar.zst | tar -xO packed/best_state_dict.pt)" "0 others"
  tar -cf - -C tree nano | zstd -qc >$archives/nano.tar.zst
  rm -rf caches
  pull nano.tar.zst
  expect "a cache by zstd" "$code" 0
  same_cache caches/nano "zstd"
fi

# By hand, as the document has it.
rm -rf caches && mkdir -p caches/nano && tar -xzf $archives/nano.tgz -C caches/
pull nano
expect "unpacked by hand" "$code" 0
says "unpacked by hand" "stays as it is"
# The document's mkdir alone is no cache yet.
rm -rf caches && mkdir -p caches/nano
pull nano
expect "an empty folder" "$code" 0
same_cache caches/nano "an empty folder"
# Another archive replaces what this script brought.
echo >>tree/nano/meta.json
tar -czf $archives/nano.tgz -C tree nano
sum_beside $archives/nano.tgz
pull nano
expect "a newer archive" "$code" 0
same_cache caches/nano "a newer archive"

# refused WHAT CODE SAYS: nothing of it is left, and what was there stays.
refused() {
  expect "$1" "$code" "$2"
  says "$1" "$3"
  says "$1" "hint:"
  [ -z "$(find caches -mindepth 1 -name '*.part*')" ] || fail "$1: a rest is left"
}
cp $archives/nano.tgz whole.tgz
head -c 5000 whole.tgz >$archives/nano.tgz
pull nano
refused "cut short" 3 "cannot be unpacked"
same_cache caches/nano "cut short"
{ head -c 5000 whole.tgz; printf 'X'; tail -c +5002 whole.tgz; } >$archives/nano.tgz
pull nano
refused "a byte of it is another" 3 damaged
cp whole.tgz $archives/nano.tgz
echo "$(printf 0%.0s {1..64})  nano.tgz" >$archives/nano.tgz.sha256
pull nano
refused "another checksum" 3 "is not what its .sha256 says"
same_cache caches/nano "another checksum"
rm $archives/nano.tgz.sha256

pack() { tar -czf "$archives/$1.tgz" -C odd .; rm -rf odd; } # NAME: the folder odd
mkdir -p odd/text && echo hello >odd/text/file && pack text
pull text
refused "no cache" 3 "holds no KD cache"
mkdir -p odd/cache && cp tree/nano/* odd/cache && ln -s /etc/passwd odd/cache/shard_00002.pt && pack link
pull link
refused "a link" 3 "neither file nor folder"
mkdir -p odd && cp -r tree/nano odd/a && cp -r tree/nano odd/b && pack two
pull two
refused "two caches" 3 "several caches"
mkdir -p odd && cp tree/nano/* odd && pack flat
pull flat
expect "a cache without a folder" "$code" 0
same_cache caches/flat "a cache without a folder"
mkdir -p odd/caches && cp -r tree/nano odd/caches && pack deep
pull deep
expect "a cache packed with its path" "$code" 0
same_cache caches/deep "a cache packed with its path"
mkdir -p odd && cp -r tree/nano odd && : >odd/nano/shard_00001.pt && pack empty
pull empty
refused "an empty shard" 3 "empty shard"
[ ! -e caches/empty ] || fail "an empty shard: it is there"
mkdir -p caches/mine && echo hello >caches/mine/file && cp whole.tgz $archives/mine.tgz
pull mine
refused "somebody's folder" 2 "no cache"
for name in ../nano a/b '' -x .hidden; do
  pull "$name"
  expect "the name '$name'" "$code" 2
done
pull none
refused "no such archive" 2 "the drive has: "
mkdir bare
ANEMLL_DRIVE=$work/bare pull none
refused "a drive without archives" 2 "the drive has: nothing"
ANEMLL_DRIVE=$work/nowhere pull nano
expect "no drive" "$code" 2
says "no drive" "drive.mount"
mkdir no_checkpoint
save no_checkpoint name
expect "no checkpoint" "$code" 3
save run/config.json name
expect "a file that is no checkpoint" "$code" 3
says "a file that is no checkpoint" "hint:"
save run/none.pt name
expect "no such checkpoint" "$code" 3
save run
expect "no name" "$code" 2
for script in pull_cache save_to_drive run_v2_training colab workflow_a workflow_b workflow_c; do
  output=$(bash "$root/launch/$script.sh" --help 2>&1)
  expect "$script --help" $? 0
  says "$script --help" "launch/$script.sh"
  says "$script --help" "Exit codes:"
done

[ "$failures" -eq 0 ] && echo "drives give and take whole files only"
exit $((failures > 0))
