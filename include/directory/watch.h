/* watch.h - notices: somebody must look at this entry. One connection for all that is watched, used by one thread.
 *
 * Persistent search has no cookie, no change number and no "refresh done", and the listener exists only from the call on:
 * start to watch first, then sweep. A lost watch means: open a new one, and sweep again. */
#pragma once

#include "directory/directory.h"

#include <glib.h>

typedef struct Watch Watch;

/* Connects. FAULT_STOP and FAULT_RETRY as directory_connect; FAULT_STOP too when the server has no persistent search.
 * `settings` and `stop` must outlive the watch. */
Watch *watch_open(const DirectorySettings *settings, const char *unique_id_attribute, Stop *stop,
                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
void watch_close(Watch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Watch, watch_close)

/* Watches what is at a base and below, which need not exist yet. Its notices carry `name`, which must not be watched yet.
 * `entries` false: they say only that something changed. On return the server listens, or a refusal is the next notice.
 * FAULT_RETRY: the watch is lost.
 * A few bases have a persistent search each, with a wide filter, because the server tests filters on the entry after the
 * change only. More share one from the root of the server, since a connection carries only a few. When that one
 * takes over, a base that was watched before gets a NOTICE_SWEEP; one that is new is to be swept after the next NOTICE_NONE. */
bool watch_add(Watch *watch, const char *name, const char *base_dn, bool entries, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Ends it, if it is watched. */
void watch_remove(Watch *watch, const char *name);

typedef enum {
    NOTICE_NONE,  /* the deadline passed, or the daemon is asked to stop */
    NOTICE_ENTRY, /* look at one entry */
    NOTICE_SWEEP, /* it cannot be pinned to one entry, or concerns others too (a container was renamed): look at all */
    NOTICE_ENDED, /* the server ended or refused this one; it is not watched any more */
} NoticeKind;

typedef struct {
    NoticeKind kind;
    char *name;
    char *unique_id; /* of NOTICE_ENTRY, and of NOTICE_SWEEP when it is known */
    GError *fault;   /* of NOTICE_ENDED: FAULT_RETRY */
} Notice;

void notice_clear(Notice *notice);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Notice, notice_clear)

/* Waits for the next notice (g_auto, filled here) until `deadline_us` (monotonic). FAULT_RETRY: the watch is lost. */
bool watch_next(Watch *watch, gint64 deadline_us, Notice *notice, GError **error) G_GNUC_WARN_UNUSED_RESULT;
