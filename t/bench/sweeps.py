"""Runs of --sync over people that are there: with nothing to do, verifying everything, after a few changes."""

import concurrent.futures
import time

import commands
import floor
import knobs
from growing import MAIN, memory_aim
from turns import ending_with_kolabd, in_turn

MANY = 20000


def nothing_to_do(world, table, place, attributes):
    """Of few people most of the time is the start of the process: the aim is about many."""
    dumps, syncs = in_turn(knobs.PAIRS, lambda _: world.dump(MAIN, attributes), lambda _: world.sync(MAIN, 0, knobs.WORKERS))
    aim = "<= 1.3" if place[1] >= MANY else ""
    for case, what, case_aim in (("nothing to do", "seconds", aim), ("  processor time of the client", "cpu", "")):
        table.compare(place, case, "ms", *([1000 * run[what] for run in runs] for runs in (dumps, syncs)), case_aim)
    table.tell(place, "peak memory: nothing to do", "MiB", [run["rss_kib"] / 1024 for run in syncs], memory_aim(place[1]))


def verify_bare(world, word, attributes):
    """The directory's dump, and beside it what the IMAP server knows."""
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        dump = pool.submit(world.dump, word, attributes)
        floor.run(floor.verify_mailboxes, floor.Server(world.imap, as_admin=False), world.users(word, world.counts[word]), knobs.WORKERS)
        dump.result()
    return time.monotonic() - begin


def verify(world, table, place, attributes):
    """Of a domain of its own where the people are too many."""
    word, people = MAIN, world.counts[MAIN]
    if people > knobs.VERIFY:
        word, people = "sample", knobs.VERIFY
        if word not in world.counts:
            world.add_people(word, people)
            world.sync(word, people, knobs.WORKERS)
    bare, kolabd = in_turn(knobs.PAIRS if people <= 500 else 3,
                           lambda _: 1000 * verify_bare(world, word, attributes) / people,
                           lambda _: 1000 * world.sync(word, 0, knobs.WORKERS, resync=True)["seconds"] / people)
    part = f", {people} of them" if word != MAIN else ""
    table.compare(place, f"verify everything{part}", "ms/user", bare, kolabd, "<= 1.3")


def change_some_bare(world, attributes, numbers):
    """The dump, and then what has to be done for those that differ in it: a quota that nobody asked for, so that there is something
    to set."""
    kib = world.new_kib()
    lines = [line for number in numbers for line in commands.set_quota(world.user(MAIN, number), kib)]
    begin = time.monotonic()
    world.dump(MAIN, attributes)
    floor.run(floor.run_admin, floor.Server(world.imap, as_users=False), lines, knobs.WORKERS)
    return time.monotonic() - begin


def change_some(world, numbers):
    world.set_quotas(MAIN, numbers, world.new_kib())
    return world.sync(MAIN, len(numbers), knobs.WORKERS)["seconds"]


def some_changed(world, table, place, attributes):
    """One in a hundred has another quota."""
    numbers = range(0, world.counts[MAIN], 100)
    bare, kolabd = in_turn(ending_with_kolabd(knobs.PAIRS), lambda _: 1000 * change_some_bare(world, attributes, numbers),
                           lambda _: 1000 * change_some(world, numbers))
    table.compare(place, "1 % changed while kolabd was down", "ms", bare, kolabd)
