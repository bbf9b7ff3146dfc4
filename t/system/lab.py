"""What a test is given: a domain of its own on the real servers, and clients that owe nothing to kolabd."""

import contextlib
import imaplib

import imap_client
import ldap
import ldap.cidict
import ldap.dn
import ldap.ldapobject
import ldap.modlist

from kolabd import Kolabd
from witness import AccessLog, LDAP_WRITES, Telemetry, is_imap_write

PARTITION_ENTRY = "/shared/vendor/cmu/cyrus-imapd/partition"
# What an access rule of Lab.add_service may say.
READ = ('(targetattr != "userPassword")', "read, compare, search")
WRITE = ('(targetattr = "mail || alias || mailHost || mailQuota")', "write")
ORGANIZATIONAL_UNIT = ["top", "organizationalUnit"]
PERSON = ["top", "person", "organizationalPerson", "inetOrgPerson", "mailRecipient", "kolabInetOrgPerson"]
# The classes of a person demand sn: without, it takes others.
NO_PERSON = ["top", "account", "extensibleObject", "mailRecipient", "kolabInetOrgPerson"]


def connect_ldap(env, dn, password=None):
    """A connection over ldaps, certificate verified, bound as `dn`. It binds again when the server comes back."""
    connection = ldap.ldapobject.ReconnectLDAPObject(env["LDAPS_URI"], retry_max=50, retry_delay=0.1)
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, env["CA_FILE"])
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 10)
    connection.timeout = 60  # a directory that hangs fails a test, and does not hang it
    connection.simple_bind_s(dn, password or env["PASSWORD"])
    return connection


def as_values(value):
    """None, str, bytes, int, or a list of them, as python-ldap wants it."""
    if value is None:
        return []
    values = value if isinstance(value, (list, tuple, set)) else [value]
    return [one if isinstance(one, bytes) else str(one).encode() for one in values]


class ImapHelper:
    """Looks at and changes the IMAP store: as lab-admin, or as any user. Mailboxes are named as the administrator sees
    them (user/jane@t1.example.org), folders as the user does (Calendar)."""

    def __init__(self, env):
        self.env = env
        self.admin_session = None

    def session(self, user=""):
        return imap_client.Session(int(self.env["IMAPS_PORT"]), self.env["CA_FILE"], self.env["IMAP_LAB_ADMIN"],
                                   self.env["PASSWORD"], as_user=user, host=self.env["IMAP_HOST"])

    @property
    def admin(self):
        """A session as administrator, which is opened again when it broke."""
        try:
            if self.admin_session:
                self.admin_session.command("NOOP")
        except (OSError, imaplib.IMAP4.error):
            self.admin_session = None
        if not self.admin_session:
            self.admin_session = self.session()
        return self.admin_session

    def admin_at(self, _mailbox):
        """A session as administrator to the server that has the mailbox."""
        return self.admin

    def close(self):
        if self.admin_session:
            self.admin_session.close()

    def folders(self, user):
        """A new user's are [], before there is a mailbox."""
        with self.session(user) as session:
            return session.own_folders()

    def metadata(self, user, folder, *entries):
        with self.session(user) as session:
            return session.metadata(folder, *entries)

    def set_metadata(self, user, folder, entry, value):
        with self.session(user) as session:
            session.set_metadata(folder, entry, value)

    def subscriptions(self, user):
        with self.session(user) as session:
            return session.subscriptions()

    def mailboxes(self, pattern):
        return self.admin.names(pattern)

    def tree(self, mailbox):
        """It, if it is there, and all that is below it."""
        return self.mailboxes(mailbox) + self.mailboxes(mailbox.replace("@", "/*@"))

    def exists(self, mailbox):
        return self.admin.exists(mailbox)

    def partition(self, mailbox):
        return self.admin_at(mailbox).metadata(mailbox, PARTITION_ENTRY)[PARTITION_ENTRY]

    def quota(self, mailbox):
        """KiB; None without a limit."""
        return self.admin.quota(mailbox)

    def set_quota(self, mailbox, kib):
        self.admin.set_quota(mailbox, kib)

    def acl(self, mailbox):
        return self.admin.acl(mailbox)

    def put_mail(self, login, subject):
        """Leaves a message in the INBOX."""
        with self.session(login) as session:
            session.imap.append("INBOX", None, None, f"Subject: {subject}\r\n\r\nx\r\n".encode())

    def mails(self, login):
        """The subjects in the INBOX."""
        with self.session(login) as session:
            session.imap.select("INBOX", readonly=True)
            _, data = session.imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            session.imap.close()
        return [part[1].decode().strip().removeprefix("Subject: ") for part in data if isinstance(part, tuple)]

    def create(self, mailbox):
        self.admin.create(mailbox)

    def delete(self, mailbox):
        self.admin.set_acl(mailbox, self.env["IMAP_LAB_ADMIN"], "lrswipkxtecda")
        self.admin.delete(mailbox)


