"""Many domains in one process of kolabd: an entry in the directory and a base for each."""

import os
import pathlib
import re
import time
import urllib.parse

import world as worlds

from kolabd import Daemon  # of t/system, which world knows the way to

WORD = "many"
PEOPLE = 2  # of each domain
NEWCOMERS = 5
SYNCS = 3
PATIENCE_S = 60


def wait_for(daemon, text, count=1):
    """Waits until the log has that so many times, and looks often: the waiting is measured."""
    end = time.monotonic() + PATIENCE_S
    while daemon.log_text.count(text) < count:
        daemon.fail_when_ended()
        if time.monotonic() > end:
            raise RuntimeError(f"not {count} times {text!r} in the log:\n{daemon.log_text[-3000:]}")
        time.sleep(0.005)


def connections(pid, uri):
    """How many connections to the server of the URI a process holds."""
    port = urllib.parse.urlsplit(uri).port
    sockets = set()
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        sockets.update(re.findall(r"^socket:\[(\d+)\]$", os.readlink(descriptor)))
    rows = [line.split() for name in ("tcp", "tcp6")
            for line in pathlib.Path(f"/proc/{pid}/net/{name}").read_text(encoding="ascii").splitlines()]
    return sum(row[9] in sockets and row[2].endswith(f":{port:04X}") for row in rows)


def newcomer_ms(world, daemon, word, number):
    """From the directory's answer to whoever adds the person, to the end of kolabd's work."""
    world.add_person(word, number)
    begin = time.monotonic()
    wait_for(daemon, f"mailbox user/{world.user(word, number)}\n")
    return 1000 * (time.monotonic() - begin)


def measure_daemon(world, table, count, workers):
    command = [*worlds.DIE_WITH_US, worlds.BUILD / "kolabd", "--config", world.configure(WORD, workers)]
    begin = time.monotonic()
    daemon = Daemon(command, world.directory / f"{WORD}.log", world.directory)
    try:
        wait_for(daemon, f": {PEOPLE} entries read, 0 to look at", count)
        table.add("  daemon: start until all are watched and read", 1000 * (time.monotonic() - begin), "ms")
        table.add("  daemon: a new person of the last domain, added to done",
                  [newcomer_ms(world, daemon, f"{WORD}{count - 1}", PEOPLE + number) for number in range(NEWCOMERS)], "ms")
        table.add("  daemon: connections to the directory", connections(daemon.pid, world.ds["LDAPS_URI"]), "")
        table.add("  daemon: peak memory", daemon.peak_memory_kib / 1024, "MiB", "< 40")
        daemon.stop()
    finally:
        daemon.close()


def measure(world, table, count, workers):
    world.add_domains(WORD, count, PEOPLE)
    world.sync(WORD, count * PEOPLE, workers)
    again = [world.sync(WORD, 0, workers) for _ in range(SYNCS)]
    table.add(f"kolabd --sync, {count} domains of {PEOPLE} people, nothing to do", [1000 * run["seconds"] for run in again], "ms")
    table.add("  processor time of kolabd itself", [1000 * run["cpu"] for run in again], "ms")
    table.add("  peak memory", [run["rss_kib"] / 1024 for run in again], "MiB", "< 40")
    measure_daemon(world, table, count, workers)
