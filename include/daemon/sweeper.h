/* sweeper.h - complete reads of the domains, and the set difference against the state. */
#pragma once

#include "daemon/shared.h"

#include <glib.h>

/* When sweeps are due: asked for by a watch that was opened again, and by the clock; of each domain by itself. Thread-safe. */
typedef struct Sweeper Sweeper;

Sweeper *sweeper_new(Shared *shared);
void sweeper_free(Sweeper *sweeper);

/* Asks for a sweep of a domain as soon as possible. */
void sweeper_request(Sweeper *sweeper, const char *domain);
/* Wakes the thread, so that it sees that the daemon stops. */
void sweeper_wake(Sweeper *sweeper);

/* The daemon's sweep thread: waits for requests and for sweep_interval. */
gpointer sweeper_run(gpointer sweeper);

/* The one-shot run's sweep thread: reads which domains there are, each of them once (or the one entry that was asked for), then
 * clears shared->sweeping. A domain whose sweep stays incomplete counts in shared->incomplete; the others go on. */
gpointer sweeper_run_once(gpointer sweeper);

/* The daemon's thread for what is handed over: makes the sweeps of one after the other, as a one-shot run would. Of a Shared. */
gpointer sweeper_run_handovers(gpointer shared);
