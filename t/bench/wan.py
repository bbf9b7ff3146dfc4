#!/usr/bin/python3
"""wan.py: a first provisioning over a long link, beside the floor: as many connections, the same commands, pipelined.

The IMAP server is a script that answers at once at the end of a link with a set round trip (t/fake/imap_slow.py): it shows what
kolabd waits for, on a machine that has nothing else to do. The directory is a real one beside kolabd.
Environment: BENCH_WAN_RTT (round trips in ms, "1 10 50"), BENCH_WAN_WORKERS ("4 32"), BENCH_WAN_S (seconds that the floor is to
take each time, 8), BENCH_ROUNDS (3)."""

import contextlib
import os
import pathlib
import statistics
import subprocess
import sys

import floor
import world as worlds

from servers import DIE_WITH_US  # of t/system, which world knows the way to

SLOW = pathlib.Path(__file__).resolve().parents[1] / "fake/imap_slow.py"
RTTS_MS = [float(word) for word in (os.environ.get("BENCH_WAN_RTT") or "1 10 50").split()]
WORKERS = [int(word) for word in (os.environ.get("BENCH_WAN_WORKERS") or "4 32").split()]
SECONDS = float(os.environ.get("BENCH_WAN_S") or 8)
ROUNDS = int(os.environ.get("BENCH_ROUNDS") or 3)
TRIPS = 7  # of one user over the link: the administrator's commands; TCP, TLS, greeting, CAPABILITY, login; the user's commands
OWN_MS = 8  # what the scripted server and a client of it need for a user, in processor time


@contextlib.contextmanager
def far_server(world, rtt_ms):
    """Its settings, as the start scripts of t/lab say them of a server."""
    ca = world.directory / "ca"
    process = subprocess.Popen([*DIE_WITH_US, "/usr/bin/python3", SLOW, str(rtt_ms), "--cert", ca / "server.pem", "--key", ca / "server.key"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = process.stdout.readline().split()[1]
        yield {**world.imap, "IMAPS_PORT": port, "IMAPS_URI": f"imaps://127.0.0.1:{port}", "PASSWORD": world.ds["PASSWORD"]}
    finally:
        process.stdin.close()
        process.wait()


def count_people(rtt_ms, workers):
    rate = min(workers / (TRIPS * rtt_ms / 1000), 1000 / OWN_MS)
    return max(2 * workers, int(rate * SECONDS))


def provision_once(world, env, who, word, workers, count):
    """Its rate."""
    if who == "floor":
        seconds, _ = floor.run(floor.work, env, world.users(word, count), workers)
        return count / seconds
    world.add_people(word, count)
    configure = worlds.World.configure

    def configure_far(word, workers):
        file = configure(world, word, workers)
        file.write_text(file.read_text().replace(world.imap["IMAPS_URI"], env["IMAPS_URI"]))
        return file
    return count / world.sync(word, count, workers, configure_far)["seconds"]


def measure_one(world, table, rtt_ms, workers):
    count = count_people(rtt_ms, workers)
    rates = {"floor": [], "kolabd": []}
    with far_server(world, rtt_ms) as env:
        for number in range(ROUNDS):
            for who in ("floor", "kolabd") if number % 2 == 0 else ("kolabd", "floor"):
                word = f"wan{rtt_ms:g}x{workers}{who}{number}".replace(".", "-")
                rates[who].append(provision_once(world, env, who, word, workers, count))
    heading = f"{rtt_ms:g} ms round trip, {workers} workers, {count} people"
    table.add(f"{heading}: floor", rates["floor"], "users/s")
    table.add(f"{heading}: kolabd --sync", rates["kolabd"], "users/s")
    table.add("  ratio to the floor of its round", [k / f for k, f in zip(rates["kolabd"], rates["floor"])], "", ">= 0.9")


def measure(world, table):
    for rtt_ms in RTTS_MS:
        for workers in WORKERS:
            measure_one(world, table, rtt_ms, workers)


class Lines:
    """A table that is printed row by row."""

    def add(self, measured, values, unit, aim=""):
        values = values if isinstance(values, list) else [values]
        print(f"{measured:62}{statistics.median(values):10.2f}{min(values):10.2f}{max(values):10.2f}  {unit:10}{aim}".rstrip(), flush=True)


def main():
    world = worlds.World()
    try:
        world.stop_watching()
        print(f"{'measure':62}{'median':>10}{'lowest':>10}{'highest':>10}  {'unit':10}aim")
        measure(world, Lines())
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
