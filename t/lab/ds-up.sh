#!/bin/bash
# ds-up.sh BASE - starts a private 389 Directory Server with everything it writes in BASE; when BASE was used before, the
# same server on the same ports again. BASE/env says how to talk to it; ds-down.sh BASE stops it.
# Suffix dc=example,dc=org; cn=Directory Manager and uid=kolab-service,ou=Special Users, password Welcome123.
# Environment:
#   CA_DIRECTORY          a directory for ca.sh, to share one authority (BASE/ca)
#   LDAP_PORT LDAPS_PORT  instead of free ports
#   DS_SYNC=1             with the RFC 4533 plugin and the retro changelog it needs
#   DS_REPLICA=1          as a replica, so that deletes leave tombstones
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"

[ $# = 1 ] || lab_die 'usage: ds-up.sh BASE'
base=$(readlink -f -m "$1")
user=$(lab_user dirsrv)
ca=${CA_DIRECTORY:-$base/ca}
# ns-slapd names a semaphore in /dev/shm after this directory: it must be unique on the machine.
config=$base/slapd-$(printf %s "$base" | md5sum | cut -c1-12)

write_certificates() {
  "$lab_dir/../ca.sh" "$ca"
  certutil -N -d "sql:$config" --empty-password
  certutil -A -d "sql:$config" -n Authority -t CT,, -a -i "$ca/ca.pem"
  openssl pkcs12 -export -in "$ca/server.pem" -inkey "$ca/server.key" -name Server-Cert -passout pass: -out "$config/server.p12"
  pk12util -i "$config/server.p12" -d "sql:$config" -W '' > /dev/null
  rm "$config/server.p12"
  : > "$config/pin.txt"
}

# Everything but dse.ldif, which has the ports.
create() {
  mkdir -p "$config/schema" "$base"/{db,dbhome,log,run,lock,ldif,bak,inst}
  chmod 755 "$base"
  printf 'certmap default default\n' > "$config/certmap.conf"
  printf 'dn: cn=schema\nobjectClass: top\nobjectClass: ldapSubentry\nobjectClass: subschema\ncn: schema\n' > "$config/schema/99user.ldif"
  "$lab_dir/generate.py" 389-schema > "$config/schema/98kolab.ldif"
  "$lab_dir/generate.py" 389-tree > "$base/ldif/tree.ldif"
  write_certificates
}

write_dse() {
  "$lab_dir/dse.py" "$base" "$config" "$1" "$2" "$user" "$(pwdhash -s SSHA512 "$lab_password" 2>/dev/null)" > "$config/dse.ldif"
  lab_chown "$user:" "$base"/{"${config##*/}",db,dbhome,log,run,lock,ldif,bak,inst}
}

import_tree() {
  /usr/sbin/ns-slapd ldif2db -D "$config" -n userRoot -i "$base/ldif/tree.ldif" > "$base/log/import.out" 2>&1 \
    || { cat "$base/log/import.out" >&2; lab_die 'cannot import the tree'; }
}

# Over the socket in BASE, so that it is this server and no other.
answers() {
  ldapsearch -LLL -x -H "ldapi://${base//\//%2F}%2Frun%2Fldapi.sock" -D 'cn=Directory Manager' -w "$lab_password" \
    -s base -b '' 1.1 > /dev/null 2>&1
}

# ns-slapd would put itself in the background but for -d.
start() {
  lab_start "$base" answers /usr/sbin/ns-slapd -d 0 -D "$config" -i "$base/run/ns-slapd.pid"
}

write_env() {
  lab_write_env "$base" LDAP_URI "ldap://127.0.0.1:$1" LDAPS_URI "ldaps://127.0.0.1:$2" \
    LDAPI_URI "ldapi://${base//\//%2F}%2Frun%2Fldapi.sock" LDAP_PORT "$1" LDAPS_PORT "$2" LDAP_PID "$(cat "$base/pid")" \
    CA_FILE "$ca/ca.pem" ROOT_DN 'cn=Directory Manager' SERVICE_DN 'uid=kolab-service,ou=Special Users,dc=example,dc=org' \
    PASSWORD "$lab_password" BASE_DN dc=example,dc=org ACCESS_LOG "$base/log/access" ERROR_LOG "$base/log/errors"
}

if [ -f "$base/env" ]; then
  . "$base/env"
  start || lab_die "does not start again: $(tail -n 5 "$base/log/start.out")"
  write_env "$LDAP_PORT" "$LDAPS_PORT"
  exit
fi

create
for attempt in 1 2 3 4 5; do
  read -r port tls_port < <(lab_free_ports 2)
  port=${LDAP_PORT:-$port} tls_port=${LDAPS_PORT:-$tls_port}
  write_dse "$port" "$tls_port"
  [ "$attempt" != 1 ] || import_tree
  if start; then
    write_env "$port" "$tls_port"
    exit
  fi
  lab_stop "$base" KILL
done
lab_die "does not start: $(tail -n 5 "$base/log/start.out" "$base/log/errors" 2>/dev/null)"
