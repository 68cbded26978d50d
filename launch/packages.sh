# Sourced by launch/setup.sh and .ci/setup: Debian packages that are missing, and how to install them.

say() { echo "setup: $*" >&2; }
fail() { say "$1"; [ $# -lt 2 ] || say "hint: $2"; exit 2; }

# Prints the packages of "$@" that are not installed.
missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    grep -qxF "installed $package" <<<"$installed" || echo "$package"
  done
}

# apt-get as root, by sudo, or not at all: then the command is printed for somebody who may run it.
apt_install() {
  local runner=()
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
      fail "these packages are missing and this user cannot install them: $*" "as root: apt-get update && apt-get install $*"
    fi
    runner=(sudo)
  fi
  say "installing $*"
  "${runner[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${runner[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# install_missing PACKAGE...: those of them that are not there.
install_missing() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}
