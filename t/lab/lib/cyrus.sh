# shellcheck shell=bash disable=SC2034,SC2154
# cyrus.sh - what the scripts that start private Cyrus servers share. Sourced, after lab.sh.
#
# A server writes in its BASE only: etc (configuration), conf, spool, log. Administrators cyrus-admin, lab-admin (so that a
# test's own commands are not taken for the daemon's) and spare-admin. A directory below BASE/conf/log, with the name of a user, gets
# that user's telemetry.

readonly cyrus_programs=/usr/lib/cyrus/bin
readonly cyrus_admins='cyrus-admin lab-admin spare-admin'
cyrus_user=$(lab_user cyrus)
readonly cyrus_user

# cyrus_directories BASE PARTITION...
cyrus_directories() {
  local base=$1 partition
  shift
  mkdir -p "$base"/{conf/{db,proc,socket,lock,log,msg,user,quota,sieve},spool,etc,log}
  for partition in "$@"; do mkdir -p "$base/spool/$partition"; done
  chmod 755 "$base"
}

cyrus_write_annotations() {
  local entry
  {
    echo '/vendor/kolab/activesync,mailbox,string,backend,value.priv,r'
    for entry in color displayname folder-test folder-type incidences-for pxfb-readable-for uniqueid h-share-attr-desc; do
      echo "/vendor/kolab/$entry,mailbox,string,backend,value.shared value.priv,a"
    done
    echo '/vendor/horde/share-params,mailbox,string,backend,value.shared value.priv,a'
  } > "$1/etc/annotations.conf"
}

# cyrus_common_conf BASE SERVERNAME CERTIFICATE-WITHOUT-SUFFIX: as Kolab's set-up writes it, but for places and passwords.
cyrus_common_conf() {
  local base=$1
  cat << X
servername: $2
configdirectory: $base/conf
cyrus_user: $cyrus_user
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: $base/etc/sasldb2
sasl_mech_list: PLAIN LOGIN
tls_server_cert: $3.pem
tls_server_key: $3.key
unixhierarchysep: 1
virtdomains: userid
annotation_definitions: $base/etc/annotations.conf
allowallsubscribe: 0
allowusermoves: 1
altnamespace: 1
hashimapspool: 1
fulldirhash: 0
lmtp_downcase_rcpt: 1
lmtp_fuzzy_mailbox_match: 1
username_tolower: 1
deletedprefix: DELETED
delete_mode: delayed
expunge_mode: delayed
postuser: shared
syslog_prefix: cyrus
X
}

# cyrus_store_conf BASE PARTITION...: of a server that holds mailboxes; the first partition is where they go by default, but with
# LAB_CHOOSES=1 the server chooses.
cyrus_store_conf() {
  local base=$1 partition
  shift
  cat << X
$([ "${LAB_CHOOSES:-0}" = 1 ] || echo "defaultpartition: $1")
$(for partition in "$@"; do echo "partition-$partition: $base/spool/$partition"; done)
sieveusehomedir: 0
sievedir: $base/conf/sieve
sieve_extensions: fileinto reject envelope body vacation imap4flags include regex subaddress relational copy date index
anysievefolder: 1
sieve_allowreferrals: 0
X
}

# cyrus_password BASE SERVERNAME USER
cyrus_password() {
  printf %s "$lab_password" | /usr/sbin/saslpasswd2 -p -c -f "$1/etc/sasldb2" -u "$2" "$3"
}

# cyrus_watch BASE USER...: telemetry of these users.
cyrus_watch() {
  local base=$1 user
  shift
  for user in "$@"; do mkdir -p "$base/conf/log/$user"; done
}

# cyrus_write_shim BASE [KEY=VALUE...]: what is preloaded (logshim.c), and how.
cyrus_write_shim() {
  local base=$1
  shift
  [ -e "$base/logshim.so" ] || gcc -O2 -shared -fPIC -o "$base/logshim.so" "$lab_dir/logshim.c" -ldl
  printf '%s\n' "LAB_FIX_4611=${LAB_FIX_4611:-0}" "LAB_SYNC=${LAB_SYNC:-0}" "$@" > "$base/etc/shim"
}

# cyrus_start BASE: fails when it did not get its ports, too.
cyrus_start() {
  local base=$1
  # The master's own word: a greeting may be another server's. It is ready even when it did not get a port.
  answers() { grep -q 'ready for work' "$base/log/syslog"; }
  : > "$base/log/syslog"
  lab_chown "$cyrus_user:" "$base"/{conf,spool,etc,log}
  # shellcheck disable=SC2046
  lab_start "$base" answers env $(cat "$base/etc/shim") LAB_SYSLOG="$base/log/syslog" LD_PRELOAD="$base/logshim.so" \
    PATH="$cyrus_programs:$PATH" "$cyrus_programs/master" -C "$base/etc/imapd.conf" -M "$base/etc/cyrus.conf" \
    -p "$base/conf/master.pid" -l 256 && ! grep -q 'unable to .* listener socket' "$base/log/syslog"
}
