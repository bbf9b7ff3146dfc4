/* reaper.h - decides when the mailboxes of departed entries may be deleted, and cleans up the access rights they leave.
 *
 * It deletes nothing itself: what it approves becomes a change, and a worker reads the entry once more before it acts. */
#pragma once

#include "daemon/shared.h"

#include <glib.h>

/* The daemon's thread. */
gpointer reaper_run(gpointer shared);

/* In a one-shot run, for a worker that finds nothing left to do: decides once for all domains, without waiting for
 * deletion.delay, and once that is carried out cleans up. True when there may be more to do for workers now. */
bool reaper_settle(Shared *shared);
