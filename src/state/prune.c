#include "state/prune.h"

#include "state/database.h"
#include "wait/wait.h"

/* Rows of a transaction: some milliseconds, in which workers wait. */
enum { BATCH_ROWS = 500 };

static const char JOURNAL[] = "DELETE FROM journal WHERE id IN (SELECT id FROM journal WHERE time < ?1 ORDER BY time LIMIT ?2)";
static const char NAMES[] = "DELETE FROM journal_name WHERE (name, domain, unique_id) IN"
                            " (SELECT name, domain, unique_id FROM journal_name WHERE last_day < substr(?1, 1, 10) LIMIT ?2)";
static const char DEPARTURES[] =
    "DELETE FROM departure WHERE (domain, unique_id) IN"
    " (SELECT domain, unique_id FROM departure WHERE status = 'deleted' AND decided_at < ?1 LIMIT ?2)";

/* *more stays when there are not. */
static bool prune(State *state, const char *sql, const char *until, bool *more, GError **error)
{
    g_autoptr(Query) query = query_begin(state, sql, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, until);
    query_bind_int(query, 2, BATCH_ROWS);
    if (!query_run(state, query, "remove old rows of the journal", error))
        return false;
    *more = *more || sqlite3_changes(state->db) == BATCH_ROWS;
    return true;
}

bool journal_prune(State *state, guint days, bool *more, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *until = wait_timestamp(-(gint64)days * G_TIME_SPAN_DAY);
    g_auto(Transaction) transaction = {0};

    /* What a departure that goes was called goes with it: names are the last. */
    *more = false;
    return transaction_begin(&transaction, state, error) && prune(state, JOURNAL, until, more, error)
        && prune(state, DEPARTURES, until, more, error) && prune(state, NAMES, until, more, error)
        && transaction_commit(&transaction, error);
}
