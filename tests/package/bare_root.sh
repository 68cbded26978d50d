#!/usr/bin/env bash
# A Debian package in a root that has nothing but apt: installed, run by an ordinary account, removed. As root.
#
#   tests/package/bare_root.sh DEB ARCHIVE [SUITE]
#
# SUITE is bookworm by default. The root is made by debootstrap from the mirror of this machine's own apt, lies in TMPDIR and
# is removed. Prints sizes and seconds. Limits: the package 250 MB, installed 900 MB.
set -euo pipefail
deb=$(realpath "$1") archive=$(realpath "$2") suite=${3:-bookworm}
fail() { echo "bare root: $1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "bare root: needs root, to change into a root of its own" >&2; exit 2; }

# deb822 sources or the older lines: the first mirror of either.
mirror=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list \
  /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1 || true)
[ -n "$mirror" ] || fail "apt of this machine names no mirror"

root=$(mktemp -d)
chmod 755 "$root" # it is a /, which an ordinary account must be able to enter
inside() { chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
as_user() { inside runuser -u somebody -- env HOME=/srv/somebody "$@"; }
at_exit() {
  umount "$root/dev/shm" "$root/dev" "$root/sys" "$root/proc" 2>/dev/null || true
  # Never into what is still mounted.
  rm -rf --one-file-system "$root"
}
trap at_exit EXIT

began=$SECONDS
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; fail "debootstrap failed"; }
rm -f "$root.log"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys" # of the processors
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
[ ! -d /etc/ssl/certs ] || { mkdir -p "$root/etc/ssl" && cp -rL /etc/ssl/certs "$root/etc/ssl/" 2>/dev/null || true; }
[ ! -d /etc/apt/apt.conf.d ] || cp -rn /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
inside useradd --create-home --home-dir /srv/somebody somebody
echo "root of $suite: $((SECONDS - began)) s"

mib() { echo $(($1 / 1000000)); }
size=$(stat -c %s "$deb")
[ "$(mib "$size")" -le 250 ] || fail "the package has $(mib "$size") MB, more than 250"
installed=$(($(dpkg-deb -f "$deb" Installed-Size) * 1024))
[ "$(mib "$installed")" -le 900 ] || fail "it takes $(mib "$installed") MB installed, more than 900"
echo "package: $(mib "$size") MB, installed $(mib "$installed") MB, archive $(mib "$(stat -c %s "$archive")") MB"

began=$SECONDS
cp "$deb" "$root/tmp/"
inside apt-get -o APT::Sandbox::User=root update -qq
inside apt-get install -y -qq --no-install-recommends "/tmp/${deb##*/}" >"$root/tmp/install.log" 2>&1 || { tail -n 20 "$root/tmp/install.log" >&2; fail "apt-get install failed"; }
echo "installed with what it depends on: $((SECONDS - began)) s"

# Nothing of the machine that built it; LibTorch's headers name themselves in the texts of their assertions.
! grep -rlF -e "$HOME/" "$root/usr/share/anemll_train" "$root/usr/share/doc/anemll-train" || fail "these name folders of the machine that built them"
! readelf -d "$root"/usr/bin/anemll_* | grep -F "$HOME" || fail "programs look for libraries where they were built"
programs=0
for program in "$root"/usr/bin/anemll_*; do
  as_user "${program#"$root"}" --version >/dev/null || fail "${program##*/} does not start"
  programs=$((programs + 1))
done
began=$SECONDS
as_user bash -c 'cd && bash /usr/share/anemll_train/launch/quickstart.sh --tiny' >"$root/tmp/quick.log" 2>&1 || { tail -n 30 "$root/tmp/quick.log" >&2; fail "the quick start failed"; }
[ -s "$root/srv/somebody/runs/quickstart-tiny/snap/model_state_dict.pt" ] || fail "the quick start left no snapped file"
echo "$programs programs start; quick start of the nano model on two ranks: $((SECONDS - began)) s"

# The archive, in a folder of any name.
mkdir "$root/opt/some place"
tar -C "$root/opt/some place" --zstd -xf "$archive"
as_user bash -c 'cd /opt/some*/*/ && bin/anemll_train --version && ! ldd bin/anemll_train | grep "not found"' >/dev/null || fail "the archive's programs do not start"

inside apt-get purge -y -qq anemll-train >/dev/null 2>&1
left=$(find "$root"/usr/bin/anemll* "$root/usr/lib/anemll_train" "$root/usr/share/anemll_train" 2>/dev/null | head -n 3 || true)
[ -z "$left" ] || fail "left behind after its removal: $left"
echo "bare root: 4 passed, 0 failed"
