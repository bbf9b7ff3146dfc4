"""First provisioning in a store that grows: near each size the floor makes the mailboxes of some people of its own, and kolabd
those of as many of its domain, in turn."""

import collections
import os
import statistics

import knobs
import world as worlds

MAIN, FLOOR = "main", "floor"
SMALL = 500  # where so few are missing to a size, all of them are measured
CHUNK = 1500  # more people a run than this add nothing but time
STARTS = 9


def plan(have, size, pairs):
    """(people that come at once, people of each measured run) on the way from one size to the next."""
    missing = size - have
    chunk = max(1, min(CHUNK, missing // (pairs if missing <= SMALL else 2 * pairs)))
    return missing - pairs * chunk, chunk


def mailboxes(sizes, pairs):
    """How many there will be in the store that has grown through these sizes, the floor's with them."""
    have = bare = 0
    for size in sizes:
        bare += pairs * plan(have, size, pairs)[1]
        have = size
    return have + bare


class Run:
    """What one run took. `seconds` of kolabd: without its look at those that were there before."""

    def __init__(self, people, seconds, whole, cpu, others):
        self.people = people
        self.seconds = seconds
        self.whole = whole
        self.cpu = cpu  # {whose: processor seconds}
        self.others = others  # share of the machine that had nothing to do with us

    @property
    def rate(self):
        return self.people / self.seconds

    def ms(self, whose):
        return 1000 * self.cpu[whose] / self.people

    @property
    def own_share(self):
        return self.cpu["itself"] / (self.cpu["389-ds"] + self.cpu["Cyrus"])


def observed(world, people, work):
    """`work` gives (seconds, what of them is not to count, processor seconds of its own)."""
    machine, ds, cyrus = worlds.machine_cpu(), *world.cpu()
    whole, aside, client = work()
    ds, cyrus, machine = world.cpu()[0] - ds, world.cpu()[1] - cyrus, worlds.machine_cpu() - machine
    others = max(0, machine - ds - cyrus - client) / whole / os.cpu_count()
    return Run(people, whole - aside, whole, {"itself": client, "389-ds": ds, "Cyrus": cyrus}, others)


def provision(world, word, people, aside):
    """kolabd's run over people that have just come."""
    world.add_people(word, people)
    world.rest(word)

    def work():
        measured = world.sync(word, people, knobs.WORKERS)
        peaks.append(measured["rss_kib"])
        return measured["seconds"], aside, measured["cpu"]
    peaks = []
    return observed(world, people, work), peaks[0]


def floor_provision(world, word, begin, people):
    def work():
        seconds, cpu = world.run_floor(world.users(word, people, begin), knobs.WORKERS)
        return seconds, 0, cpu
    return observed(world, people, work)


def start_seconds(world):
    """kolabd --sync of nobody."""
    world.add_people("nobody", 0)
    return [world.sync("nobody", 0, knobs.WORKERS)["seconds"] for _ in range(STARTS)]


class Growth:
    """One store's. `others`: people of the floor so far."""

    def __init__(self, world, table):
        self.world = world
        self.table = table
        self.floor_people = 0
        world.add_people(MAIN, 0)
        self.start = statistics.median(start_seconds(world))

    def to(self, size):
        """Lets the domain have so many people, and measures the last of them."""
        at_once, chunk = plan(self.world.counts[MAIN], size, knobs.PAIRS)
        place = (self.world.kind, size)
        if at_once > 0:
            provision(self.world, MAIN, at_once, 0)
        runs, peaks = collections.defaultdict(list), []
        for number in range(knobs.PAIRS):
            for who in ("floor", "kolabd") if number % 2 == 0 else ("kolabd", "floor"):
                runs[who].append(self.run(who, chunk, peaks))
        tell(self.table, place, runs["floor"], runs["kolabd"])
        self.table.tell(place, "peak memory: first provisioning", "MiB", [peak / 1024 for peak in peaks], memory_aim(size))

    def run(self, who, chunk, peaks):
        if who == "floor":
            self.floor_people += chunk
            return floor_provision(self.world, FLOOR, self.floor_people - chunk, chunk)
        aside = 0
        if self.world.counts[MAIN]:
            aside = max(0, self.world.sync(MAIN, 0, knobs.WORKERS)["seconds"] - self.start)
        run, peak = provision(self.world, MAIN, chunk, aside)
        peaks.append(peak)
        return run


def tell(table, place, bare, kolabd):
    table.compare(place, "first provisioning", "users/s", [run.rate for run in bare], [run.rate for run in kolabd], ">= 0.95")
    table.compare(place, "  with the look at those that are there already", "users/s",
                  [run.people / run.whole for run in bare], [run.people / run.whole for run in kolabd])
    table.compare(place, "  processor time, with the servers'", "ms/user", *([sum(map(run.ms, run.cpu)) for run in runs]
                                                                             for runs in (bare, kolabd)))
    for whose in ("itself", "Cyrus", "389-ds"):
        both = [[run.ms(whose) for run in runs] for runs in (bare, kolabd)]
        if whose == "389-ds":
            table.tell(place, f"  processor time: {whose}", "ms/user", both[1])
        else:
            table.compare(place, f"  processor time: {whose}", "ms/user", *both)
    table.tell(place, "  own processor time, of the servers'", "%", [100 * run.own_share for run in kolabd], "< 10")
    table.tell(place, "  the machine's other work meanwhile", "%", [100 * run.others for run in kolabd + bare])


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
            table.compare((store, sizes[-1]), f"grown since {sizes[0]} people: {case}", "times", floor, kolabd, "<= 1.15")
