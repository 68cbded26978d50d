#!/usr/bin/env bash
# The Debian package and the archive, each in a root that has nothing but apt: installed, looked at, run by an ordinary
# account, removed. As root.
#
#   tests/package/bare_root.sh DEB ARCHIVE [SUITE]
#
# SUITE is bookworm by default. The roots are made by debootstrap from the mirror of this machine's own apt, lie in TMPDIR
# (3 GB) and are removed. The archive gets the packages that cmake/package/README.md names, and no other. Only the model of
# the quick start needs another host than the mirror: where pip cannot reach one, that part is skipped. Prints sizes and
# seconds. Limits: the package 250 MB, installed 900 MB.
set -euo pipefail
deb=$(realpath "$1") archive=$(realpath "$2") suite=${3:-bookworm}
cd "$(dirname "$0")/../.."
. tests/package/look.sh
fail() { echo "bare root: $1" >&2; exit 1; }
passed=0 skipped=0
pass() { echo "$1"; passed=$((passed + 1)); }
[ "$(id -u)" = 0 ] || { echo "bare root: needs root, to change into a root of its own" >&2; exit 2; }

# deb822 sources or the older lines: the first mirror of either.
mirror=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list \
  /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1 || true)
[ -n "$mirror" ] || fail "apt of this machine names no mirror"

