/* supervisor.h - a run of the process: state, threads, signals, watchdog, end. */
#pragma once

#include "daemon/shared.h"

#include <glib.h>

/* Exit statuses. */
enum {
    EXIT_IN_ORDER = 0,
    EXIT_ERROR = 1,
    EXIT_TO_DO = 2,         /* --dry-run: there is something to do */
    EXIT_SOME_FAILED = 3,   /* --sync: some entries failed */
    EXIT_CONFIGURATION = 78 /* daemon: nothing can succeed, do not restart (sysexits: EX_CONFIG) */
};

/* Runs the daemon, or a one-shot run, to its end, and returns the exit status. Errors have been logged. */
int supervisor_run(const Config *config, const RunOptions *options);
