# Sourced by pull_cache.sh and save_to_drive.sh: files on $ANEMLL_DRIVE, a mounted folder (default
# /content/drive/MyDrive, where Colab mounts Google Drive) or an rclone remote (NAME:PATH, if there is no such folder).
# A file appears on the drive whole, under a name of its own first, and is read back before it gets its name. Its
# SHA-256 stands beside it in FILE.sha256, as sha256sum writes it. Sourced after stages.sh.

drive=${ANEMLL_DRIVE:-/content/drive/MyDrive}
drive=${drive%/}
is_remote() { [[ $drive == *:* ]] && [ ! -d "$drive" ]; }

drive_check() {
  if is_remote; then
    command -v rclone >/dev/null || refuse 2 "ANEMLL_DRIVE=$drive is an rclone remote, and rclone is not installed" \
      "install rclone, or mount the drive and give its folder"
  elif [ ! -d "$drive" ]; then
    refuse 2 "the drive $drive is not there" \
      "in Colab: from google.colab import drive; drive.mount('/content/drive'). Elsewhere: ANEMLL_DRIVE=FOLDER or ANEMLL_DRIVE=REMOTE:PATH (rclone)"
  fi
}

drive_has() { if is_remote; then [ -n "$(rclone lsf "$drive/$1" 2>/dev/null)" ]; else [ -f "$drive/$1" ]; fi; }
drive_cat() { if is_remote; then rclone cat "$drive/$1"; else cat "$drive/$1"; fi; }
# What changes when the file does: size and time.
drive_stamp() { if is_remote; then rclone lsf --format st "$drive/$1"; else stamps_in "$drive/$1"; fi; }
drive_list() { if is_remote; then rclone lsf "$drive/$1" 2>/dev/null; else ls "$drive/$1" 2>/dev/null; fi || true; }
# The SHA-256 that stands beside a file; empty without one.
drive_sum() { if drive_has "$1.sha256"; then drive_cat "$1.sha256" | cut -c1-64; fi; }

# drive_put FILE NAME SUM: the file as NAME on the drive, replacing what has that name.
drive_put() {
  local part=$2.part.$$ found
  if is_remote; then rclone copyto "$1" "$drive/$part"; else mkdir -p "$drive/${2%/*}" && cp "$1" "$drive/$part"; fi ||
    drive_failed "cannot write $drive/$2" "$part"
  found=$(drive_cat "$part" | sha256_of)
  [ "$found" = "$3" ] || drive_failed "$drive/$2 reads back otherwise than it was written" "$part"
  # Without the old sum first: a file and the sum of another would be taken for damage.
  drive_remove "$2.sha256"
  drive_rename "$part" "$2" || drive_failed "cannot give $drive/$2 its name" "$part"
  if is_remote; then
    printf '%s  %s\n' "$3" "${2##*/}" | rclone rcat "$drive/$2.sha256"
  else
    printf '%s  %s\n' "$3" "${2##*/}" | make_file "$drive/$2.sha256"
  fi || refuse 3 "cannot write $drive/$2.sha256" "the file itself is there and whole"
}
drive_rename() { if is_remote; then rclone moveto "$drive/$1" "$drive/$2"; else mv -f "$drive/$1" "$drive/$2"; fi; }
drive_remove() { if is_remote; then rclone deletefile "$drive/$1" 2>/dev/null || true; else rm -f "$drive/$1"; fi; }
drive_failed() { # WHAT PART
  drive_remove "$2"
  refuse 3 "$1" "is the drive full, or gone? Run the same command again"
}

# The archive NAME of a folder of the drive: NAME.tgz, or NAME itself where it names its kind.
archive_name() { case $1 in *.tgz | *.tar.gz | *.zst) echo "$1" ;; *) echo "$1.tgz" ;; esac; }
archive_stem() { local s=${1%.tgz}; s=${s%.tar.gz}; s=${s%.zst}; echo "${s%.tar}"; }
unpacker() { # ARCHIVE: the program that reads it from standard input
  case $1 in
    *.zst)
      command -v zstd >/dev/null || refuse 2 "$1 needs zstd" "apt-get install zstd, or use a .tgz"
      echo zstd
      ;;
    *) echo gzip ;;
  esac
}
# plain_name NAME: refuses what would be a path.
plain_name() {
  case $1 in
    '' | -* | .* | */* | *$'\n'*) refuse 2 "'$1' is no plain name" "a name without / and without a dot or dash in front" ;;
  esac
}
