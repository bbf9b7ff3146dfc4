#include "state/match.h"
#include "state/outcome.h"

/* A new generation: a worker that is just failing with it tries once more. */
#define RETRY                                                                                                         \
    "UPDATE change SET reason = 'operator', due = iif(state = 'queued', min(due, ?3), ?3), state = 'queued',"         \
    " waits_for = NULL, generation = generation + 1 WHERE (state = 'parked' OR attempts > 0)"
#define WHAT " RETURNING domain, unique_id, dn, last_error"

typedef struct {
    State *state;
    const char *operator;
    const char *now;
    guint count;
} Retry;

static bool note(const Retry *retry, Query *query, GError **error)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);
    g_autofree char *domain = query_text(query, 0);
    g_autofree char *unique_id = query_text(query, 1);
    g_autofree char *dn = query_text(query, 2);
    const Change change = {.domain = domain, .unique_id = unique_id, .dn = dn};
    JournalRow *row = journal_row_new("retry");

    row->target = g_strdup("change");
    row->before = query_text(query, 3);
    row->after = g_strdup("due");
    row->outcome = g_strdup("ok");
    row->operator = g_strdup(retry->operator);
    g_ptr_array_add(rows, row);
    return journal_write(retry->state, &change, rows, retry->now, error);
}

/* `match` NULL: all. */
static bool run(Retry *retry, const char *sql, const Match *match, GError **error)
{
    g_autoptr(Query) query = match == NULL ? query_begin(retry->state, sql, error)
                                           : query_begin_for(retry->state, sql, match->domain, match->unique_id, error);
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 3, retry->now);
    for (;; retry->count++) {
        if (!query_step(retry->state, query, "make changes due", &row, error))
            return false;
        if (!row)
            return true;
        if (!note(retry, query, error))
            return false;
    }
}

static bool retry_what(Retry *retry, const char *what, GError **error)
{
    g_autoptr(GPtrArray) matches = NULL;

    if (!match_entries(retry->state, what, &matches, error))
        return false;
    for (guint i = 0; i < matches->len; i++)
        if (!run(retry, RETRY " AND domain = ?1 AND unique_id = ?2" WHAT, g_ptr_array_index(matches, i), error))
            return false;
    return true;
}

bool queue_retry(State *state, const char *what, const char *operator, guint *count, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};
    Retry retry = {.state = state, .operator = operator, .now = now};

    if (!transaction_begin(&transaction, state, error)
        || !(what == NULL ? run(&retry, RETRY WHAT, NULL, error) : retry_what(&retry, what, error))
        || !transaction_commit(&transaction, error))
        return false;
    *count = retry.count;
    return true;
}
