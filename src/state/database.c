#include "state/database.h"

#include "model/fault.h"

/* What the operator can do about an error of SQLite (primary result code). */
static const char *advice(int code)
{
    switch (code) { /* ints of another library, not an enum of ours */
    case SQLITE_FULL:
        return "free space on its file system and start kolabd again";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another program holds a lock on it: end that (an sqlite3 shell?) and start kolabd again";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "it is damaged: put back a copy, or move it away and start kolabd, which then compares every entry again";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
        return "check the owner and the permissions of the file and its directory";
    case SQLITE_IOERR:
        return "check the disk and its file system";
    default:
        return "see docs/state.md";
    }
}

bool database_fail(State *state, const char *doing, GError **error)
{
    g_set_error(error, FAULT, FAULT_STOP, "state file %s: cannot %s: %s; %s", state->path, doing,
                sqlite3_errmsg(state->db), advice(sqlite3_errcode(state->db) & 0xff));
    return false;
}

bool database_run(State *state, const char *sql, const char *doing, GError **error)
{
    return sqlite3_exec(state->db, sql, NULL, NULL, NULL) == SQLITE_OK || database_fail(state, doing, error);
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
    sqlite3_stmt *statement = g_hash_table_lookup(state->statements, sql);

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

static bool begin(Transaction *transaction, State *state, const char *sql, GError **error)
{
    if (!database_run(state, sql, "begin a transaction", error))
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
    if (!database_run(transaction->state, "COMMIT", "commit", error))
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
