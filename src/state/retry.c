#include "state/match.h"
#include "state/queue.h"

/* A new generation: a worker that is just failing with it tries once more. */
#define RETRY                                                                                                         \
    "UPDATE change SET reason = 'operator', due = iif(state = 'queued', min(due, ?3), ?3), state = 'queued',"         \
    " waits_for = NULL, generation = generation + 1 WHERE (state = 'parked' OR attempts > 0)"

static bool retry(State *state, const char *sql, const Match *match, const char *now, guint *count, GError **error)
{
    g_autoptr(Query) query =
        match == NULL ? query_begin(state, sql, error) : query_begin_for(state, sql, match->domain, match->unique_id, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 3, now);
    if (!query_run(state, query, "make changes due", error))
        return false;
    *count += (guint)sqlite3_changes(state->db);
    return true;
}

static bool retry_what(State *state, const char *what, const char *now, guint *count, GError **error)
{
    g_autoptr(GPtrArray) matches = NULL;

    if (!match_entries(state, what, &matches, error))
        return false;
    for (guint i = 0; i < matches->len; i++)
        if (!retry(state, RETRY " AND domain = ?1 AND unique_id = ?2", g_ptr_array_index(matches, i), now, count, error))
            return false;
    return true;
}

bool queue_retry(State *state, const char *what, guint *count, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};
    guint retried = 0;

    if (!transaction_begin(&transaction, state, error)
        || !(what == NULL ? retry(state, RETRY, NULL, now, &retried, error) : retry_what(state, what, now, &retried, error))
        || !transaction_commit(&transaction, error))
        return false;
    *count = retried;
    return true;
}