place=$(mktemp -d)
chmod 755 "$place"
root=$place/package
inside() { chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
as_user() { inside runuser -u somebody -- env HOME=/srv/somebody "$@"; }
leave() { umount "$1/dev/shm" "$1/dev" "$1/sys" "$1/proc" 2>/dev/null || true; }
at_exit() {
  leave "$place/package"
  leave "$place/archive"
  # Never into what is still mounted.
  rm -rf --one-file-system "$place"
}
trap at_exit EXIT
# enter ROOT: from here on `inside` is there.
enter() {
  root=$1
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys" # of the processors
  mount --bind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/dev/shm"
  inside apt-get -o APT::Sandbox::User=root update -qq
}
# add PACKAGE...: and nothing that they merely recommend.
add() {
  inside apt-get install -y -qq --no-install-recommends "$@" >"$root/tmp/install.log" 2>&1 || { tail -n 20 "$root/tmp/install.log" >&2; fail "apt-get install $* failed"; }
}
# quick PREFIX: the quick start of the nano model on two ranks, which needs no network.
quick() {
  as_user bash -c 'cd && bash "$1/share/anemll_train/launch/quickstart.sh" --tiny' - "$1" >"$root/tmp/quick.log" 2>&1 || { tail -n 30 "$root/tmp/quick.log" >&2; fail "the quick start of $1 failed"; }
  [ -s "$root/srv/somebody/runs/quickstart-tiny/snap/model_state_dict.pt" ] || fail "the quick start of $1 left no snapped file"
}

# first_loss PREFIX: the whole quick start until its first loss, then stopped.
first_loss() {
  local log=$root/tmp/first.log job code=0
  as_user bash -c 'cd && exec bash "$1/share/anemll_train/launch/quickstart.sh"' - "$1" >"$log" 2>&1 &
  job=$!
  until grep -aq '^step 0/.* eval ' "$log"; do
    kill -0 "$job" 2>/dev/null || { tail -n 30 "$log" >&2; fail "the quick start of $1 ended without a loss"; }
    sleep 0.2
  done
  took=$((SECONDS - began))
  pkill -TERM -u "$(stat -c %u "$root/srv/somebody")" -f launch/quickstart.sh
  wait "$job" || code=$?
  [ $code = 75 ] || { tail -n 30 "$log" >&2; fail "the quick start of $1 was stopped and ended with $code"; }
}

began=$SECONDS
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$place/log" 2>&1 || { tail -n 20 "$place/log" >&2; fail "debootstrap failed"; }
chmod 755 "$root" # it is a /, which an ordinary account must be able to enter
cp /etc/resolv.conf /etc/hosts "$root/etc/"
[ ! -d /etc/ssl/certs ] || { mkdir -p "$root/etc/ssl" && cp -rL /etc/ssl/certs "$root/etc/ssl/" 2>/dev/null || true; }
[ ! -d /etc/apt/apt.conf.d ] || cp -rn /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
inside useradd --create-home --home-dir /srv/somebody somebody
cp -a "$root" "$place/archive"
echo "two roots of $suite: $((SECONDS - began)) s"

mb() { echo $(($1 / 1000000)); }
size=$(stat -c %s "$deb")
[ "$(mb "$size")" -le 250 ] || fail "the package has $(mb "$size") MB, more than 250"
installed=$(($(dpkg-deb -f "$deb" Installed-Size) * 1024))
[ "$(mb "$installed")" -le 900 ] || fail "it takes $(mb "$installed") MB installed, more than 900"
pass "package: $(mb "$size") MB, installed $(mb "$installed") MB, archive $(mb "$(stat -c %s "$archive")") MB"

# The package, first without what it recommends.
enter "$place/package"
began=$SECONDS
cp "$deb" "$root/tmp/"
add "/tmp/${deb##*/}"
install_s=$((SECONDS - began))
pass "installed with what it depends on: $install_s s"
began=$SECONDS
look_at_all "$root" /usr
pass "package: $looked; $((SECONDS - began)) s"
began=$SECONDS
quick /usr
pass "package: quick start of the nano model on two ranks: $((SECONDS - began)) s"

# The model of the quick start: without pip a hint, with what the package recommends the file, where the network lets it.
demo() {
  demo_code=0
  as_user env "$@" bash /usr/share/anemll_train/launch/demo_model.sh >"$root/tmp/demo.log" 2>&1 || demo_code=$?
}
demo
[ $demo_code = 2 ] && grep -q '^hint: .*python3-pip-whl' "$root/tmp/demo.log" || fail "no hint where pip is missing ($demo_code): $(cat "$root/tmp/demo.log")"
began=$SECONDS
mapfile -t recommended < <(dpkg-deb -f "$deb" Recommends | sed 's/, */\n/g' | sed 's/ *|.*//')
add "${recommended[@]}"
# The site's index and certificates, as pip of this machine has them. What a package of the root did to its own stays.
site=()
[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_PROXY PIP_DEFAULT_TIMEOUT http_proxy https_proxy no_proxy; do
  [ -z "${!name:-}" ] || site+=("$name=${!name}")
done
certificates=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}
[ ! -e "$certificates" ] || { cp "$certificates" "$root/etc/site.pem" && site+=(PIP_CERT=/etc/site.pem); }
demo PIP_RETRIES=1 "${site[@]}"
if [ $demo_code = 0 ]; then
  model=$(tail -n 1 "$root/tmp/demo.log")
  as_user anemll tokenize encode --model-id "$model" <<<"two bits" >"$root/tmp/model.log" 2>&1 || fail "its model cannot be read: $(tail -n 5 "$root/tmp/model.log")"
  pass "package: what it recommends, and the model of the quick start fetched by it: $((SECONDS - began)) s"
  install_s=$((install_s + SECONDS - began)) began=$SECONDS
  first_loss /usr
  pass "package: first loss of the whole quick start after $took s, counted from the installation $((install_s + took)) s"
elif [ $demo_code = 2 ] && grep -q 'pip could not fetch' "$root/tmp/demo.log" && ! grep -q 'Traceback\|ModuleNotFound' "$root/tmp/demo.log"; then
  skipped=$((skipped + 1))
  echo "package: the model of the quick start: skipped, $(grep -m 1 -E '^(ERROR|WARNING)' "$root/tmp/demo.log" || grep -m 1 'pip could not' "$root/tmp/demo.log")"
else
  fail "the model of the quick start, $demo_code: $(cat "$root/tmp/demo.log")"
fi

inside apt-get purge -y -qq anemll-train >/dev/null 2>&1
left=$(find "$root"/usr/bin/anemll* "$root/usr/lib/anemll_train" "$root/usr/share/anemll_train" "$root/usr/share/man/man1"/anemll* 2>/dev/null | head -n 3 || true)
[ -z "$left" ] || fail "left behind after its removal: $left"
pass "package: removed, nothing left"
leave "$root"
rm -rf --one-file-system "$root"

# The archive, in a folder of any name, with the packages that its document names.
enter "$place/archive"
began=$SECONDS
read -ra needs < <(sed -nE 's/^apt install ([a-z].*)/\1/p' cmake/package/README.md)
[ ${#needs[@]} -gt 0 ] || fail "cmake/package/README.md names no packages for the archive"
add "${needs[@]}"
cp "$archive" "$root/tmp/archive.tar.zst"
mkdir "$root/opt/some place"
inside tar -C "/opt/some place" --zstd -xf /tmp/archive.tar.zst || fail "the archive cannot be unpacked there"
folders=("$root/opt/some place"/*/)
[ ${#folders[@]} = 1 ] || fail "the archive holds not one folder: ${folders[*]}"
prefix=${folders[0]%/}
prefix=${prefix#"$root"}
pass "archive: unpacked, with the packages that cmake/package/README.md names: $((SECONDS - began)) s"
began=$SECONDS
look_at_all "$root" "$prefix"
pass "archive: $looked; $((SECONDS - began)) s"
began=$SECONDS
quick "$prefix"
pass "archive: quick start of the nano model on two ranks: $((SECONDS - began)) s"
echo "bare root: $passed passed, 0 failed, $skipped skipped"
