#!/bin/bash
# imap-up.sh BASE - starts a private Cyrus IMAP server with everything it writes in BASE; when BASE was used before, the
# same server on the same ports again. BASE/env says how to talk to it; imap-down.sh BASE stops it.
# Administrators cyrus-admin and lab-admin (so that a test's own commands are not taken for the daemon's), password
# Welcome123; both may log in as anybody (SASL PLAIN with an authorisation id). Partitions default, archive, fast.
# A directory made below BASE/conf/log, with the name of a user, gets that user's telemetry; lab-admin's is never wanted.
# Environment:
#   CA_DIRECTORY          a directory for ca.sh, to share one authority (BASE/ca)
#   IMAP_PORT IMAPS_PORT  instead of free ports
#   IMAP_TELEMETRY        users whose telemetry is wanted from the start ("cyrus-admin")
#   IMAP_EXTRA            a file with more lines for imapd.conf
#   LAB_FIX_4611=1        a server that survives SETMETADATA on shared mailboxes (see lib/logshim.c)
#   LAB_SYNC=1            fsync() works
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"

[ $# = 1 ] || lab_die 'usage: imap-up.sh BASE'
base=$(readlink -f -m "$1")
user=$(lab_user cyrus)
ca=${CA_DIRECTORY:-$base/ca}
name=imap.example.org
programs=/usr/lib/cyrus/bin

write_annotations() {
  local entry
  echo '/vendor/kolab/activesync,mailbox,string,backend,value.priv,r'
  for entry in color displayname folder-test folder-type incidences-for pxfb-readable-for uniqueid h-share-attr-desc; do
    echo "/vendor/kolab/$entry,mailbox,string,backend,value.shared value.priv,a"
  done
  echo '/vendor/horde/share-params,mailbox,string,backend,value.shared value.priv,a'
}

# As Kolab's set-up writes it, but for places and passwords.
write_imapd_conf() {
  cat << X
servername: $name
configdirectory: $base/conf
defaultpartition: default
partition-default: $base/spool/default
partition-archive: $base/spool/archive
partition-fast: $base/spool/fast
cyrus_user: $user
admins: cyrus-admin lab-admin
sieveusehomedir: 0
sievedir: $base/conf/sieve
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: $base/etc/sasldb2
sasl_mech_list: PLAIN LOGIN
allowplaintext: no
tls_server_cert: $ca/server.pem
tls_server_key: $ca/server.key
unixhierarchysep: 1
virtdomains: userid
annotation_definitions: $base/etc/annotations.conf
sieve_extensions: fileinto reject envelope body vacation imap4flags include regex subaddress relational copy date index
allowallsubscribe: 0
allowusermoves: 1
altnamespace: 1
hashimapspool: 1
anysievefolder: 1
fulldirhash: 0
sieve_allowreferrals: 0
lmtp_downcase_rcpt: 1
lmtp_fuzzy_mailbox_match: 1
username_tolower: 1
deletedprefix: DELETED
delete_mode: delayed
expunge_mode: delayed
postuser: shared
syslog_prefix: cyrus
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
  local admin traced
  mkdir -p "$base"/{conf/{db,proc,socket,lock,log,msg,user,quota,sieve},spool/{default,archive,fast},etc,log}
  chmod 755 "$base"
  "$lab_dir/../ca.sh" "$ca"
  gcc -O2 -shared -fPIC -o "$base/logshim.so" "$lab_dir/logshim.c" -ldl
  write_annotations > "$base/etc/annotations.conf"
  write_imapd_conf > "$base/etc/imapd.conf"
  for admin in cyrus-admin lab-admin; do
    printf %s "$lab_password" | /usr/sbin/saslpasswd2 -p -c -f "$base/etc/sasldb2" -u "$name" "$admin"
  done
  for traced in ${IMAP_TELEMETRY:-cyrus-admin}; do mkdir -p "$base/conf/log/$traced"; done
  printf '%s\n' "LAB_FIX_4611=${LAB_FIX_4611:-0}" "LAB_SYNC=${LAB_SYNC:-0}" > "$base/etc/shim"
}

# The master's own word: a greeting may be another server's. It is ready even when it did not get a port.
answers() {
  grep -q 'ready for work' "$base/log/syslog"
}

start() {
  : > "$base/log/syslog"
  lab_chown "$user:" "$base"/{conf,spool,etc,log}
  # shellcheck disable=SC2046
  lab_start "$base" answers env $(cat "$base/etc/shim") LAB_SYSLOG="$base/log/syslog" LD_PRELOAD="$base/logshim.so" \
    PATH="$programs:$PATH" "$programs/master" -C "$base/etc/imapd.conf" -M "$base/etc/cyrus.conf" -p "$base/conf/master.pid" \
    -l 256 && ! grep -q 'unable to .* listener socket' "$base/log/syslog"
}

write_env() {
  lab_write_env "$base" IMAP_HOST 127.0.0.1 IMAP_PORT "$port" IMAPS_PORT "$tls_port" IMAP_URI "imap://127.0.0.1:$port" \
    IMAPS_URI "imaps://127.0.0.1:$tls_port" IMAP_PID "$(cat "$base/pid")" CA_FILE "$ca/ca.pem" IMAP_ADMIN cyrus-admin \
    IMAP_LAB_ADMIN lab-admin PASSWORD "$lab_password" IMAP_TELEMETRY "$base/conf/log" IMAP_SYSLOG "$base/log/syslog"
}

if [ -f "$base/env" ]; then
  . "$base/env"
  port=$IMAP_PORT tls_port=$IMAPS_PORT
  start || lab_die "does not start again: $(tail -n 5 "$base/log/start.out" "$base/log/syslog")"
  write_env
  exit
fi

create
for _ in 1 2 3 4 5; do
  read -r port tls_port < <(lab_free_ports 2)
  port=${IMAP_PORT:-$port} tls_port=${IMAPS_PORT:-$tls_port}
  write_cyrus_conf "$port" "$tls_port" > "$base/etc/cyrus.conf"
  if start; then
    write_env
    exit
  fi
  lab_stop "$base" KILL
done
lab_die "does not start: $(tail -n 5 "$base/log/start.out" "$base/log/syslog")"
