# What the scripts share: words, rights, and a throw-away PostgreSQL. They source it first.
# shellcheck shell=bash disable=SC2034

scratch=""
postgres_bin=""

say() { printf '\n== %s\n' "$*"; }

die() {
  printf '%s: %s\n' "$0" "$*" >&2
  exit 1
}

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# PostgreSQL refuses to run as root; its user may not be allowed into this directory.
as_postgres() {
  if [[ $EUID -eq 0 ]]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

# The directory of the newest server that is installed, 15 or later; nothing when there is none.
find_postgres() {
  local initdb
  for initdb in $(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort --version-sort --reverse); do
    [[ -x $initdb && $(basename "$(dirname "$(dirname "$initdb")")") -ge 15 ]] || continue
    dirname "$initdb"
    return
  done
}

# Starts a throw-away PostgreSQL and sets postgres_url. fsync stays on: the durability tests mean what they say, and so do the figures. The first
# free port of a few tries is taken.
start_postgres() {
  local password port try
  postgres_bin=$(find_postgres)
  [[ -n $postgres_bin ]] || die "no PostgreSQL 15 or later under /usr/lib/postgresql"
  say "Starting a throw-away PostgreSQL ($("$postgres_bin/postgres" --version))"
  scratch=$(mktemp -d)
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s' "$password" >"$scratch/password"
  [[ $EUID -ne 0 ]] || chown -R postgres: "$scratch"
  as_postgres "$postgres_bin/initdb" --pgdata="$scratch/data" --username=chaincast --pwfile="$scratch/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C >"$scratch.log"
  for try in 1 2 3 4 5 6 7 8; do
    port=$((20000 + RANDOM % 12000))
    if as_postgres "$postgres_bin/pg_ctl" start --wait --silent --pgdata="$scratch/data" --log="$scratch/server.log" \
      --options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$scratch -c max_connections=400" \
      >>"$scratch.log" 2>&1; then
      postgres_url="postgres://chaincast:$password@127.0.0.1:$port/postgres"
      return
    fi
    printf 'PostgreSQL did not start on port %s (try %s)\n' "$port" "$try"
  done
  cat "$scratch.log" >&2
  die "PostgreSQL does not start"
}

stop_postgres() {
  [[ -n $scratch ]] || return 0
  if [[ -f $scratch/data/postmaster.pid ]]; then
    as_postgres "$postgres_bin/pg_ctl" stop --silent --mode=immediate --pgdata="$scratch/data" || true
  fi
  rm -rf "$scratch" "$scratch.log"
}

# Ends what was started here, however the script ends; a script that has more to undo defines `undo`.
at_the_end() {
  local status=$?
  # a second interrupt must not keep anything from being undone
  trap '' INT TERM
  trap - EXIT
  if declare -F undo >/dev/null; then undo; fi
  stop_postgres
  exit "$status"
}
trap at_the_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The named packages, without asking.
apt_install() {
  say "Installing $*"
  command -v apt-get >/dev/null || die "this machine has no apt-get; install by hand: $*"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# Puts the named programs into PATH. Unpacked and not installed: installing nginx, Caddy or Redis would start it and enable it for every boot. A
# library that one lacks is installed.
unpack_missing() {
  local tools program package packages=() libraries
  tools=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tools
  export PATH=$tools/usr/sbin:$tools/usr/bin:$PATH:/usr/sbin:/sbin
  for program in "$@"; do
    command -v "$program" >/dev/null || packages+=("$program")
  done
  [[ ${#packages[@]} -gt 0 ]] || return 0
  # Debian's redis-server is a link to a program of redis-tools
  if [[ " ${packages[*]} " == *" redis-server "* ]]; then packages+=(redis-tools); fi
  say "Unpacking ${packages[*]}"
  command -v apt-get >/dev/null || die "this machine has no apt-get; put into PATH: ${packages[*]}"
  mkdir -p "$tools/deb"
  (
    cd "$tools/deb" || exit
    rm -f -- *.deb
    download=(apt-get download -qq -o "APT::Sandbox::User=$(id -un)" "${packages[@]}")
    # no package lists, or lists that are too old
    "${download[@]}" || { as_root apt-get update -qq && "${download[@]}"; }
    for deb in *.deb; do dpkg-deb -x "$deb" "$tools"; done
    for package in "${packages[@]}"; do
      # what the package's program needs; redis-tools has that of redis-server
      program=$(command -v "${package/redis-tools/redis-server}")
      if ldd "$program" | grep -q 'not found'; then
        mapfile -t libraries < <(dpkg-deb -f "$package"_*.deb Depends | tr ',' '\n' | grep -oE '^ *(lib|zlib)[^ |:]*' | tr -d ' ')
        [[ ${#libraries[@]} -eq 0 ]] || apt_install "${libraries[@]}"
      fi
    done
  )
}
