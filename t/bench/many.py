"""Many domains in one process of kolabd: an entry in the directory and a base for each."""

import os
import pathlib
import re
import time
import urllib.parse

from running import Running

WORD = "many"
PEOPLE = 2  # of each domain
NEWCOMERS = 9
SYNCS = 3


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
    world.add_people(word, 1)
    begin = time.monotonic()
    return 1000 * (daemon.wait_for(f"mailbox user/{world.user(word, number)}") - begin)


def measure_daemon(world, table, place, workers):
    last = f"{WORD}{place[1] // PEOPLE - 1}"
    with Running(world.configure(WORD, workers)) as daemon:
        swept = daemon.wait_for(f": {PEOPLE} entries read, 0 to look at", place[1] // PEOPLE)
        table.tell(place, "many domains: start of the daemon until all are read", "ms", 1000 * (swept - daemon.began))
        newcomers = [newcomer_ms(world, daemon, last, PEOPLE + number) for number in range(NEWCOMERS)]
        table.tell(place, "many domains: somebody is added to the last one", "ms", newcomers)
        table.tell(place, "many domains: connections to the directory", "", connections(daemon.pid, world.ds["LDAPS_URI"]))
        table.tell(place, "peak memory: daemon of many domains", "MiB", daemon.peak_memory_kib / 1024, "< 32")


def measure(world, table, count, workers):
    place = (world.kind, count * PEOPLE)
    world.add_domains(WORD, count, PEOPLE)
    world.sync(WORD, count * PEOPLE, workers)
    again = [world.sync(WORD, 0, workers) for _ in range(SYNCS)]
    table.tell(place, f"many domains ({count}): nothing to do", "ms", [1000 * run["seconds"] for run in again])
    table.tell(place, "  processor time of the client", "ms", [1000 * run["cpu"] for run in again])
    table.tell(place, "peak memory: nothing to do in many domains", "MiB", [run["rss_kib"] / 1024 for run in again], "< 32")
    measure_daemon(world, table, place, workers)
