/* supervisor.h - a run of the process: state, signals, watchdog, reload, end. */
#pragma once

#include "daemon/shared.h"
#include "daemon/summary.h"

#include <glib.h>

/* Runs the daemon, or a one-shot run, to its end, and returns the exit status (summary.h). Errors have been logged. Takes `config`, which was
 * read from `config_file`.
 *
 * SIGTERM, SIGINT: work in progress is finished or broken off within five seconds; a second one does not wait. SIGHUP: the
 * daemon reads the file again and goes on with it, or, when it is wrong, as before; a one-shot run ends. */
int supervisor_run(const char *config_file, Config *config, const RunOptions *options);
