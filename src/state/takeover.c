#include "state/outcome.h"

bool state_find_elsewhere(State *state, const char *domain, const char *unique_id, char **other, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query =
        query_begin_for(state, "SELECT domain FROM entry WHERE unique_id = ?2 AND domain <> ?1", domain, unique_id, error);
    bool row;

    if (query == NULL || !query_step(state, query, "look for an entry in other domains", &row, error))
        return false;
    *other = row ? query_text(query, 0) : NULL;
    return true;
}

static bool run(State *state, const char *sql, const char *from, const char *to, const char *unique_id, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state, sql, from, unique_id, error);

    if (query == NULL)
        return false;
    if (to != NULL)
        query_bind_text(query, 3, to);
    return query_run(state, query, "move an entry to another domain", error);
}

/* Without a fingerprint it is looked at again, should it not be brought in order now. */
bool state_take_over(State *state, const char *from, const char *to, const char *unique_id, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_auto(Transaction) transaction = {0};

    return transaction_begin(&transaction, state, error)
        && run(state, "UPDATE OR REPLACE address SET domain = ?3 WHERE domain = ?1 AND unique_id = ?2", from, to, unique_id, error)
        && run(state, "UPDATE OR REPLACE identifier SET domain = ?3 WHERE domain = ?1 AND unique_id = ?2", from, to, unique_id,
               error)
        && run(state, "DELETE FROM departure WHERE domain = ?1 AND unique_id = ?2", from, NULL, unique_id, error)
        && run(state, "UPDATE entry SET domain = ?3, status = 'ok', fingerprint = NULL WHERE domain = ?1 AND unique_id = ?2", from,
               to, unique_id, error)
        && transaction_commit(&transaction, error);
}

bool record_is_taken(State *state, const Record *record, bool *taken, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state,
                                             "SELECT 1 FROM entry WHERE unique_id = ?2 AND domain <> ?1"
                                             " AND NOT EXISTS (SELECT 1 FROM entry WHERE domain = ?1 AND unique_id = ?2)",
                                             record->domain, record->unique_id, error);

    return query != NULL && query_step(state, query, "look for a record", taken, error);
}
