#include "state/database.h"
#include "state/queue.h"
#include "wait/wait.h"

bool state_find_block(State *state, const char *uri, char **version, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query = query_begin(state, "SELECT version FROM server WHERE uri = ?", error);
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 1, uri);
    if (!query_step(state, query, "read the problem of a server", &row, error))
        return false;
    *version = row ? query_text(query, 0) : NULL;
    return true;
}

bool state_note_block(State *state, const char *uri, const char *version, const char *problem, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state, "REPLACE INTO server (uri, version, problem, since) VALUES (?, ?, ?, ?)", error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, uri);
    query_bind_text(query, 2, version);
    query_bind_text(query, 3, problem);
    query_bind_text(query, 4, now);
    return query_run(state, query, "note the problem of a server", error);
}

static bool run_with(State *state, const char *sql, const char *text, const char *doing, GError **error)
{
    g_autoptr(Query) query = query_begin(state, sql, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, text);
    return query_run(state, query, doing, error);
}

static bool lift_block(State *state, const char *uri, GError **error)
{
    static const char QUEUE[] =
        "INSERT INTO change (domain, unique_id, reason, state, due, queued_at, verify)"
        " SELECT domain, unique_id, 'server', 'queued', ?1, ?1, 1 FROM entry WHERE blocked IS NOT NULL AND status = 'ok'"
        " ON CONFLICT DO UPDATE SET state = 'queued', due = iif(state = 'queued', min(due, excluded.due), excluded.due),"
        " verify = 1, generation = generation + 1";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    return transaction_begin(&transaction, state, error) && run_with(state, QUEUE, now, "queue what was blocked", error)
        && run_with(state, "DELETE FROM server WHERE uri = ?", uri, "forget the problem of a server", error)
        && transaction_commit(&transaction, error);
}

bool state_lift_block(State *state, const char *uri, GError **error)
{
    if (!lift_block(state, uri, error))
        return false;
    queue_wake(state);
    return true;
}
