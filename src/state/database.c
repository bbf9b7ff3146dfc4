#include "state/database.h"

#include "model/fault.h"
#include "state/lock.h"
#include "wait/wait.h"

#include <errno.h>

/* Pages in the log after which they are written into the file, as SQLite does by itself. */
enum { CHECKPOINT_PAGES = 1000 };
/* What happens to the file behind our back is seen so soon. */
#define LOOK_US ((gint64)G_USEC_PER_SEC / 20)

/* What the operator can do about an error of SQLite (primary result code); NULL: nothing, it is a bug. */
static const char *advice(int code)
{
    switch (code) { /* ints of another library, not an enum of ours */
    case SQLITE_FULL:
        return "free space on its file system";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return "another program holds a lock on it: end that (an sqlite3 shell?)";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "it is damaged: put back a copy, or stop kolabd and move the file away: a new one compares every entry again";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
        return "check the owner and the permissions of the file and its directory";
    case SQLITE_IOERR:
    case SQLITE_NOLFS:
        return "check the disk and its file system";
    case SQLITE_NOMEM:
        return "there is not enough memory";
    default:
        return NULL;
    }
}

/* SQLite tells a full disk in two ways. */
static int find_code(sqlite3 *db)
{
    int code = sqlite3_errcode(db) & 0xff, number = sqlite3_system_errno(db);

    return code == SQLITE_IOERR && (number == ENOSPC || number == EDQUOT) ? SQLITE_FULL : code;
}

/* What SQLite's own words leave open. */
static const char *reason(sqlite3 *db, int code)
{
    int number = code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? sqlite3_system_errno(db) : 0;

    return number != 0 ? g_strerror(number) : NULL;
}

void database_note_problem(State *state, int failure, const char *problem)
{
    state->failure = failure;
    if (g_strcmp0(state->problem, problem) == 0)
        return;
    if (state->problem == NULL)
        state->since = wait_timestamp(0);
    g_free(state->problem);
    state->problem = g_strdup(problem);
    lock_note(state->lock_fd, state->since, problem);
    if (problem == NULL)
        g_clear_pointer(&state->since, g_free);
}

bool database_fail(State *state, const char *doing, GError **error)
{
    int code = find_code(state->db);
    const char *hint = advice(code);
    const char *why = reason(state->db, code);
    g_autofree char *message =
        g_strdup_printf("state file %s: cannot %s: %s%s%s%s; %s", state->path, doing, sqlite3_errmsg(state->db),
                        why != NULL ? " (" : "", why != NULL ? why : "", why != NULL ? ")" : "", hint != NULL ? hint : "see docs/state.md");

    if (hint != NULL && state->reviving)
        state->failure = code;
    else if (hint != NULL && state->place != NULL)
        database_note_problem(state, code, message);
    g_set_error_literal(error, FAULT, hint != NULL ? FAULT_STATE : FAULT_STOP, message);
    return false;
}

/* Other programs may do with the file what they like: then nothing is read from it, and nothing written over it. */
static void look_after(State *state)
{
    g_autofree char *message = NULL;
    gint64 now_us = g_get_monotonic_time();

    if (now_us - state->looked_us < LOOK_US)
        return;
    state->looked_us = now_us;
    if (place_look(state->place) == PLACE_OURS && lock_is_ours(state->path, state->lock_fd))
        return;
    message = g_strdup_printf("state file %s: it was removed, replaced or overwritten while kolabd works with it", state->path);
    database_note_problem(state, SQLITE_OK, message);
}

/* Within a transaction there is no turning back but by its own end. */
static bool is_usable(State *state, GError **error)
{
    if (state->place == NULL || state->reviving)
        return true;
    if (state->problem == NULL && sqlite3_get_autocommit(state->db))
        look_after(state);
    if (state->problem == NULL)
        return true;
    g_set_error_literal(error, FAULT, FAULT_STATE, state->problem);
    return false;
}

/* In the place of SQLite's own automatism: what lies there now may be no place for the pages of our log. */
static int on_commit(void *data, sqlite3 *db, const char *name, int pages)
{
    State *state = data;

    if (pages < CHECKPOINT_PAGES || place_look(state->place) != PLACE_OURS)
        return SQLITE_OK;
    sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    place_settle(state->place);
    return SQLITE_OK;
}

