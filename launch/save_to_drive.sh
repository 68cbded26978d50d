#!/usr/bin/env bash
# Saves a checkpoint to the drive:   launch/save_to_drive.sh [--dry-run] [--overwrite] CHECKPOINT NAME
#
# CHECKPOINT is a .pt file or a folder. $ANEMLL_DRIVE/qwen3_runs/NAME.tgz gets a folder NAME with the file and, if they
# lie beside it, config.json, training_log.csv and metrics.jsonl; or with all files of the folder (not those of folders
# in it). If NAME ends in .zst the archive is made by zstd.
#
#   ANEMLL_DRIVE    a folder (default /content/drive/MyDrive), or an rclone remote such as gdrive:MyDrive
#   --overwrite     replace another archive of this name. Without it that is an error
#
# NAME.tgz.sha256 is written beside it. The archive appears whole or not at all. The same command again finds the same
# archive there and does nothing.
# Exit codes: 0 done, 2 usage or no drive, 3 the checkpoint or the drive cannot be read or written.
set -euo pipefail
launch=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$launch/stages.sh"
. "$launch/drive.sh"

dry='' overwrite='' words=()
for word in "$@"; do
  case $word in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry=yes ;;
    --overwrite) overwrite=yes ;;
    -*) refuse 2 "no such option: $word" "launch/save_to_drive.sh --help" ;;
    *) words+=("$word") ;;
  esac
done
[ ${#words[@]} -eq 2 ] || refuse 2 "a CHECKPOINT and a NAME are needed" "launch/save_to_drive.sh --help"
checkpoint=${words[0]%/}
plain_name "${words[1]}"
name=$(archive_stem "${words[1]}")
archive=qwen3_runs/$(archive_name "${words[1]}")
program=$(unpacker "$archive")

files=()
if [ -d "$checkpoint" ]; then
  for file in "$checkpoint"/*; do [ ! -f "$file" ] || files+=("$file"); done
  compgen -G "$checkpoint/*.pt" >/dev/null || refuse 3 "$checkpoint holds no checkpoint (.pt)" "give the folder of a run, or a .pt file"
elif [ -f "$checkpoint" ]; then
  [[ $checkpoint == *.pt ]] || refuse 3 "$checkpoint is no checkpoint (.pt)" "give the folder of a run, or a .pt file"
  files=("$checkpoint")
  folder=$(dirname "$checkpoint")
  for file in config.json training_log.csv metrics.jsonl; do
    [ ! -f "$folder/$file" ] || files+=("$folder/$file")
  done
else
  refuse 3 "$checkpoint does not exist" "give the folder of a run, or a .pt file"
fi
drive_check
if [ -n "$dry" ]; then
  say "packs    $(spelled "${files[@]}") ($(spell_bytes "$(bytes_of "${files[@]}")"))"
  say "into     $drive/$archive"
  if drive_has "$archive"; then say "which is there${overwrite:+, and is replaced}"; fi
  exit 0
fi

# Made here first: a drive may be slow, and what is sent is read back and compared.
work=$(mktemp -d "${TMPDIR:-/tmp}/anemll_save.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 75' INT TERM HUP
mkdir "$work/$name"
for file in "${files[@]}"; do ln -s "$(cd "$(dirname "$file")" && pwd)/${file##*/}" "$work/$name/${file##*/}"; done
members=("$work/$name"/*)
# The same files give the same bytes: no folder entry, whose time is that of now; gzip without a name and a time.
pack=(gzip -nc)
[ "$program" = gzip ] || pack=(zstd -qc)
tar -chf - -C "$work" "${members[@]#"$work/"}" | "${pack[@]}" >"$work/archive" ||
  refuse 3 "cannot pack $checkpoint" "is ${TMPDIR:-/tmp} full? TMPDIR=FOLDER uses another"
sum=$(sha256_of "$work/archive")
if drive_has "$archive"; then
  if [ "$(drive_sum "$archive")" = "$sum" ] && [ "$(drive_cat "$archive" | sha256_of)" = "$sum" ]; then
    say "$drive/$archive: done already, unchanged"
    exit 0
  fi
  [ -n "$overwrite" ] || refuse 2 "$drive/$archive is there, and holds something else" "another NAME, or --overwrite (of run_v2_training.sh: SAVE_NAME=NAME, or OVERWRITE=yes)"
fi
say "saving $(spell_bytes "$(bytes_of "$work/archive")") to $drive/$archive"
drive_put "$work/archive" "$archive" "$sum"
say "$drive/$archive: saved, sha256 $sum"
