/* watcher.h - turns notices of a domain into queued changes. A thread each. */
#pragma once

#include "daemon/sweeper.h"

#include <glib.h>

typedef struct {
    Shared *shared;
    Sweeper *sweeper;
    const DomainSettings *domain;
} Watcher;

/* The thread's function: watches until the daemon is asked to stop; after each (re)opening a sweep is asked for. */
gpointer watcher_run(gpointer watcher);