void database_settle(State *state)
{
    place_free(state->place);
    state->place = place_new(state->path, state->db);
    state->looked_us = g_get_monotonic_time();
    sqlite3_wal_hook(state->db, on_commit, state);
    database_note_problem(state, SQLITE_OK, NULL);
}

bool database_is_in_order(State *state)
{
    state->looked_us = 0;
    return is_usable(state, NULL);
}

bool database_run(State *state, const char *sql, const char *doing, GError **error)
{
    return is_usable(state, error)
        && (sqlite3_exec(state->db, sql, NULL, NULL, NULL) == SQLITE_OK || database_fail(state, doing, error));
}

void query_end(Query *query)
{
    if (query == NULL)
        return;
    sqlite3_reset(query);
    sqlite3_clear_bindings(query);
}

Query *query_begin(State *state, const char *sql, GError **error)
{
    sqlite3_stmt *statement;

    if (!is_usable(state, error))
        return NULL;
    statement = g_hash_table_lookup(state->statements, sql);
    if (statement != NULL)
        return statement;
    if (sqlite3_prepare_v3(state->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
        database_fail(state, "prepare a query", error);
        return NULL;
    }
    g_hash_table_insert(state->statements, (gpointer)sql, statement);
    return statement;
}

/* A wrong index is a bug of ours; texts are far below SQLite's limit. */
void query_bind_text(Query *query, int at, const char *text)
{
    int result = sqlite3_bind_text(query, at, text, -1, SQLITE_STATIC);

    g_assert(result == SQLITE_OK);
}

void query_bind_int(Query *query, int at, gint64 value)
{
    int result = sqlite3_bind_int64(query, at, value);

    g_assert(result == SQLITE_OK);
}

Query *query_begin_for(State *state, const char *sql, const char *domain, const char *unique_id, GError **error)
{
    Query *query = query_begin(state, sql, error);

    if (query == NULL)
        return NULL;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, unique_id);
    return query;
}

bool query_step(State *state, Query *query, const char *doing, bool *row, GError **error)
{
    int result = sqlite3_step(query);

    if (result != SQLITE_ROW && result != SQLITE_DONE)
        return database_fail(state, doing, error);
    *row = result == SQLITE_ROW;
    return true;
}

bool query_run(State *state, Query *query, const char *doing, GError **error)
{
    bool row;

    do {
        if (!query_step(state, query, doing, &row, error))
            return false;
    } while (row);
    return true;
}

bool query_run_for(State *state, const char *sql, const char *domain, const char *unique_id, const char *doing,
                   GError **error)
{
    g_autoptr(Query) query = query_begin_for(state, sql, domain, unique_id, error);

    return query != NULL && query_run(state, query, doing, error);
}

bool query_texts(State *state, Query *query, const char *doing, GPtrArray *texts, GError **error)
{
    bool row;

    for (;;) {
        if (!query_step(state, query, doing, &row, error))
            return false;
        if (!row)
            return true;
        g_ptr_array_add(texts, query_text(query, 0));
    }
}

char *query_text(Query *query, int at)
{
    return g_strdup((const char *)sqlite3_column_text(query, at));
}

gint64 query_int(Query *query, int at)
{
    return sqlite3_column_int64(query, at);
}

/* As a query: parsed once. */
static bool run(State *state, const char *sql, const char *doing, GError **error)
{
    g_autoptr(Query) query = query_begin(state, sql, error);

    return query != NULL && query_run(state, query, doing, error);
}

static bool begin(Transaction *transaction, State *state, const char *sql, GError **error)
{
    if (!run(state, sql, "begin a transaction", error))
        return false;
    transaction->state = state;
    return true;
}

bool transaction_begin(Transaction *transaction, State *state, GError **error)
{
    return begin(transaction, state, "BEGIN IMMEDIATE", error);
}

bool transaction_begin_reading(Transaction *transaction, State *state, GError **error)
{
    return begin(transaction, state, "BEGIN", error);
}

bool transaction_commit(Transaction *transaction, GError **error)
{
    if (!run(transaction->state, "COMMIT", "commit", error))
        return false;
    transaction->state = NULL;
    return true;
}

void transaction_rollback(Transaction *transaction)
{
    /* SQLite may have rolled back itself, on a full disk for one; then this says so and there is nothing to do. */
    if (transaction->state != NULL)
        sqlite3_exec(transaction->state->db, "ROLLBACK", NULL, NULL, NULL);
    transaction->state = NULL;
}
