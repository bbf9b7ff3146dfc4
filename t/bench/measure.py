"""measure.py RESULT COMMAND...: runs a command and writes what it took to the file RESULT, as JSON.

A process of its own because of the memory: Linux counts what a process had before exec into its peak, so that a program
started by bench.py itself would seem to need at least as much as bench.py does. This one is small."""

import json
import os
import sys
import time

result, *command = sys.argv[1:]
begin = time.monotonic()
pid = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.monotonic() - begin
with open(result, "w", encoding="ascii") as file:
    json.dump({"status": os.waitstatus_to_exitcode(status), "seconds": seconds, "rss_kib": usage.ru_maxrss,
               "cpu": usage.ru_utime + usage.ru_stime}, file)
