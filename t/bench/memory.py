"""How much memory kolabd needs for many people. They get no folders, so that it takes minutes and not hours."""

import knobs
from growing import memory_aim
from live import read_all
from running import Running

WORD = "crowd"


def measure(world, table, people, attributes):
    place, aim = (world.kind, people), memory_aim(people)
    world.settings = {"folders": {"create": {}}}
    world.add_people(WORD, people)
    first = world.sync(WORD, people, knobs.WORKERS)
    table.tell(place, "provisioning without folders", "users/s", people / first["seconds"])
    table.tell(place, "peak memory: first provisioning, without folders", "MiB", first["rss_kib"] / 1024, aim)
    dump, again = world.dump(WORD, attributes), world.sync(WORD, 0, knobs.WORKERS)
    table.compare(place, "nothing to do, without folders", "ms", [1000 * dump["seconds"]], [1000 * again["seconds"]])
    table.tell(place, "peak memory: nothing to do, without folders", "MiB", again["rss_kib"] / 1024, aim)
    with Running(world.configure(WORD, knobs.WORKERS)) as daemon:
        daemon.wait_for(read_all(world, WORD, "0 to look at"))
        table.tell(place, "peak memory: daemon, without folders", "MiB", daemon.peak_memory_kib / 1024, aim)
