#!/bin/bash
# slapd-up.sh BASE - starts a private OpenLDAP slapd with everything it writes in BASE; when BASE was used before, the same
# server on the same ports again. BASE/env says how to talk to it; slapd-down.sh BASE stops it.
# Suffix dc=example,dc=org; the same accounts and passwords as ds-up.sh has (cn=Directory Manager is the root of cn=config, too).
# Environment:
#   CA_DIRECTORY          a directory for ca.sh, to share one authority (BASE/ca)
#   LDAP_PORT LDAPS_PORT  instead of free ports
#   SLAPD_SESSION_LOG     operations that syncprov remembers (1000)
set -eu
# shellcheck source=lib/lab.sh
. "$(dirname "$(readlink -f "$0")")/lib/lab.sh"

[ $# = 1 ] || lab_die 'usage: slapd-up.sh BASE'
base=$(readlink -f -m "$1")
user=$(lab_user openldap)
ca=${CA_DIRECTORY:-$base/ca}
ldapi=ldapi://${base//\//%2F}%2Frun%2Fldapi
service='uid=kolab-service,ou=Special Users,dc=example,dc=org'

write_schema() {
  cat << X
dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: $base/run/slapd.pid
olcTLSCACertificateFile: $ca/ca.pem
olcTLSCertificateFile: $ca/server.pem
olcTLSCertificateKeyFile: $ca/server.key
olcLogLevel: stats sync
olcDisallows: bind_anon
olcRequires: authc
olcSizeLimit: 500

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: syncprov
olcModuleLoad: refint

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif
include: file:///etc/ldap/schema/cosine.ldif
include: file:///etc/ldap/schema/inetorgperson.ldif

X
  "$lab_dir/generate.py" slapd-schema
}

write_databases() {
  cat << X

dn: olcDatabase={-1}frontend,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {-1}frontend
olcAccess: {0}to dn.base="" by * read
olcAccess: {1}to dn.base="cn=Subschema" by * read

dn: olcDatabase={0}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {0}config
olcRootDN: cn=Directory Manager

dn: olcDatabase={1}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {1}mdb
olcSuffix: dc=example,dc=org
olcRootDN: cn=Directory Manager
olcDbDirectory: $base/db
olcDbMaxSize: 1073741824
olcDbNoSync: TRUE
olcDbIndex: objectClass eq
olcDbIndex: entryUUID,entryCSN eq
olcDbIndex: uid,mail,alias,mailHost,cn,sn,givenName eq,pres,sub
olcDbIndex: member,uniqueMember,kolabTargetFolder eq
olcAccess: {0}to attrs=userPassword by self write by anonymous auth by * none
olcAccess: {1}to filter=(objectClass=kolabInetOrgPerson) attrs=mail,alias,mailHost,mailQuota by dn.exact="$service" write by * none
olcAccess: {2}to * by dn.exact="$service" read by * none
olcLimits: {0}dn.exact="$service" size=unlimited time=unlimited

dn: olcOverlay={0}syncprov,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcSyncProvConfig
olcOverlay: {0}syncprov
olcSpCheckpoint: 100 5
olcSpSessionlog: ${SLAPD_SESSION_LOG:-1000}

dn: olcOverlay={1}refint,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcRefintConfig
olcOverlay: {1}refint
olcRefintAttribute: uniqueMember
olcRefintAttribute: member
olcRefintAttribute: owner
olcRefintNothing: cn=Directory Manager

# Kolab's domain entries sit under cn=config in 389; here a small database of their own
dn: olcDatabase={2}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {2}mdb
olcSuffix: cn=kolab
olcRootDN: cn=Directory Manager
olcDbDirectory: $base/db-kolab
olcDbIndex: objectClass,entryUUID,entryCSN eq
olcDbIndex: associatedDomain eq
olcAccess: {0}to * by dn.exact="$service" read by * none

dn: olcOverlay={0}syncprov,olcDatabase={2}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcSyncProvConfig
olcOverlay: {0}syncprov

# A password for the root needs a suffix that holds its name: an empty database for that name alone
dn: olcDatabase={3}ldif,cn=config
objectClass: olcDatabaseConfig
objectClass: olcLdifConfig
olcDatabase: {3}ldif
olcSuffix: cn=Directory Manager
olcRootDN: cn=Directory Manager
olcRootPW: $(/usr/sbin/slappasswd -s "$lab_password")
olcDbDirectory: $base/db-root
X
}

create() {
  mkdir -p "$base"/{slapd.d,db,db-kolab,db-root,run,log}
  chmod 755 "$base"
  "$lab_dir/../ca.sh" "$ca"
  { write_schema; write_databases; } > "$base/config.ldif"
  /usr/sbin/slapadd -q -F "$base/slapd.d" -n 0 -l "$base/config.ldif"
  "$lab_dir/generate.py" slapd-tree | /usr/sbin/slapadd -q -F "$base/slapd.d" -n 1
  /usr/sbin/slapadd -q -F "$base/slapd.d" -n 2 << X
dn: cn=kolab
objectClass: applicationProcess
cn: kolab

dn: associatedDomain=example.org,cn=kolab
objectClass: domain
objectClass: domainRelatedObject
objectClass: inetDomain
dc: example
associatedDomain: example.org
associatedDomain: kolab.example.org
inetDomainBaseDN: dc=example,dc=org
inetDomainStatus: active
X
  lab_chown "$user:" "$base"/{slapd.d,db,db-kolab,db-root,run}
}

answers() {
  ldapsearch -LLL -x -H "$ldapi" -D 'cn=Directory Manager' -w "$lab_password" -s base -b '' 1.1 > /dev/null 2>&1
}

# With -d slapd stays in the foreground; its log goes to BASE/log/start.out.
start() {
  local as=()
  [ "$(id -u)" != 0 ] || as=(-u "$user" -g "$(id -gn "$user")")
  lab_start "$base" answers /usr/sbin/slapd -h "ldap://127.0.0.1:$1/ ldaps://127.0.0.1:$2/ $ldapi" "${as[@]}" -F "$base/slapd.d" \
    -d stats,sync
}

write_env() {
  lab_write_env "$base" LDAP_URI "ldap://127.0.0.1:$1" LDAPS_URI "ldaps://127.0.0.1:$2" LDAPI_URI "$ldapi" LDAP_PORT "$1" \
    LDAPS_PORT "$2" LDAP_PID "$(cat "$base/pid")" CA_FILE "$ca/ca.pem" ROOT_DN 'cn=Directory Manager' SERVICE_DN "$service" \
    PASSWORD "$lab_password" BASE_DN dc=example,dc=org ACCESS_LOG "$base/log/start.out"
}

if [ -f "$base/env" ]; then
  . "$base/env"
  start "$LDAP_PORT" "$LDAPS_PORT" || lab_die "does not start again: $(tail -n 5 "$base/log/start.out")"
  write_env "$LDAP_PORT" "$LDAPS_PORT"
  exit
fi

create
for _ in 1 2 3 4 5; do
  read -r port tls_port < <(lab_free_ports 2)
  port=${LDAP_PORT:-$port} tls_port=${LDAPS_PORT:-$tls_port}
  if start "$port" "$tls_port"; then
    write_env "$port" "$tls_port"
    exit
  fi
  lab_stop "$base" KILL
done
lab_die "does not start: $(tail -n 5 "$base/log/start.out")"
