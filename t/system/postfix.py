"""What a mail exchanger sees: Kolab's Postfix LDAP tables for one domain, asked by postmap. No Postfix runs."""

import os
import shutil
import subprocess

POSTMAP = shutil.which("postmap", path=os.environ.get("PATH", "") + ":/usr/sbin")
DOMAINS_DN = "cn=kolab,cn=config"
PERSON = "(objectclass=kolabinetorgperson)"
ADDRESS = "(|(mail=%s)(alias=%s))"
GROUP = ("(|(objectclass=kolabgroupofuniquenames)(objectclass=kolabgroupofurls))"
         "(|(objectclass=groupofuniquenames)(objectclass=groupofurls))")

# By name: filter, and what comes of the entries that it finds. docs/behaviour.md shows them: keep both the same.
TABLES = {
    "mydestination": ("(associatedDomain=%s)", {"result_attribute": "associatedDomain"}),
    "local_recipient_maps": (f"(&{ADDRESS}(|{PERSON}{GROUP}(objectclass=kolabsharedfolder)))", {"result_attribute": "mail"}),
    "virtual_alias_maps": (f"(&{ADDRESS}{PERSON})", {"result_attribute": "mail"}),
    "transport_maps": (f"(&{ADDRESS}{PERSON})", {"result_attribute": "mailHost", "result_format": "lmtp:inet:%s:24"}),
    "virtual_alias_maps_sharedfolders": (f"(&{ADDRESS}(objectclass=kolabsharedfolder)(kolabFolderType=mail))",
                                         {"result_attribute": "kolabTargetFolder", "result_format": '"shared+%s"'}),
    "mailenabled_distgroups": (f"(&{ADDRESS}(objectclass=kolabgroupofuniquenames)(objectclass=groupofuniquenames))",
                               {"result_attribute": "", "special_result_attribute": "uniqueMember",
                                "leaf_result_attribute": "mail"}),
}

class Postfix:
    """Writes main.cf and the tables to `directory`. `env`: the directory server's; the tables bind as its service account.
    `mail_host`: of one that takes mail only for the people whose mailboxes are there."""

    def __init__(self, directory, env, base_dn, mail_host=None):
        self.directory = directory
        # The last two: what the machine's host name and interfaces are is no concern of a query.
        self.write("main.cf", {"compatibility_level": "3.6", "queue_directory": directory / "queue",
                               "data_directory": directory / "data", "myhostname": "mx.example.org", "inet_protocols": "ipv4"})
        for name, (query_filter, result) in TABLES.items():
            if mail_host and name == "local_recipient_maps":
                query_filter = f"(&{ADDRESS}{PERSON}(mailHost={mail_host}))"
            settings = {
                "server_host": env["LDAPS_URI"], "version": 3, "timeout": 10,
                "tls_ca_cert_file": env["CA_FILE"], "tls_require_cert": "yes",
                "bind": "yes", "bind_dn": env["SERVICE_DN"], "bind_pw": env["PASSWORD"],
                "search_base": DOMAINS_DN if name == "mydestination" else base_dn, "scope": "sub",
                "query_filter": query_filter, **result,
            }
            if name != "mydestination":
                settings["domain"] = f"ldap:{self.path('mydestination')}"
            self.write(f"{name}.cf", settings)

    def path(self, table):
        return self.directory / f"{table}.cf"

    def write(self, name, settings):
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        os.utime(path, (1, 1))  # Postfix waits until a file is more than a second old, lest it be half written

    def ask(self, table, *keys):
        """{key: [value]} of the keys that the table knows."""
        done = subprocess.run([POSTMAP, "-c", self.directory, "-q", "-", f"ldap:{self.path(table)}"],
                              input="".join(f"{key}\n" for key in keys), capture_output=True, text=True, timeout=60, check=False)
        # "Not found" is status 1, and so is a server that does not answer, which says so.
        assert not done.stderr and done.returncode == (0 if done.stdout else 1), f"{table}: {done.returncode} {done.stderr}"
        found = (line.split("\t", 1) for line in done.stdout.splitlines())
        return {key: sorted(value.split(",")) for key, value in found}
