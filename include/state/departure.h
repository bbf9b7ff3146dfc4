/* departure.h - entries that left: why, and what becomes of their mailboxes.
 *
 * A departure is written with its record by queue_finish, and ends with it: an entry that is back withdraws its own. Its
 * mailbox is deleted by the way waiting -> approved -> deleted; a set that is too large goes waiting -> held, one that is not to
 * be deleted any more waiting -> kept or approved -> kept, and an operator's approval leads on from held, kept and failed.
 * Faults: FAULT_STATE. */
#pragma once

#include "wait/wait.h"

#include <glib.h>

typedef struct State State;

typedef enum {
    REASON_GONE,     /* no entry with this unique id anywhere that the bind DN may read; only this one may delete */
    REASON_MOVED,    /* outside of the base */
    REASON_UNSERVED, /* below the base, but no filter matches, or it opted out */
} DepartureReason;

typedef enum {
    DEPARTURE_NONE,      /* not to be remembered: the record goes, too */
    DEPARTURE_WAITING,   /* will be deleted when it is due and the limit allows */
    DEPARTURE_HELD,      /* too many: an operator must approve */
    DEPARTURE_APPROVED,  /* a change is queued that deletes the mailbox */
    DEPARTURE_DELETED,   /* done: the record is gone, its ACL identifiers are up for the clean-up */
    DEPARTURE_KEPT,
    DEPARTURE_FAILED,    /* the server refused; an operator may try again */
} DepartureStatus;

typedef struct {
    DepartureReason reason;
    DepartureStatus status;
    gint64 delay_us;  /* written only: when a waiting one is due */
    char *message;    /* why it failed; NULL: it did not */
    bool by_operator; /* read only: approved by an operator's word, not within the limit */
} Departure;

/* "gone", "moved", "unserved"; "waiting", ... */
const char *departure_reason_name(DepartureReason reason);
const char *departure_status_name(DepartureStatus status);

/* What a decision about a domain is made from. */
typedef struct {
    guint entries;   /* served ones, and those that are waiting or held */
    guint unsettled; /* missing in a sweep, and not looked at since, or in vain fewer than three times: the set is not complete */
    guint waiting;
    guint held;
    guint recent;    /* deleted, or about to be, within the last hour; without what an operator approved */
    guint stranded;  /* approved, but no change is queued: the domain was not served when its turn came */
} DepartureCounts;
bool departure_count(State *state, const char *domain, DepartureCounts *counts, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Holds all that wait in a domain. */
bool departure_hold(State *state, const char *domain, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Keeps the mailboxes of all that wait in a domain; who has none goes on waiting, for its access rights. *kept names them (a new
 * array of Record*, with DN and mailbox only). */
bool departure_keep(State *state, const char *domain, GPtrArray **kept, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Queues changes for the stranded ones. */
bool departure_requeue(State *state, const char *domain, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Approves those that wait in a domain and are due (`all`: due or not), the first `most` of them, and queues their changes;
 * *released says how many. `most`: those that were counted when it was decided; who came since is judged the next time. */
bool departure_release(State *state, const char *domain, bool all, guint most, guint *released,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What there is in all domains, for who waits and for an exit status. */
typedef struct {
    guint waiting;
    guint approved;
    guint open;         /* held, kept, failed: an operator may approve them at any time */
    guint held;
    guint failed;
    guint blocked;      /* changes that wait for a departed entry's mailbox or identifier */
    gint64 next_due_us; /* of the waiting ones, monotonic; G_MAXINT64: none */
} DepartureSummary;
bool departure_summarize(State *state, DepartureSummary *summary, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* As queue_seen, queue_wait and queue_wake, for departures written and deleted. */
guint departure_seen(State *state);
void departure_wait(State *state, Stop *stop, guint seen, gint64 deadline_us);
void departure_wake(State *state);

/* The word of `operator`, in a state opened with STATE_OPERATOR: what `what` names (a domain: all of it that is held; a unique
 * id, DN, address or mailbox: that entry; NULL: all that is held) may be deleted, in the daemon or the next --sync.
 * *count says how many. */
bool departure_approve(State *state, const char *what, const char *operator, guint *count, GError **error) G_GNUC_WARN_UNUSED_RESULT;
