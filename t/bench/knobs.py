"""What the environment says to `make bench`. docs/performance.md explains each."""

import os

CASES = ("provision", "nothing", "restart", "verify", "changed", "burst", "rename", "add")


def number(name, default):
    return int(os.environ.get(name) or default)


def words(name, default):
    return (os.environ.get(name) or default).split()


LONG = number("BENCH_N", 0)
SIZES = [LONG] if LONG else sorted(map(int, words("BENCH_SIZES", "300 2000 20000")))
STORES = words("BENCH_STORES", "tmpfs disk")
DISK_SIZES = [LONG] if LONG else sorted(map(int, words("BENCH_DISK_SIZES", "300 2000")))
ONLY = words("BENCH_CASES", " ".join(CASES))
WORKERS = number("BENCH_WORKERS", 4)
PAIRS = number("BENCH_PAIRS", 5)  # of runs of the floor and of kolabd for each result
VERIFY = number("BENCH_VERIFY_N", 2000)
BURST = number("BENCH_BURST_N", 5000)
ADDS = number("BENCH_ADDS", 200)
RENAMES = number("BENCH_RENAMES", 50)
RSS = number("BENCH_RSS_N", 100000)
DOMAINS = number("BENCH_DOMAINS", 200)
MURDER = number("BENCH_MURDER", 300)


def sizes(store):
    """Of the tmpfs run those that the disk is also asked for, and on the disk no others."""
    return SIZES if store == "tmpfs" or os.environ.get("BENCH_SIZES") and not os.environ.get("BENCH_DISK_SIZES") else DISK_SIZES
