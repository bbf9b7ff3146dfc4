"""Where the servers of a run keep their data: memory, or a disk on which fsync() works."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import ldap

from servers import Servers  # of t/system, which world.py knows the way to

# Measured, with all that the two servers and kolabd keep: (KiB, files) of a person, with 14 folders and without.
WITH_FOLDERS, WITHOUT_FOLDERS = (190, 72), (40, 7)
OF_THE_REST = (600 * 1024, 20000)
PARENTS = {"tmpfs": "/dev/shm", "disk": os.environ.get("TMPDIR") or "/var/tmp"}
DATABASE = "cn=config,cn=ldbm database,cn=plugins,cn=config"


def memory_kib(name):
    """What the kernel says of the machine's memory: "MemTotal", "MemAvailable"."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(rf"^{name}:\s*(\d+)", file.read(), re.MULTILINE)[1])


def lacks_room(kind, people, of_a_person=WITH_FOLDERS):
    """Why a store of that kind cannot hold so many people; "" when it can."""
    place = os.statvfs(PARENTS[kind])
    free_kib = place.f_bavail * place.f_frsize // 1024
    free = min(free_kib, memory_kib("MemAvailable")) if kind == "tmpfs" else free_kib, place.f_favail
    kib, files = (people * one + rest for one, rest in zip(of_a_person, OF_THE_REST))
    # A file system without a table of files says 0.
    if free[0] >= kib and (free[1] >= files or place.f_files == 0):
        return ""
    return (f"{PARENTS[kind]} has room for {free[0] // 1024} MiB and {free[1]} files, and {people} mailboxes need "
            f"{kib // 1024} MiB and {files} files")


def file_system(path):
    return subprocess.check_output(["stat", "-f", "-c", "%T", path], text=True).strip()


def check(kind):
    """Ends the program where a store cannot be of that kind."""
    parent = PARENTS[kind]
    if (file_system(parent) == "tmpfs") != (kind == "tmpfs"):
        sys.exit(f"bench: {parent} is {file_system(parent)}, and no {kind}" + (": set TMPDIR" if kind == "disk" else ""))


def make_directory(kind):
    parent = PARENTS[kind]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kolabd-bench.", dir=parent))
    directory.chmod(0o755)  # the servers' users must be able to pass
    return directory


class Store(Servers):
    """A directory server and an IMAP server; on a disk each writes through to it before it answers, as they ship."""

    def __init__(self, kind):
        super().__init__(make_directory(kind), LAB_SYNC="1" if kind == "disk" else "0")
        self.durable = kind == "disk"

    def start(self):
        super().start()
        connection = ldap.initialize(self.ds.env["LDAPI_URI"])
        connection.simple_bind_s(self.ds.env["ROOT_DN"], self.ds.env["PASSWORD"])
        # The lab's caches are for a hundred people.
        connection.modify_s("cn=userRoot,cn=ldbm database,cn=plugins,cn=config",
                            [(ldap.MOD_REPLACE, "nsslapd-cachememsize", b"600000000"),
                             (ldap.MOD_REPLACE, "nsslapd-dncachememsize", b"100000000")])
        if self.durable:
            connection.modify_s(DATABASE, [(ldap.MOD_REPLACE, "nsslapd-db-durable-transactions", b"on")])
        connection.modify_s(DATABASE, [(ldap.MOD_REPLACE, "nsslapd-dbcachesize", b"200000000")])
        connection.unbind_s()
        self.ds.stop(gently=True)
        self.ds.start()
