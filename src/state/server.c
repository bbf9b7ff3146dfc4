#include "state/outcome.h"

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

bool state_has_block(State *state, bool *any, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query = query_begin(state, "SELECT 1 FROM server LIMIT 1", error);

    return query != NULL && query_step(state, query, "look for the problem of a server", any, error);
}

/* Only the backends of a murder have names that are no URIs. */
static bool queue_blocked(State *state, const char *uri, GError **error)
{
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state, "SELECT domain, unique_id FROM entry WHERE blocked IS NOT NULL AND status = 'ok'"
                                         " AND (?1 LIKE '%://%' OR mail_host = ?1 COLLATE NOCASE)", error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, uri);
    return change_write_each(state, query, "server", true, now, NULL, error);
}

static bool forget(State *state, const char *uri, GError **error)
{
    g_autoptr(Query) query = query_begin(state, "DELETE FROM server WHERE uri = ?", error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, uri);
    return query_run(state, query, "forget the problem of a server", error);
}

static bool lift_block(State *state, const char *uri, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_auto(Transaction) transaction = {0};

    return transaction_begin(&transaction, state, error) && queue_blocked(state, uri, error) && forget(state, uri, error)
        && transaction_commit(&transaction, error);
}

bool state_lift_block(State *state, const char *uri, GError **error)
{
    if (!lift_block(state, uri, error))
        return false;
    queue_wake(state);
    return true;
}
