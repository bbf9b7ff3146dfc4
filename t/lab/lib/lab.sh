# shellcheck shell=bash disable=SC2034
# lab.sh - what the scripts that start and stop throw-away servers share. Sourced, by scripts with `set -eu`.
#
# A server has a directory of its own, called BASE, that holds everything it writes. BASE/pid is its process, BASE/env
# says how to talk to it, as KEY=value lines that a shell and Python's shlex read alike.

readonly lab_dir=${BASH_SOURCE[0]%/*}
readonly lab_password=Welcome123 # of every account of the throw-away servers

lab_die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Prints a new directory for throw-away data: on tmpfs when there is room and a library can be loaded from there (a
# container's /dev/shm is often small and noexec), or else below TMPDIR. Its name is short: sockets live below it.
lab_make_directory() {
  local parent directory
  for parent in /dev/shm "${TMPDIR:-/tmp}"; do
    [ "$parent" != /dev/shm ] || [ "$(df -Pm /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')" -ge 600 ] 2>/dev/null || continue
    directory=$(mktemp -d "$parent/$1.XXXXXX" 2>/dev/null) || continue
    chmod 755 "$directory" # the servers' users must be able to pass
    printf '#!/bin/sh\n' > "$directory/try"
    chmod 755 "$directory/try"
    if "$directory/try" 2>/dev/null; then
      rm "$directory/try"
      printf '%s\n' "$directory"
      return
    fi
    rm -r "$directory"
  done
  lab_die "no directory for temporary data: neither /dev/shm nor ${TMPDIR:-/tmp} will do"
}

# Prints so many free ports of 127.0.0.1. Somebody else may still take one before the server does.
lab_free_ports() {
  /usr/bin/python3 - "$1" <<'PY'
import socket, sys
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(listener.getsockname()[1] for listener in listeners))
PY
}

# Prints the user that a server runs as: the package's when we are root, or else ourselves.
lab_user() {
  if [ "$(id -u)" = 0 ]; then printf '%s\n' "$1"; else id -un; fi
}

lab_chown() {
  [ "$(id -u)" != 0 ] || chown -R "$@"
}

# A zombie does not live: in a container nobody may collect it.
lab_alive() {
  local state
  state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) && [ -n "$state" ] && [ "$state" != Z ]
}

# lab_poll SECONDS COMMAND...: until the command succeeds.
lab_poll() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}

lab_gone() {
  ! lab_alive "$1"
}

# lab_start BASE READY COMMAND...: runs the command in a session of its own, with its output in BASE/log/start.out, until
# READY succeeds. Fails when the command ends before, or is not ready in 30 seconds.
lab_start() {
  local base=$1 ready=$2 pid
  shift 2
  setsid "$@" >> "$base/log/start.out" 2>&1 < /dev/null &
  pid=$!
  printf '%s\n' "$pid" > "$base/pid"
  ready_or_dead() { "$ready" || lab_gone "$pid"; }
  lab_poll 30 ready_or_dead && lab_alive "$pid"
}

# lab_stop BASE SIGNAL: ends the server of BASE with all its processes; waits for it.
lab_stop() {
  local base=$1 signal=$2 pid
  pid=$(cat "$base/pid" 2>/dev/null) || return 0
  if lab_alive "$pid"; then
    kill -s "$signal" "$pid" 2>/dev/null || true
    kill -s CONT -- "-$pid" 2>/dev/null || true # somebody may have made it hang
    lab_poll 20 lab_gone "$pid" || true
  fi
  kill -s KILL -- "-$pid" 2>/dev/null || true # it led a session; a child may be left
  rm -f "$base/pid"
}

# lab_write_env BASE KEY VALUE...
lab_write_env() {
  local file=$1/env
  shift
  while [ $# -gt 0 ]; do
    printf '%s=%q\n' "$1" "$2"
    shift 2
  done > "$file.new"
  mv "$file.new" "$file"
}
