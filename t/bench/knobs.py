"""What the environment says to `make bench`. docs/performance.md explains each."""

import os


def number(name, default):
    return int(os.environ.get(name) or default)  # "0" is none of it, "" the default


def words(name, default):
    return (os.environ.get(name) or default).split()


SIZES = sorted(map(int, words("BENCH_N", os.environ.get("BENCH_SIZES") or "300 2000 20000")))
STORES = words("BENCH_STORES", "tmpfs disk")
# A disk is slow: who has no time for it names fewer.
DISK_SIZES = sorted(map(int, words("BENCH_DISK_SIZES", " ".join(map(str, SIZES)))))
ONLY = words("BENCH_CASES", "nothing verify restart changed burst add rename")
WORKERS = number("BENCH_WORKERS", 4)
PAIRS = number("BENCH_PAIRS", 9)  # of runs of the floor and of kolabd for each result
PORTIONS = number("BENCH_PORTIONS", 40)  # such pairs for first provisioning, at most
VERIFY = number("BENCH_VERIFY_N", 2000)
BURST = number("BENCH_BURST_N", 5000)
ADDS = number("BENCH_ADDS", 200)
RENAMES = number("BENCH_RENAMES", 50)
RSS = number("BENCH_RSS_N", 100000)
DOMAINS = number("BENCH_DOMAINS", 200)
MURDER = number("BENCH_MURDER", 300)


def sizes(store):
    return SIZES if store == "tmpfs" else DISK_SIZES


def wanted(case):
    return case in ONLY
