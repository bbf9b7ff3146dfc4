/* watch.h - notices: somebody must look at this entry. A connection of its own, used by one thread.
 *
 * Persistent search has no cookie, no change number and no "refresh done", and the listener exists only from the call on:
 * open the watch first, then sweep. A lost watch means: open a new one, and sweep again. */
#pragma once

#include "directory/directory.h"

#include <glib.h>

typedef struct Watch Watch;

/* Connects and starts a persistent search below the domain's base with a wide filter, because the server tests filters on
 * the entry after the change only. FAULT_STOP and FAULT_RETRY as directory_connect; FAULT_STOP too when the server
 * has no persistent search. The arguments must outlive the watch. */
Watch *watch_open(const DirectorySettings *settings, const DomainSettings *domain, Stop *stop,
                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
void watch_close(Watch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Watch, watch_close)

/* Waits for the next notice. *unique_id is owned by the caller; NULL when the daemon is asked to stop. *sweep is set when
 * the notice cannot be pinned to one entry (a container was renamed): look at all of them.
 * FAULT_RETRY: the watch is lost. */
bool watch_next(Watch *watch, char **unique_id, bool *sweep, GError **error) G_GNUC_WARN_UNUSED_RESULT;
