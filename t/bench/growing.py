"""First provisioning. At a small size each run makes the mailboxes of a domain of that size. At others a domain grows: before each size
the floor makes the mailboxes of some people of its own, and kolabd those of as many of its domain, in turn."""

import collections
import os
import statistics

import knobs
import world as worlds

MAIN, FLOOR = "main", "floor"
WARM_UP = 200  # people: the first ones of a new store take the servers up to twice as long as those that follow
SMALL = 500  # at up to so many people each run has a domain of its own
CHUNK = 1500  # more people a run than this add nothing but time
STARTS = 9
SECONDS = "seconds"
SERVERS = ("389-ds", "Cyrus")
WHOSE = ("itself", *SERVERS)


def plan(have, size, pairs):
    """(people that come at once, people of each measured run) on the way from one size to the next."""
    missing = size - have
    if size <= SMALL:
        return missing, size
    chunk = max(1, min(CHUNK, missing // pairs))
    return missing - pairs * chunk, chunk


def mailboxes(sizes, pairs):
    """How many there will be in the store that has grown through these sizes, the floor's with them."""
    have, beside = 0, WARM_UP
    for size in sizes:
        beside += pairs * plan(have, size, pairs)[1] * (2 if size <= SMALL else 1)
        have = size
    return have + beside


class Run:
    """One run over so many people. `cost`: seconds, and processor seconds by whose. `aside`: what of them is not to count."""

    def __init__(self, people, cost, others, rss_kib):
        self.people = people
        self.cost = cost
        self.aside = dict.fromkeys(cost, 0)
        self.others = others  # share of the machine that had nothing to do with us
        self.rss_kib = rss_kib

    def net(self, what):
        return self.cost[what] - self.aside[what]

    def ms(self, whose):
        return 1000 * self.net(whose) / self.people

    @property
    def rate(self):
        return self.people / self.net(SECONDS)

    @property
    def all_ms(self):
        return sum(map(self.ms, WHOSE))

    @property
    def own_share(self):
        return self.net("itself") / sum(map(self.net, SERVERS))


def observe(world, people, work):
    """`work` gives {seconds, cpu} and the like."""
    before = [*world.cpu(), worlds.machine_cpu()]
    measured = work()
    ds, cyrus, machine = (after - one for after, one in zip([*world.cpu(), worlds.machine_cpu()], before))
    others = max(0, machine - ds - cyrus - measured["cpu"]) / measured["seconds"] / os.cpu_count()
    cost = {SECONDS: measured["seconds"], "itself": measured["cpu"], "389-ds": ds, "Cyrus": cyrus}
    return Run(people, cost, others, measured.get("rss_kib"))


def observe_floor(world, word, begin, people):
    return observe(world, people, lambda: world.run_floor(world.users(word, people, begin), knobs.WORKERS))


def observe_kolabd(world, word, people):
    """Over people that have just come."""
    world.add_people(word, people)
    world.rest(word)
    return observe(world, people, lambda: world.sync(word, people, knobs.WORKERS))


def observe_nothing(world, word):
    return observe(world, world.counts[word], lambda: world.sync(word, 0, knobs.WORKERS))


class Growth:
    """One store's."""

    def __init__(self, world, table):
        self.world = world
        self.table = table
        self.floor_people = 0
        self.run_floor(WARM_UP)
        world.add_people(MAIN, 0)
        world.add_people("nobody", 0)
        starts = [observe_nothing(world, "nobody") for _ in range(STARTS)]
        self.start = {what: statistics.median(run.cost[what] for run in starts) for what in (SECONDS, *WHOSE)}

    def to(self, size):
        """Lets the domain have so many people. Of a large one its last people are measured, of a small one others like it."""
        at_once, chunk = plan(self.world.counts[MAIN], size, knobs.PAIRS)
        place = (self.world.kind, size)
        if at_once > 0:
            observe_kolabd(self.world, MAIN, at_once)
        runs = collections.defaultdict(list)
        for number in range(knobs.PAIRS):
            for who in ("floor", "kolabd") if number % 2 == 0 else ("kolabd", "floor"):
                runs[who].append(self.run_floor(chunk) if who == "floor" else
                                 self.run_kolabd(chunk) if size > SMALL else
                                 observe_kolabd(self.world, f"{MAIN}{size}x{number}", chunk))
        tell(self.table, place, runs["floor"], runs["kolabd"])
        self.table.tell(place, "peak memory: first provisioning", "MiB", [run.rss_kib / 1024 for run in runs["kolabd"]],
                        memory_aim(size))

    def run_floor(self, chunk):
        self.floor_people += chunk
        return observe_floor(self.world, FLOOR, self.floor_people - chunk, chunk)

    def run_kolabd(self, chunk):
        """What it needs to look at those that are there already is put aside."""
        nothing = observe_nothing(self.world, MAIN)
        run = observe_kolabd(self.world, MAIN, chunk)
        run.aside = {what: max(0, seconds - self.start[what]) for what, seconds in nothing.cost.items()}
        return run


def tell(table, place, bare, kolabd):
    def compare(case, unit, value, aim=""):
        table.compare(place, case, unit, list(map(value, bare)), list(map(value, kolabd)), aim)

    compare("first provisioning", "users/s", lambda run: run.rate, ">= 0.95")
    compare("  with the look at those that are there already", "users/s", lambda run: run.people / run.cost[SECONDS])
    compare("  processor time, with the servers'", "ms/user", lambda run: run.all_ms)
    compare("  processor time: itself", "ms/user", lambda run: run.ms("itself"))
    compare("  processor time: Cyrus", "ms/user", lambda run: run.ms("Cyrus"))
    table.tell(place, "  processor time: 389-ds", "ms/user", [run.ms("389-ds") for run in kolabd])
    table.tell(place, "  own processor time, of the servers'", "%", [100 * run.own_share for run in kolabd], "< 10")
    table.tell(place, "  the machine's other work meanwhile", "%", [100 * run.others for run in bare + kolabd])


def memory_aim(people):
    return "< 32" if people <= 2000 else "< 64"


def tell_growth(table, store, sizes, cases):
    """The cost of a changed user at the largest size over that at the smallest one, beside the servers' own growth."""
    if len(sizes) < 2:
        return
    for case in cases:
        small, large = (table.find((store, size), case) for size in (sizes[0], sizes[-1]))
        if small and large:
            grown = [large.median(who) / small.median(who) for who in ("floor", "kolabd")]
            floor, kolabd = ([1 / growth if small.unit.endswith("/s") else growth] for growth in grown)
            table.compare((store, sizes[-1]), f"grown since {sizes[0]}: {case.strip()}", "times", floor, kolabd, "<= 1.15")
