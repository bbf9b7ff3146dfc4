/* queue.h - changes: entries that somebody must look at. One row an entry, however often it is noticed.
 *
 * A lease is held in memory: a crash returns it. No two workers hold the same entry.
 * Faults: FAULT_STATE, but for queue_finish. */
#pragma once

#include "model/fault.h"
#include "state/journal.h"
#include "state/state.h"
#include "wait/wait.h"

#include <glib.h>

typedef struct {
    char *domain;
    char *unique_id;
    char *reason;      /* "notice", "sweep", "operator", "exchange": another entry wants, or took, what it has */
    char *dn;          /* of the last failed try; the worker sets it once it knows: a problem is shown with it */
    char *waits_for;   /* the worker sets it when it fails: a mailbox of another entry, or an ACL identifier; once nobody
                          has that any more the change is due at once */
    bool changed;      /* the worker sets it: a step was carried out */
    bool verify;       /* look at the IMAP side too, whatever the state says */
    guint attempts;    /* failed ones so far */
    char *last_error;  /* of the last failed try; NULL: none */
    gint64 generation; /* which version of the row was leased */
    char *server;      /* for which it was put off, see queue_share; NULL: it was not */
    char *due;         /* since when */
} Change;

void change_free(Change *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Change, change_free)

/* Queues a change and wakes a waiting worker. An entry that is queued already is made due at once (its last error and
 * attempts stay until an outcome); one that is leased is processed once more afterwards; a parked one is tried again. */
bool queue_add(State *state, const char *domain, const char *unique_id, const char *reason, bool verify,
               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Groups the queue_add calls of one thread into transactions: between the two calls the commit happens every few hundred
 * rows. What was added is visible to workers after queue_group_end at the latest. */
bool queue_group_begin(State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
bool queue_group_end(State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Leases the change that has been due longest, of those whose server takes one more worker. *change is owned by the caller, NULL when
 * none is due. */
bool queue_lease(State *state, Change **change, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The server at whose people a change of `domain` is, whose record has `mail_host` (NULL: no record, or none in it); owned by the
 * caller; NULL: nobody knows, or there is no other one. Called with the state locked. */
typedef char *(*QueueServerOf)(const char *domain, const char *mail_host, gpointer user_data);
/* From now on a server that is slow (a worker has been at one of its people for `slow_us`, or was, no longer ago than it was there) gets
 * no more than `most` workers at the same time, as long as it is: the others are there for everybody else. 0: no limit, as at first;
 * server_of is not called any more. */
void queue_share(State *state, guint most, gint64 slow_us, QueueServerOf server_of, gpointer user_data);
/* The worker that has this lease goes on at `server`, which was not known before. *full: it must not, the lease has ended, and the
 * change waits until that server takes one more. */
bool queue_enter(State *state, const Change *change, const char *server, bool *full, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What has happened to the queue so far, as a number: taken before looking, given to queue_wait after. */
guint queue_seen(State *state);
/* Waits until a change is due, anything has happened to the queue since `seen`, `deadline_us` (monotonic) passes, or the
 * daemon is asked to stop (queue_wake makes that known). What queue_retry makes due in another process is not noticed. */
void queue_wait(State *state, Stop *stop, guint seen, gint64 deadline_us);
/* Wakes all that wait. */
void queue_wake(State *state);

/* The outcome, in one transaction: the record (NULL: nothing to remember, the row of the entry stays as it is), its
 * addresses (reservations become held ones), the journal rows, and the end of the change. A change that was noticed again
 * meanwhile becomes due at once.
 * FAULT_PARK: another entry has the record's mailbox (the message names both); nothing was written and the lease is still
 * held: queue_fail comes next. */
bool queue_finish(State *state, const Change *change, const Record *record, GPtrArray *journal,
                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The outcome was a fault: FAULT_RETRY makes the change due after the back-off, FAULT_PARK sets it aside until the entry
 * changes or queue_retry, FAULT_STOP leaves it due. A change that was noticed again meanwhile becomes due at once.
 * The steps that were tried go to the journal. A change with `waits_for` that is set aside becomes due as soon as no
 * other entry has that mailbox. */
bool queue_fail(State *state, const Change *change, Fault fault, const char *message, GPtrArray *journal,
                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The word of `operator`, in a state opened with STATE_OPERATOR: what is set aside or waits for another try becomes due, once more
 * if a worker is trying it. `what` is a unique id, DN, address or mailbox; NULL: all. *count says how many there were. */
bool queue_retry(State *state, const char *what, const char *operator, guint *count, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The unique ids of a domain's changes that are due now, or leased: a new array of char*, owned by the caller. */
bool queue_list_due(State *state, const char *domain, GPtrArray **unique_ids, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Where an entry's change stands. */
typedef enum {
    QUEUE_ABSENT,  /* there is none */
    QUEUE_PENDING, /* queued or in somebody's hands, and not failed yet */
    QUEUE_FAILED,  /* set aside, or waiting for another try */
} QueuePlace;
bool queue_look(State *state, const char *domain, const char *unique_id, QueuePlace *place,
                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Ends the lease of a change that cannot go on before the owner of `waits_for` has left that mailbox; no failure. It becomes
 * due when the owner's change comes to an end, at once when that has happened meanwhile. The steps that were tried go to
 * the journal. */
bool queue_postpone(State *state, const Change *change, const char *owner_domain, const char *owner_id, GPtrArray *journal,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Gives a change back for a while: nobody takes it before `until_us` (monotonic), and that is no failed attempt. The steps that were
 * tried go to the journal. */
bool queue_defer(State *state, const Change *change, gint64 until_us, GPtrArray *journal, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Makes due at once what was given back so. */
bool queue_resume(State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Writes journal rows of a change that is not at its end yet. */
bool queue_tell(State *state, const Change *change, GPtrArray *journal, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Gives a change back untouched. */
void queue_return(State *state, const Change *change);
/* The same for one that was begun (the daemon stops, or a server refuses us): the steps that were tried go to the journal. */
bool queue_break_off(State *state, const Change *change, GPtrArray *journal, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* How many changes wait (due now or later, without leased and parked ones), are leased, are parked. Looks at every row:
 * for a progress line, not for every change. */
typedef struct {
    guint due;
    guint later; /* waiting for a retry */
    guint leased;
    guint parked;
} QueueCounts;
bool queue_count(State *state, QueueCounts *counts, GError **error) G_GNUC_WARN_UNUSED_RESULT;
