#!/usr/bin/python3
"""wan.py: a first provisioning over a long link, beside the floor: as many connections, the same commands, pipelined.

The IMAP server is a script at the end of a link with a set round trip (t/fake/imap_slow.py). It takes as long for a person as Cyrus
does on a disk, and no processor time: so what is seen is what kolabd waits for. The directory is a real one beside kolabd.
Environment: BENCH_WAN_RTT (round trips in ms, "1 10 50"), BENCH_WAN_WORKERS ("4 16"), BENCH_WAN_WORK (ms of
the server's for a person, 95), BENCH_WAN_S (seconds that the floor is to take each time, 8), BENCH_PAIRS (runs of each, 3)."""

import contextlib
import copy
import os
import pathlib
import subprocess

import world as worlds  # first: it knows the way to t/system

import alone
from turns import in_turn

from servers import DIE_WITH_US  # of t/system, which world knows the way to

SLOW = pathlib.Path(__file__).resolve().parents[1] / "fake/imap_slow.py"
RTTS_MS = [float(word) for word in (os.environ.get("BENCH_WAN_RTT") or "1 10 50").split()]
WORKERS = [int(word) for word in (os.environ.get("BENCH_WAN_WORKERS") or "4 16").split()]
SECONDS = float(os.environ.get("BENCH_WAN_S") or 8)
PAIRS = int(os.environ.get("BENCH_PAIRS") or 3)
TRIPS = 6  # of one user over the link: the administrator's commands; TCP, TLS, greeting, login; the user's commands
WORK_MS = float(os.environ.get("BENCH_WAN_WORK") or 95)
CHANGES = 43  # commands of a person that change something
OWN_MS = 8  # what the scripted server and a client of it need for a user, in processor time


@contextlib.contextmanager
def far_world(world, rtt_ms):
    """The same world with the IMAP server at the end of a link."""
    ca, far = world.directory / "ca", copy.copy(world)
    process = subprocess.Popen([*DIE_WITH_US, "/usr/bin/python3", SLOW, str(rtt_ms), "--cert", ca / "server.pem", "--key", ca / "server.key",
                                "--work-ms", str(WORK_MS / CHANGES)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().split()[1]
        far.imap = {**world.imap, "IMAPS_PORT": port, "IMAPS_URI": f"imaps://127.0.0.1:{port}"}
        yield far
    finally:
        process.stdin.close()
        process.wait()


def count_people(rtt_ms, workers):
    rate = min(1000 * workers / (TRIPS * rtt_ms + WORK_MS), 1000 / OWN_MS)
    return max(2 * workers, int(rate * SECONDS))


def provision_once(far, who, word, workers, count):
    """Its rate."""
    if who == "floor":
        return count / far.run_floor(far.users(word, count), workers)["seconds"]
    far.add_people(word, count)
    return count / far.sync(word, count, workers)["seconds"]


def measure_one(world, table, rtt_ms, workers):
    count = count_people(rtt_ms, workers)
    with far_world(world, rtt_ms) as far:
        def run(who, number):
            return provision_once(far, who, f"wan{rtt_ms:g}x{workers}{who}{number}".replace(".", "-"), workers, count)

        bare, kolabd = in_turn(PAIRS, lambda number: run("floor", number), lambda number: run("kolabd", number))
    table.compare((world.kind, count), f"first provisioning, {rtt_ms:g} ms round trip, {workers} workers", "users/s", bare, kolabd, ">= 0.9")


def measure(world, table):
    for rtt_ms in RTTS_MS:
        for workers in WORKERS:
            measure_one(world, table, rtt_ms, workers)


if __name__ == "__main__":
    alone.run(measure)
