#!/usr/bin/env bash
# Unpacks a KD cache from the drive:   launch/pull_cache.sh [--dry-run] NAME
#
# $ANEMLL_DRIVE/qwen3_caches/NAME.tgz becomes the folder caches/NAME, ready for --cache-dir. NAME.tar.zst is read too,
# when NAME is given with its ending.
#
#   ANEMLL_DRIVE    a folder (default /content/drive/MyDrive), or an rclone remote such as gdrive:MyDrive
#   ANEMLL_CACHES   where caches go (default caches)
#
# Where NAME.tgz.sha256 lies beside the archive, it is compared. The folder appears whole or not at all. The same
# command again does nothing while the archive is unchanged; another archive of that name replaces what it brought
# before. By hand: tar -xzf NAME.tgz -C caches/.
# Exit codes: 0 done, 2 usage or no drive, 3 the archive is damaged or is no cache.
set -euo pipefail
launch=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$launch/stages.sh"
. "$launch/drive.sh"

dry='' wanted=''
for word in "$@"; do
  case $word in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry=yes ;;
    -*) refuse 2 "no such option: $word" "launch/pull_cache.sh --help" ;;
    *)
      [ -z "$wanted" ] || refuse 2 "one NAME only" "launch/pull_cache.sh --help"
      wanted=$word
      ;;
  esac
done
[ -n "$wanted" ] || refuse 2 "which cache? No NAME was given" "launch/pull_cache.sh --help"
plain_name "$wanted"
archive=qwen3_caches/$(archive_name "$wanted")
name=$(archive_stem "$wanted")
caches=${ANEMLL_CACHES:-caches}
target=$caches/$name
record=$caches/.$name.pulled
is_cache() { [ -e "$1/index.json" ] || compgen -G "$1/shard_*.pt" >/dev/null; }

# A cache that somebody unpacked by hand needs no drive.
if is_cache "$target" && [ ! -e "$record" ]; then
  say "$target is there, not by this script: it stays as it is (move it away to pull it)"
  exit 0
fi
drive_check
if ! drive_has "$archive"; then
  others=$(drive_list qwen3_caches | grep -v '\.sha256$' | tr '\n' ' ' || true)
  refuse 2 "$drive/$archive is not there" "the drive has: ${others:-nothing in qwen3_caches}"
fi
stamp=$(drive_stamp "$archive")
if is_cache "$target" && [ "$stamp" = "$(cat "$record" 2>/dev/null)" ]; then
  say "$target: done already, the archive is unchanged"
  exit 0
fi
if [ -e "$target" ] && [ ! -e "$record" ] && [ -n "$(ls -A "$target")" ]; then
  refuse 2 "$target holds something that is no cache" "move it away"
fi
program=$(unpacker "$archive")
if [ -n "$dry" ]; then
  say "unpacks  $drive/$archive"
  say "into     $target"
  exit 0
fi

mkdir -p "$caches"
take_lock "$caches/.$name.lock" "$target"
part=$caches/.$name.part.$$
trap 'rm -rf "$part"' EXIT
trap 'exit 75' INT TERM HUP
rm -rf "$caches/.$name.part".* # of a start that was killed
mkdir -p "$part/tree"
damaged() { refuse 3 "$drive/$archive $1" "$2"; }

say "unpacking $drive/$archive"
# One pass over the drive: the archive is hashed and unpacked.
mkfifo "$part/hash"
sha256_of <"$part/hash" >"$part/sum" &
hashing=$!
# tar itself leaves out / in front and refuses .. in names.
code=0
drive_cat "$archive" | tee "$part/hash" | "$program" -dc 2>"$part/complaint" |
  tar -xf - --no-same-owner -C "$part/tree" 2>>"$part/complaint" || code=$?
wait $hashing
if [ $code -ne 0 ]; then
  tail -n 3 "$part/complaint" >&2
  damaged "cannot be unpacked" "damaged, or is the disk full? Copy the archive to the drive again"
fi
sum=$(drive_sum "$archive")
if [ -z "$sum" ]; then
  say "no $archive.sha256 on the drive: only the archive's own checksum was compared"
elif [ "$sum" != "$(<"$part/sum")" ]; then
  damaged "is not what its .sha256 says" "damaged, or replaced without its checksum: copy both to the drive again"
fi
# Links and devices have no place in a cache: they could lead anywhere.
odd=$(find "$part/tree" ! -type f ! -type d | head -n 1)
[ -z "$odd" ] || damaged "holds ${odd#"$part/tree/"}, which is neither file nor folder" "a cache has files only"
# The cache is the archive itself, or one folder of it at any depth: "tar -czf NAME.tgz caches/NAME" packs the path too.
found=
while IFS= read -r folder; do
  is_cache "$folder" || continue
  [ -z "$found" ] || [[ $folder != "$found"/* ]] || continue
  [ -z "$found" ] || damaged "holds several caches" "one cache an archive"
  found=$folder
done < <(find "$part/tree" -type d)
[ -n "$found" ] || damaged "holds no KD cache" "it should have shard_*.pt and meta.json, or index.json and shard_*.h5, in one folder"
[ -z "$(find "$found" -name 'shard_*' -size 0 | head -n 1)" ] || damaged "has an empty shard" "copy the archive to the drive again"

# Only renames, and the record while nothing is there: killed in between, the next start pulls again, and never takes
# what it brought itself for somebody's own.
if [ -d "$target" ]; then mv "$target" "$part/earlier"; fi
echo "$stamp" | make_file "$record"
mv "$found" "$target"
say "$target: $(spell_bytes "$(bytes_of "$target")"), ready for --cache-dir $target"
