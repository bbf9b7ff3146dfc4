/* supervisor.h - a run of the process: state, signals, watchdog, reload, end. */
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

/* Runs the daemon, or a one-shot run, to its end, and returns the exit status. Errors have been logged. Takes `config`, which was
 * read from `config_file`.
 *
 * SIGTERM, SIGINT: work in progress is finished or broken off within five seconds; a second one does not wait. SIGHUP: the
 * daemon reads the file again and goes on with it, or, when it is wrong, as before; a one-shot run ends. */
int supervisor_run(const char *config_file, Config *config, const RunOptions *options);
