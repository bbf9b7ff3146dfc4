#!/bin/bash
# imap-up.sh BASE - starts a private Cyrus IMAP server with everything it writes in BASE; when BASE was used before, the
# same server on the same ports again. BASE/env says how to talk to it; imap-down.sh BASE stops it.
# Administrators cyrus-admin, lab-admin and spare-admin (whose password a test may change), password Welcome123; each may log in
# as anybody (SASL PLAIN with an authorisation id). Partitions default, archive, fast.
# A directory made below BASE/conf/log, with the name of a user, gets that user's telemetry; lab-admin's is never wanted.
# Environment:
#   CA_DIRECTORY          a directory for ca.sh, to share one authority (BASE/ca)
#   IMAP_PORT IMAPS_PORT  instead of free ports
#   IMAP_TELEMETRY        users whose telemetry is wanted from the start ("cyrus-admin")
#   IMAP_EXTRA            a file with more lines for imapd.conf
#   LAB_FIX_4611=1        a server that survives SETMETADATA on shared mailboxes (see lib/logshim.c)
#   LAB_CHOOSES=1         no partition is the default one: the server chooses for each mailbox
#   LAB_SYNC=1            fsync() works
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"
# shellcheck source=lib/cyrus.sh
. "$lab_dir/cyrus.sh"

[ $# = 1 ] || lab_die 'usage: imap-up.sh BASE'
base=$(readlink -f -m "$1")
ca=${CA_DIRECTORY:-$base/ca}
name=imap.example.org

write_imapd_conf() {
  cyrus_common_conf "$base" "$name" "$ca/server"
  cyrus_store_conf "$base" default archive fast
  cat << X
admins: $cyrus_admins
allowplaintext: no
X
  [ -z "${IMAP_EXTRA:-}" ] || cat "$IMAP_EXTRA"
}

write_cyrus_conf() {
  local c="-C $base/etc/imapd.conf"
  cat << X
START {
    recover     cmd="ctl_cyrusdb $c -r"
}
SERVICES {
    imap        cmd="imapd $c"     listen="127.0.0.1:$1"            proto="tcp4" prefork=1 maxchild=200
    imaps       cmd="imapd $c -s"  listen="127.0.0.1:$2"            proto="tcp4" prefork=1 maxchild=200
    lmtpunix    cmd="lmtpd $c"     listen="$base/conf/socket/lmtp"  prefork=0
}
EVENTS {
    checkpoint  cmd="ctl_cyrusdb $c -c" period=30
}
DAEMON {
    idled       cmd="idled $c"
}
X
}

create() {
  local admin
  cyrus_directories "$base" default archive fast
  "$lab_dir/../ca.sh" "$ca"
  cyrus_write_annotations "$base"
  write_imapd_conf > "$base/etc/imapd.conf"
  for admin in $cyrus_admins; do cyrus_password "$base" "$name" "$admin"; done
  # shellcheck disable=SC2086
  cyrus_watch "$base" ${IMAP_TELEMETRY:-cyrus-admin}
  cyrus_write_shim "$base"
}

write_env() {
  lab_write_env "$base" IMAP_HOST 127.0.0.1 IMAP_PORT "$port" IMAPS_PORT "$tls_port" IMAP_URI "imap://127.0.0.1:$port" \
    IMAPS_URI "imaps://127.0.0.1:$tls_port" IMAP_PID "$(cat "$base/pid")" CA_FILE "$ca/ca.pem" IMAP_ADMIN cyrus-admin \
    IMAP_LAB_ADMIN lab-admin PASSWORD "$lab_password" IMAP_TELEMETRY "$base/conf/log" IMAP_SYSLOG "$base/log/syslog"
}

if [ -f "$base/env" ]; then
  . "$base/env"
  port=$IMAP_PORT tls_port=$IMAPS_PORT
  cyrus_start "$base" || lab_die "does not start again: $(tail -n 5 "$base/log/start.out" "$base/log/syslog")"
  write_env
  exit
fi

create
for _ in 1 2 3 4 5; do
  read -r port tls_port < <(lab_free_ports 2)
  port=${IMAP_PORT:-$port} tls_port=${IMAPS_PORT:-$tls_port}
  write_cyrus_conf "$port" "$tls_port" > "$base/etc/cyrus.conf"
  if cyrus_start "$base"; then
    write_env
    exit
  fi
  lab_stop "$base" KILL
done
lab_die "does not start: $(tail -n 5 "$base/log/start.out" "$base/log/syslog")"
