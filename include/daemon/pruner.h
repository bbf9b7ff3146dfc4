/* pruner.h - forgets the journal's old rows: a daemon at its start and once an hour, a one-shot run at its end. */
#pragma once

#include "daemon/shared.h"

/* A thread: until the daemon is asked to stop. `data` is a Shared. */
gpointer pruner_run(gpointer data);

/* All of it at once: for a one-shot run whose workers have ended. */
void pruner_settle(Shared *shared);