class Lab:
    """A domain of its own (`domain`, `base_dn`, `people_dn`) for one test.

    `ldap` is a python-ldap connection as Directory Manager, `imap` an ImapHelper, `kolabd` a Kolabd that serves the domain,
    `ds` and `cyrus` are the servers, to stop() and start() again."""

    def __init__(self, servers, witnesses, number, directory, cyrus=None):
        self.servers = servers
        self.ds = servers.ds
        self.cyrus = cyrus or servers.imap
        self.access_log, self.telemetry = witnesses
        self.domain = f"t{number}.example.org"
        self.base_dn = f"ou=t{number},dc=example,dc=org"
        self.people_dn = f"ou=People,{self.base_dn}"
        self.ldap = connect_ldap(self.ds.env, self.ds.env["ROOT_DN"])
        self.imap = self.open_imap()
        self.add(self.base_dn, objectClass=ORGANIZATIONAL_UNIT)
        self.add(self.people_dn, objectClass=ORGANIZATIONAL_UNIT)
        self.kolabd = Kolabd(directory, self.settings(), self.ds.env["PASSWORD"])

    def open_imap(self):
        return ImapHelper(self.cyrus.env)

    def settings(self):
        return {
            "log": {"level": "debug"},
            "ldap": {"uri": self.ds.env["LDAPS_URI"], "bind_dn": self.ds.env["SERVICE_DN"], "ca_file": self.ds.env["CA_FILE"]},
            "imap": {"uri": self.cyrus.env["IMAPS_URI"], "admin_login": self.cyrus.env["IMAP_ADMIN"],
                     "ca_file": self.cyrus.env["CA_FILE"]},
            "domains": {self.domain: {"base_dn": self.base_dn}},
        }

    def close(self):
        try:
            self.kolabd.close()
        finally:
            self.servers.restart_stopped()
            self.imap.close()
            self.ldap.unbind_s()

    # --- the directory

    def connect(self, dn, password=None):
        """Another connection, bound as `dn`."""
        return connect_ldap(self.ds.env, dn, password)

    def add(self, dn, **attributes):
        self.ldap.add_s(dn, [(name, values) for name, value in attributes.items() if (values := as_values(value))])
        return dn

    def add_person(self, uid, givenName=None, sn="Person", parent=None, **attributes):
        """Gives the DN. An attribute's value is a str, bytes, or a list of them; None leaves it out, sn too."""
        attributes.setdefault("objectClass", PERSON if sn is not None else NO_PERSON)
        attributes.setdefault("cn", " ".join(filter(None, [givenName, sn])) or uid)
        return self.add(f"uid={ldap.dn.escape_dn_chars(uid)},{parent or self.people_dn}", uid=uid, givenName=givenName, sn=sn,
                        **attributes)

    def modify(self, dn, **attributes):
        """Replaces; None removes."""
        self.ldap.modify_s(dn, [(ldap.MOD_REPLACE, name, as_values(value)) for name, value in attributes.items()])

    def rename(self, dn, new_rdn=None, new_parent=None):
        """Gives the new DN."""
        rdn, parent = ldap.dn.explode_dn(dn)[0], ",".join(ldap.dn.explode_dn(dn)[1:])
        self.ldap.rename_s(dn, new_rdn or rdn, new_parent, delold=1)
        return f"{new_rdn or rdn},{new_parent or parent}"

    def delete(self, dn):
        self.ldap.delete_s(dn)

    def add_service(self, uid, *rules, **attributes):
        """An account for kolabd that may bind, and do what the access rules say: (target, rights) each. Gives the DN."""
        dn = self.add(f"uid={uid},{self.base_dn}", objectClass=["top", "person", "organizationalPerson", "inetOrgPerson"], uid=uid,
                      cn=uid, sn="Service", userPassword=self.ds.env["PASSWORD"], **attributes)
        self.allow(dn, *rules)
        return dn

    def allow(self, dn, *rules):
        aci = (self.get(self.base_dn, "aci") or {}).get("aci", [])
        self.modify(self.base_dn, aci=aci + [
            f'{rule}(version 3.0; acl "test {len(aci)}-{number}"; allow ({rights}) (userdn = "ldap:///{dn}");)'
            for number, (rule, rights) in enumerate(rules)])

    @contextlib.contextmanager
    def hidden(self, dn, attribute="*", rights="all", who=None):
        """From the service account: an attribute of the entry and of all below it, or all of them."""
        aci = (f'(targetattr = "{attribute}")(version 3.0; acl "hide"; deny ({rights}) '
               f'userdn = "ldap:///{who or self.ds.env["SERVICE_DN"]}";)').encode()
        self.ldap.modify_s(dn, [(ldap.MOD_ADD, "aci", [aci])])
        try:
            yield
        finally:
            self.ldap.modify_s(dn, [(ldap.MOD_DELETE, "aci", [aci])])

    def get(self, dn, *attributes):
        """The entry as {name: [str]}, names without regard to case, with its unique id; None when there is none."""
        try:
            found = self.ldap.search_s(dn, ldap.SCOPE_BASE, attrlist=list(attributes) or ["*", "nsUniqueId", "modifyTimestamp"])
        except ldap.NO_SUCH_OBJECT:
            return None
        return ldap.cidict.cidict({name: sorted(value.decode(errors="surrogateescape") for value in values)
                                   for name, values in found[0][1].items()})

    def get_one(self, dn, attribute):
        """The only value, or None."""
        values = (self.get(dn) or {}).get(attribute) or [None]
        assert len(values) == 1, f"{attribute} of {dn}: {values}"
        return values[0]

    def mail_host(self, _mailbox):
        """What mailHost should say of a mailbox."""
        return self.cyrus.env["IMAP_HOST"]

    # --- the servers as witnesses

    def watch_users(self, *users):
        """Records the IMAP sessions of users that have no mailbox yet when a mark is taken."""
        self.telemetry.watch(*users)

    def mark(self):
        """From here on. The sessions of all who have a mailbox in the domain are recorded, if they begin later."""
        names = self.imap.mailboxes(f"user/%@{self.domain}")
        self.watch_users(*(name.removeprefix("user/") for name in names))
        return self.access_log.mark(), self.telemetry.mark()

    def ldap_operations(self, mark):
        """[(operation, DN)] of kolabd since the mark: SRCH, ADD, MOD, DEL, MODRDN."""
        return self.access_log.since(mark[0], self.ds.env["SERVICE_DN"])

    def ldap_writes(self, mark):
        return [(operation, dn) for operation, dn in self.ldap_operations(mark) if operation in LDAP_WRITES]

    def imap_commands(self, mark):
        """[(user, command)] of kolabd since the mark, as administrator and as the users that are watched."""
        return self.telemetry.since(mark[1])

    def imap_writes(self, mark):
        return [(user, command) for user, command in self.imap_commands(mark) if is_imap_write(command)]


@contextlib.contextmanager
def open_lab(*arguments):
    lab = Lab(*arguments)
    try:
        yield lab
    finally:
        lab.close()


def open_witnesses(servers):
    return AccessLog(servers.ds.env["ACCESS_LOG"]), Telemetry(servers.imap.env["IMAP_TELEMETRY"])
