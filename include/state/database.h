/* database.h - the connection: statements, transactions, errors. Private to src/state; the only header with sqlite3.h.
 *
 * Everything here is called with state->lock held. Errors say what the operator can do. They are FAULT_STATE when the file is at
 * fault: then nothing more is read from it or written to it before state_revive; and FAULT_STOP when a statement is, a bug. */
#pragma once

#include "state/place.h"
#include "state/queue.h"
#include "state/state.h"

#include <glib.h>
#include <sqlite3.h>

struct State {
    char *path;
    int lock_fd; /* -1: the file is not ours */
    gint64 written_us; /* state_last_written_us */
    GMutex lock;
    GCond changed; /* the queue changed */
    guint wakes;   /* how often it did */
    guint departures; /* how often one was written, see departure.h */
    sqlite3 *db;   /* NULL: closed, because what lies at the path cannot be used */
    Place *place;  /* of the owner: what it has open; NULL: nobody looks after it */
    gint64 looked_us; /* when that was compared with what lies there */
    char *problem; /* why the file cannot be used; NULL: it can */
    char *since;   /* then: when that began */
    bool reviving; /* it is tried all the same */
    int failure;   /* SQLite's result code (primary) that told so; SQLITE_OK: no such */
    GHashTable *statements; /* const char* (a literal) -> sqlite3_stmt*, prepared once */
    GHashTable *leased;     /* char* -> what a worker has: see lease.c */
    struct {
        guint most; /* 0: no limit */
        gint64 slow_us;
        QueueServerOf server_of;
        gpointer user_data;
    } share; /* see queue_share */
    GHashTable *slow; /* char* server, lower case -> gint64* until when it counts as slow */
    gint64 clock_us;        /* the wall clock less the monotonic one, when somebody last looked; 0: nobody did, see due.c */
    GHashTable *groups;     /* GThread* -> GPtrArray*: see queue.c */
};

/* Somebody's sqlite3 shell may hold the lock for a moment; for longer is an outage. Who waits here holds up all threads, and a stop. */
enum { DATABASE_BUSY_MS = 3000 };

/* A state without a file. */
State *database_new(const char *path);

/* The file was opened, or what lies at its path is right for another reason: from here on it is looked after. */
void database_settle(State *state);
/* Notes why the file cannot be used; NULL: it can. Other processes see it in the lock's file. */
void database_note_problem(State *state, int failure, const char *problem);

/* Looks now whether the file can be used. */
bool database_is_in_order(State *state);

/* Sets *error from the connection's last error: "state file F: cannot DOING: why; what to do". False, for `return`. */
bool database_fail(State *state, const char *doing, GError **error);

/* Runs SQL without results, possibly several statements. */
bool database_run(State *state, const char *sql, const char *doing, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A prepared statement in use: reset, with its texts unbound, at the end of the scope. */
typedef sqlite3_stmt Query;
void query_end(Query *query);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Query, query_end)

/* The statement of a literal (its address is the key), owned by the state. NULL: *error is set. */
Query *query_begin(State *state, const char *sql, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* With parameters 1 and 2 bound: the entry that it is about. */
Query *query_begin_for(State *state, const char *sql, const char *domain, const char *unique_id,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Binds parameter `at` (from 1). The text must live until query_end; NULL binds NULL. */
void query_bind_text(Query *query, int at, const char *text);
void query_bind_int(Query *query, int at, gint64 value);
/* Advances: *row says whether there is one. */
bool query_step(State *state, Query *query, const char *doing, bool *row, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Runs a statement to its end. */
bool query_run(State *state, Query *query, const char *doing, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Runs one that has no other parameters than the entry. */
bool query_run_for(State *state, const char *sql, const char *domain, const char *unique_id, const char *doing,
                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Adds the first column of all rows to the texts. */
bool query_texts(State *state, Query *query, const char *doing, GPtrArray *texts, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Column `at` (from 0) of the row, copied; NULL for NULL. */
char *query_text(Query *query, int at);
gint64 query_int(Query *query, int at);

/* A transaction that is rolled back at the end of the scope unless it was committed: g_auto(Transaction) t = {0}. */
typedef struct {
    State *state; /* NULL: not open */
} Transaction;
bool transaction_begin(Transaction *transaction, State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* For several queries that are to see the same moment. */
bool transaction_begin_reading(Transaction *transaction, State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
bool transaction_commit(Transaction *transaction, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void transaction_rollback(Transaction *transaction);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Transaction, transaction_rollback)
