/* tally.h - the changes that a --sync waits for, and what came of them. Not thread-safe.
 *
 * A change has come to its end when the queue does not have it any more, when it is set aside, and when it has failed as often as
 * a one-shot run would try. One that waits for another entry may do so for long: it keeps nobody waiting. */
#pragma once

#include "state/queue.h"

#include <glib.h>

typedef struct Tally Tally;

/* A change failed, or waits. */
typedef void (*TallyTell)(gpointer user_data, const char *domain, const char *entry, const char *message);

/* `state` must outlive it. */
Tally *tally_new(State *state, TallyTell tell, gpointer user_data);
void tally_free(Tally *tally);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tally, tally_free)

/* A change that is about to be queued; `found`: that was found in the queue just now. */
void tally_expect(Tally *tally, const char *domain, const char *unique_id, bool found);
/* All that is expected has been queued: looks where each stands. May be called again, when changes may have left the queue
 * without a try. FAULT_STOP: the state file. */
bool tally_settle(Tally *tally, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A step of a change was carried out; its lease still stands, so that nobody can have looked at it again. */
void tally_note_step(Tally *tally, const Change *change);
/* A try of a change has ended, and that is in the state: well (`fault` NULL), or not (`message`: what to tell of it). `out`: it was
 * put off untried, because a server that it needs is known to be out of reach; that is its end here. FAULT_STOP: the state file. */
bool tally_note_end(Tally *tally, const Change *change, const GError *fault, const char *message, bool out,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Something is expected that does not wait for another entry. */
bool tally_has_open(const Tally *tally);
/* It is settled, and nothing is open. */
bool tally_is_through(const Tally *tally);
/* The end: tells what waits, and counts it as looked at. */
void tally_close(Tally *tally);

typedef struct {
    guint done, changed, failed;
} TallyCounts;
TallyCounts tally_counts(const Tally *tally);
