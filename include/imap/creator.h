/* creator.h - the sessions in which new mailboxes are made: one for all workers of a server.
 *
 * Cyrus 3.6 as Debian 12 ships it takes the id of a mailbox, which names its directory, from rand(). When a process chooses a
 * partition for the first time, or tells a frontend how much room it has, it seeds rand() with the time in seconds (partlist.c). Of
 * two processes that do so in the same second the first mailboxes have the same ids, so people share one directory and read each
 * other's mail. It takes a single server without `defaultpartition`, or a frontend that is to choose the backend. So one session
 * at a time creates, and another one not within a second of its beginning.
 *
 * Thread-safe. A mailbox whose partition is given needs none of this. */
#pragma once

#include "imap/session.h"

#include <glib.h>

typedef struct Creator Creator;

/* Both must outlive it. `last_unix_us`: when an earlier process may have made a mailbox last, microseconds since 1970; 0: never. */
Creator *creator_new(const ImapSettings *settings, Stop *stop, gint64 last_unix_us);
void creator_free(Creator *creator);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Creator, creator_free)

/* Runs commands that make mailboxes, behind those of other workers and without waiting for their answers: over a long link one
 * session makes as many as several would. On `server` of a murder; NULL: where the server or the frontend chooses. `chooses`: one of
 * them is below no other, so that a place has to be chosen for it; then it waits for its turn. Faults as imap_session_open and
 * imap_session_run; FAULT_RETRY also when the daemon is to stop. */
bool creator_run(Creator *creator, const char *server, bool chooses, GPtrArray *commands, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same rule for who asks `server` how much room it has, in a session of its own: waits for its turn, then nobody else has
 * one until creator_end. FAULT_RETRY: the daemon is to stop. */
bool creator_begin(Creator *creator, const char *server, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void creator_end(Creator *creator, const char *server);
