/* outcome.h - the parts of a change's outcome, written by queue.c in its transaction. Private to src/state.
 *
 * All are called with the state's lock held. `now` is ISO 8601 UTC. Faults: FAULT_STATE, but where it says otherwise. */
#pragma once

#include "state/database.h"
#include "state/journal.h"
#include "state/queue.h"

/* Writes the row of the entry. FAULT_PARK: another entry has the mailbox; the message names both. */
bool record_write(State *state, const Record *record, const char *now, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether another domain has taken the row of the entry over. */
bool record_is_taken(State *state, const Record *record, bool *taken, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Makes what the record calls its identifiers the ones that its entry has. */
bool identifier_hold(State *state, const Record *record, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Reads them into the record. */
bool identifier_read(State *state, Record *record, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Writes a record that has departed, as its departure says. */
bool departure_write(State *state, const Record *record, const char *now, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The entry is there: no departure of it is open any more. */
bool departure_withdraw(State *state, const Record *record, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Reads the departure into a record that has departed. */
bool departure_read(State *state, Record *record, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Writes a change as queue_add does. */
bool change_write(State *state, const char *domain, const char *unique_id, const char *reason, bool verify, const char *now,
                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same for each row of a query, whose columns are domain and unique id. *queued (NULL: nobody asks) says how many. */
bool change_write_each(State *state, Query *query, const char *reason, bool verify, const char *now, guint *queued,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Makes changes due that wait for `what`, whoever has it: they see what became of it. */
bool change_rouse(State *state, const char *what, const char *now, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* queue_wake with the lock held. */
void queue_rouse_locked(State *state);
/* state_find_host with the lock held. */
bool host_find_locked(State *state, const char *domain, const char *unique_id, char **host, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* An empty table of leases. */
GHashTable *lease_table_new(void);

/* Makes due what waits for the end of an entry's change: for the mailbox that it has on record, before that changes. */
bool waits_wake(State *state, const char *domain, const char *unique_id, const char *now, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The version of its row that a change was leased with; one that no row has when that row was dropped meanwhile: a row that was made
 * since counts its versions from the beginning. */
gint64 queue_leased_generation(State *state, const Change *change);
/* Rows were dropped, whoever holds them: remembers whose. */
bool queue_note_dropped(State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The time for a look at what is due; owned by the caller, NULL: *error is set. When the wall clock was set back since the last look,
 * or since another process looked, this makes due what was due at once when it was queued, and what is due later than any back-off
 * lasts. */
char *queue_now(State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Ends a lease in memory, and wakes who waits for the queue. */
void queue_end_lease(State *state, const Change *change);

/* Makes the record's addresses the ones that its entry holds, and queues who has a new primary one as alias. */
bool address_hold(State *state, const Record *record, const char *now, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Drops what an entry reserved and never wrote. */
bool address_release(State *state, const char *domain, const char *unique_id, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads the addresses that an entry holds into the record. */
bool address_read(State *state, Record *record, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Adds rows (of JournalRow*; NULL: none) for the entry of a change. Before its record is written: what the DN of a deleted entry was is
 * known until then. */
bool journal_write(State *state, const Change *change, GPtrArray *rows, const char *now,
                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The DN of the change as a name by which the entry's journal is found. */
bool journal_note_dn(State *state, const Change *change, const char *now, GError **error) G_GNUC_WARN_UNUSED_RESULT;
