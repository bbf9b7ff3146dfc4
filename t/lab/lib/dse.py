#!/usr/bin/python3
"""dse.py BASE CONFIG PORT TLS_PORT USER PASSWORD_HASH: prints the dse.ldif of a private 389 Directory Server.

It is the package's own template with the changes that a throw-away server needs. DS_SYNC=1 and DS_REPLICA=1 in the
environment: see ds-up.sh."""

import os
import pathlib
import sys

BASE, CONFIG, PORT, TLS_PORT, USER, PASSWORD_HASH = sys.argv[1:]
TEMPLATE = pathlib.Path("/usr/share/dirsrv/data/template-dse.ldif")
PLACES = {
    "schema_dir": f"{CONFIG}/schema", "lock_dir": f"{BASE}/lock", "tmp_dir": "/tmp", "cert_dir": CONFIG,
    "ldif_dir": f"{BASE}/ldif", "bak_dir": f"{BASE}/bak", "run_dir": f"{BASE}/run", "inst_dir": f"{BASE}/inst",
    "log_dir": f"{BASE}/log", "fqdn": "localhost", "ds_port": PORT, "ds_user": USER,
    "rootdn": "cn=Directory Manager", "ds_passwd": PASSWORD_HASH, "ldapi_enabled": "on",
    "ldapi": f"{BASE}/run/ldapi.sock", "ldapi_autobind": "on", "ds_suffix": "dc=example,dc=org",
    "config_dir": CONFIG, "db_dir": f"{BASE}/db", "db_home_dir": f"{BASE}/dbhome", "db_lib": "bdb",
    "instance_name": "lab",
}
SERVICE = "uid=kolab-service,ou=Special Users,dc=example,dc=org"

# An access log that is written at once is a witness for tests. The caches are small and fixed: the automatic sizes
# take a tenth to a quarter of the machine's memory.
ADDITIONS = {
    "cn=config": f"""nsslapd-listenhost: 127.0.0.1
nsslapd-securelistenhost: 127.0.0.1
nsslapd-secureport: {TLS_PORT}
nsslapd-security: on
nsslapd-allow-anonymous-access: off
nsslapd-accesslog-logbuffering: off
nsslapd-accesslog-logrotationtimeunit: month
nsslapd-maxdescriptors: 4096
nsslapd-threadnumber: 8""",
    "cn=config,cn=ldbm database,cn=plugins,cn=config": """nsslapd-cache-autosize: 0
nsslapd-dbcachesize: 20000000
nsslapd-import-cache-autosize: 0
nsslapd-db-durable-transactions: off""",
}
ENABLED = ["cn=referential integrity postoperation,cn=plugins,cn=config"]
# Needs a file in /etc/dirsrv, which only the package's user may read.
DISABLED = ["cn=internationalization plugin,cn=plugins,cn=config"]

MORE = [f"""dn: cn=userRoot,cn=ldbm database,cn=plugins,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsBackendInstance
cn: userRoot
nsslapd-suffix: dc=example,dc=org
nsslapd-directory: {BASE}/db/userRoot
nsslapd-cachememsize: 50000000
nsslapd-dncachememsize: 10000000""",
    r"""dn: cn=dc\3Dexample\2Cdc\3Dorg,cn=mapping tree,cn=config
objectClass: top
objectClass: extensibleObject
objectClass: nsMappingTree
cn: dc=example,dc=org
cn: dc\3Dexample\2Cdc\3Dorg
nsslapd-state: backend
nsslapd-backend: userRoot""",
    # kolabd asks who has an address, in mail and alias: without this index each question reads every entry
    """dn: cn=alias,cn=default indexes,cn=config,cn=ldbm database,cn=plugins,cn=config
objectClass: top
objectClass: nsIndex
cn: alias
nsSystemIndex: false
nsIndexType: eq
nsIndexType: pres""",
    # Kolab's domain entries, where its own set-up puts them
    f"""dn: cn=kolab,cn=config
objectClass: top
objectClass: extensibleObject
cn: kolab
aci: (targetattr = "*") (version 3.0; acl "Kolab Services"; allow (read, compare, search) (userdn = "ldap:///{SERVICE}");)""",
    """dn: associatedDomain=example.org,cn=kolab,cn=config
objectClass: top
objectClass: domainRelatedObject
objectClass: inetDomain
associatedDomain: example.org
associatedDomain: kolab.example.org
inetDomainBaseDN: dc=example,dc=org
inetDomainStatus: active"""]
REPLICA = r"""dn: cn=replica,cn=dc\3Dexample\2Cdc\3Dorg,cn=mapping tree,cn=config
objectClass: top
objectClass: nsDS5Replica
cn: replica
nsDS5ReplicaRoot: dc=example,dc=org
nsDS5Flags: 1
nsDS5ReplicaType: 3
nsDS5ReplicaId: 1
nsDS5ReplicaBindDN: cn=replication manager,cn=config"""


def change(entry):
    dn = entry.splitlines()[0].partition(":")[2].strip().lower().replace(", ", ",")
    if dn in ADDITIONS:
        entry += "\n" + ADDITIONS[dn]
    if dn in ENABLED:
        entry = entry.replace("nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on")
    if dn in DISABLED:
        entry = entry.replace("nsslapd-pluginenabled: on", "nsslapd-pluginenabled: off")
    return entry


def main():
    text = TEMPLATE.read_text()
    for name, value in PLACES.items():
        text = text.replace(f"%{name}%", value)
    if os.environ.get("DS_SYNC") == "1":
        retro = "cn=retro changelog plugin,cn=plugins,cn=config"
        ENABLED.extend([retro, "cn=content synchronization,cn=plugins,cn=config"])
        ADDITIONS[retro] = "nsslapd-attribute: nsuniqueid:targetUniqueId\nnsslapd-changelogmaxage: 2d"
    if os.environ.get("DS_REPLICA") == "1":
        MORE.append(REPLICA)
    entries = [change(entry.strip("\n")) for entry in text.split("\n\n") if entry.strip()]
    print("\n\n".join(entries + MORE) + "\n")


main()
