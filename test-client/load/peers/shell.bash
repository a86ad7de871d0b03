# What the scripts of the peers share. They source it first; it changes no directory.
# shellcheck shell=bash disable=SC2034

peer_dir=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
peer=$(basename "$peer_dir")
repository=$(realpath "$peer_dir/../../../..")
target=$(cd "$repository" && realpath -m "${CARGO_TARGET_DIR:-target}")
# Where a peer keeps what is installed for it alone; goes away with the build directory.
installed=$target/peers/$peer

die() {
  printf '%s: %s\n' "$peer" "$*" >&2
  exit 1
}

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# Runs a command with its output kept in a log, so that a failure is one line that says where to read on.
quietly() {
  mkdir -p "$installed"
  "$@" >>"$installed/install.log" 2>&1 || die "\`$*\` failed; its output is in $installed/install.log"
}

apt_install() {
  command -v apt-get >/dev/null || die "this machine has no apt-get; install by hand: $*"
  [[ $EUID -eq 0 ]] || command -v sudo >/dev/null || die "neither root nor sudo; install by hand: $*"
  quietly as_root apt-get update -qq
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# The packages of package-lock.json, no others; nothing to do when they are those that were installed last.
npm_install() {
  local least=$1 major missing=()
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  [[ ${#missing[@]} -eq 0 ]] || apt_install "${missing[@]}"
  major=$(node --print 'process.versions.node.split(".")[0]')
  [[ $major -ge $least ]] || die "needs Node.js $least or later, this machine has $(node --version)"
  cd "$peer_dir" || exit
  if cmp -s package-lock.json node_modules/.installed-lock; then return; fi
  quietly npm ci --ignore-scripts --no-audit --no-fund
  cp package-lock.json node_modules/.installed-lock
}

# Takes `PORT WORKERS DIR` and prepares DIR. Room for 19,500 clients where the hard limit has it.
take_run_arguments() {
  [[ $# -eq 3 ]] || die "usage: run PORT WORKERS DIR"
  port=$1 workers=$2 scratch=$3
  mkdir -p "$scratch"
  local soft hard
  soft=$(ulimit -Sn) hard=$(ulimit -Hn)
  if [[ $soft != unlimited && $soft -lt 20000 ]]; then
    if [[ $hard == unlimited || $hard -ge 20000 ]]; then ulimit -Sn 20000; else ulimit -n 20000 2>/dev/null || ulimit -Sn "$hard"; fi
  fi
}
