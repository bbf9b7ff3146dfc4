/* watcher.h - turns notices into queued changes, and follows the domains as they come and go. One thread, one watch. */
#pragma once

#include "daemon/sweeper.h"

#include <glib.h>

typedef struct Watcher Watcher;

/* Both arguments must outlive it. */
Watcher *watcher_new(Shared *shared, Sweeper *sweeper);
void watcher_free(Watcher *watcher);

/* The thread's function: watches until the daemon is asked to stop; a sweep of a domain is asked for each time its watch
 * begins. A domain that cannot be watched has its own problem and its own back-off. */
gpointer watcher_run(gpointer watcher);
