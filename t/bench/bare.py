"""The floor of what a daemon does: the bare LDAP and IMAP commands. It hears of changes as a daemon does, by a persistent
search."""

import time

import ldap
import ldap.controls.psearch
from ldap.filter import escape_filter_chars

import commands
import floor
import world as worlds

ATTRIBUTES = ["mail", "alias", "mailHost", "mailQuota", "cn", "preferredLanguage", "givenName", "sn", "uid", "nsUniqueId"]
PATIENCE_S = 60


def connect(world):
    """Over ldaps, as kolabd."""
    connection = ldap.initialize(world.ds["LDAPS_URI"])
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, world.ds["CA_FILE"])
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.simple_bind_s(world.ds["SERVICE_DN"], world.ds["PASSWORD"])
    return connection


def any_of(*addresses):
    """The filter that finds who has one of them."""
    tests = (f"({name}={escape_filter_chars(address)})" for address in addresses for name in ("mail", "alias"))
    return "(|" + "".join(tests) + ")"


class Watch:
    """Notices of all that changes below a DN."""

    def __init__(self, world, base_dn):
        self.connection = connect(world)
        control = ldap.controls.psearch.PersistentSearchControl(changesOnly=True, returnECs=True)
        self.search = self.connection.search_ext(base_dn, ldap.SCOPE_SUBTREE, "(objectClass=*)", ["nsUniqueId"],
                                                 serverctrls=[control])

    def wait(self):
        """The unique id of the next one."""
        _, data, *_ = self.connection.result4(self.search, all=0, timeout=PATIENCE_S)
        return data[0][1]["nsUniqueId"][0].decode()

    def close(self):
        self.connection.unbind_s()


class Bare:
    """Serves the people of one word, one command after the other, on connections that stand: only a user's own session has to
    be opened."""

    def __init__(self, world, word):
        self.world = world
        self.word = word
        self.base_dn = world.base_dn(word)
        self.ldap = connect(world)
        self.imap = floor.Server(world.imap)
        self.admin = self.imap.open_admin()
        self.watch = Watch(world, self.base_dn)

    def close(self):
        self.watch.close()
        self.admin.close()
        self.ldap.unbind_s()

    def read(self):
        """Waits for the next notice and reads the entry."""
        found = self.ldap.search_s(self.base_dn, ldap.SCOPE_SUBTREE,
                                   f"(&(nsUniqueId={self.watch.wait()}){worlds.USER_FILTER})", ATTRIBUTES)
        return found[0]

    def ask_taken(self, *addresses):
        self.ldap.search_s(self.base_dn, ldap.SCOPE_SUBTREE, any_of(*addresses), ["mail", "alias", "nsUniqueId"])

    def finish_newcomer(self, number):
        """Somebody who has just been added. Gives when all was done."""
        dn, _ = self.read()
        user = self.world.user(self.word, number)
        aliases = [f"g.{user.partition('.')[2]}", f"u{number}@{self.word}.example.org"]
        self.ask_taken(user, *aliases)
        self.admin.run_each(commands.create(user))
        values = {"mail": [user], "alias": aliases, "mailHost": [self.world.imap["IMAP_HOST"]],
                  "mailQuota": [str(commands.QUOTA_KIB)]}
        self.ldap.modify_s(dn, [(ldap.MOD_ADD, name, [one.encode() for one in some]) for name, some in values.items()])
        self.watch.wait()  # it tells us of our own change, too
        session = self.imap.open_user(user)
        session.run_each(commands.create_folders())
        end = time.monotonic()
        session.close()
        return end

    def finish_renamed(self, old, new):
        """Somebody whose address has just been changed. Gives when all was done."""
        self.read()
        self.ask_taken(new)
        self.admin.run_each(commands.rename(old, new))
        return time.monotonic()
