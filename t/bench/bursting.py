"""Many people get another quota at once, while a daemon runs."""

import multiprocessing
import threading
import time

import ldap

import bare
import commands
import floor
import knobs
import world as worlds
from burst import Burst  # of t/system, which world knows the way to
from growing import MAIN
from turns import ending_with_kolabd, in_turn

WORD = "bareburst"  # of the entries that change when the floor is at work
ROUNDS, ROUNDS_MOST = 5, 25  # more of few people, who take a fraction of a second
AT_ONCE = 50


def make_burst(world, word, count, kib):
    burst = Burst(world.ds)
    for number in range(count):
        burst.modify(number, world.person_dn(word, number), mailQuota=kib)
    return burst


def kolabd_seconds(world, daemon, count):
    burst = make_burst(world, MAIN, count, world.new_kib())
    begin = time.monotonic()
    burst.begin()
    end = daemon.wait_for(": in order after 1 step", count)
    burst.end()
    return end - begin


def follow(job, portions, cursor):
    """One of the floor's workers: reads the entries of a portion together, then sets the quotas together. Connected before the
    changes begin, as a daemon is."""
    world, kib, connected = job
    directory, admin = bare.connect(world), floor.Server(world.imap).open_admin()
    connected.wait()
    for turn in floor.take_turns(portions, cursor):
        searches = [directory.search(world.person_dn(WORD, number), ldap.SCOPE_BASE, worlds.USER_FILTER, bare.ATTRIBUTES)
                    for number in portions[turn]]
        for search in searches:
            directory.result(search)
        admin.run([line for number in portions[turn] for line in commands.set_quota(world.user(MAIN, number), kib)])


def bare_seconds(world, count):
    """The changes, a notice of each, and at the same time what has to be done for each: to mailboxes of the main domain."""
    watch, kib, connected = bare.Watch(world, world.base_dn(WORD)), world.new_kib(), multiprocessing.Barrier(knobs.WORKERS + 1)
    hear = threading.Thread(target=lambda: [watch.wait() for _ in range(count)])
    burst = make_burst(world, WORD, count, kib)
    portions = [range(begin, min(begin + AT_ONCE, count)) for begin in range(0, count, AT_ONCE)]
    workers = floor.Workers(follow, [(world, kib, connected)] * knobs.WORKERS, portions)
    connected.wait()
    begin = time.monotonic()
    hear.start()
    burst.run()
    hear.join()
    workers.wait()
    end = time.monotonic()
    watch.close()
    return end - begin


def measure(world, table, place, daemon):
    count = min(knobs.BURST, world.counts[MAIN])
    world.add_people(WORD, count - world.counts[WORD])
    rounds = max(ROUNDS, min(ROUNDS_MOST, knobs.BURST // count))
    floors, kolabd = in_turn(ending_with_kolabd(rounds), lambda _: count / bare_seconds(world, count),
                             lambda _: count / kolabd_seconds(world, daemon, count))
    table.compare(place, "many changed at once", "changes/s", floors, kolabd)
