#include "state/queue.h"

#include "state/outcome.h"

/* Rows of a group in one transaction: enough to make the commit cheap, few enough to let workers begin. */
enum { GROUP_ROWS = 256 };

typedef struct {
    char *domain;
    char *unique_id;
    char *reason;
    bool verify;
} Addition;

static void addition_free(Addition *addition)
{
    g_free(addition->domain);
    g_free(addition->unique_id);
    g_free(addition->reason);
    g_free(addition);
}

void change_free(Change *change)
{
    if (change == NULL)
        return;
    g_free(change->domain);
    g_free(change->unique_id);
    g_free(change->reason);
    g_free(change->dn);
    g_free(change->waits_for);
    g_free(change->last_error);
    g_free(change);
}

/* The count tells a thread that did not wait yet that something happened since it looked. */
void queue_rouse_locked(State *state)
{
    state->wakes++;
    g_cond_broadcast(&state->changed);
}

/* A line feed is in no domain's name. */
static char *lease_key(const char *domain, const char *unique_id)
{
    return g_strconcat(domain, "\n", unique_id, NULL);
}

static bool is_leased(State *state, const char *domain, const char *unique_id)
{
    g_autofree char *key = lease_key(domain, unique_id);

    return g_hash_table_contains(state->leased, key);
}

void queue_end_lease(State *state, const Change *change)
{
    g_autofree char *key = lease_key(change->domain, change->unique_id);

    g_hash_table_remove(state->leased, key);
    queue_rouse_locked(state);
}

/* What a sweep missed counts as unsettled until it was looked at, whoever asks for that as well. */
bool change_write(State *state, const char *domain, const char *unique_id, const char *reason, bool verify,
                  const char *now, GError **error)
{
    static const char ADD[] = "INSERT INTO change (domain, unique_id, reason, state, due, queued_at, verify)"
                              " VALUES (?1, ?2, ?3, 'queued', ?4, ?4, ?5)"
                              " ON CONFLICT DO UPDATE SET"
                              " reason = iif(state = 'queued' AND reason = 'missing', reason, excluded.reason), state = 'queued',"
                              " due = iif(state = 'queued', min(due, excluded.due), excluded.due),"
                              " verify = max(verify, excluded.verify), generation = generation + 1";
    g_autoptr(Query) query = query_begin(state, ADD, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, unique_id);
    query_bind_text(query, 3, reason);
    query_bind_text(query, 4, now);
    query_bind_int(query, 5, verify);
    return query_run(state, query, "queue a change", error);
}

bool change_write_each(State *state, Query *query, const char *reason, bool verify, const char *now, guint *queued, GError **error)
{
    guint count = 0;
    bool row;

    for (;; count++) {
        g_autofree char *domain = NULL;
        g_autofree char *unique_id = NULL;

        if (!query_step(state, query, "queue a change", &row, error))
            return false;
        if (!row)
            break;
        domain = query_text(query, 0);
        unique_id = query_text(query, 1);
        if (!change_write(state, domain, unique_id, reason, verify, now, error))
            return false;
    }
    if (queued != NULL)
        *queued = count;
    return true;
}

static bool write_group(State *state, GPtrArray *group, GError **error)
{
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error))
        return false;
    for (guint i = 0; i < group->len; i++) {
        const Addition *addition = g_ptr_array_index(group, i);

        if (!change_write(state, addition->domain, addition->unique_id, addition->reason, addition->verify, now,
                            error))
            return false;
    }
    if (!transaction_commit(&transaction, error))
        return false;
    g_ptr_array_set_size(group, 0);
    queue_rouse_locked(state);
    return true;
}

static bool add_to_group(State *state, GPtrArray *group, const char *domain, const char *unique_id,
                         const char *reason, bool verify, GError **error)
{
    Addition *addition = g_new0(Addition, 1);

    addition->domain = g_strdup(domain);
    addition->unique_id = g_strdup(unique_id);
    addition->reason = g_strdup(reason);
    addition->verify = verify;
    g_ptr_array_add(group, addition);
    return group->len < GROUP_ROWS || write_group(state, group, error);
}

bool queue_add(State *state, const char *domain, const char *unique_id, const char *reason, bool verify,
               GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    GPtrArray *group = g_hash_table_lookup(state->groups, g_thread_self());
    g_autofree char *now = NULL;

    if (group != NULL)
        return add_to_group(state, group, domain, unique_id, reason, verify, error);
    now = wait_timestamp(0);
    if (!change_write(state, domain, unique_id, reason, verify, now, error))
        return false;
    queue_rouse_locked(state);
    return true;
}

/* A group is collected in memory and not in an open transaction: the connection is shared, and the outcome of a worker
 * must not wait for the sweep's commit. */
bool queue_group_begin(State *state, G_GNUC_UNUSED GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    GPtrArray *group = g_ptr_array_new_with_free_func((GDestroyNotify)addition_free);
    bool first = g_hash_table_insert(state->groups, g_thread_self(), group);

    g_assert(first);
    return true;
}

bool queue_group_end(State *state, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    GPtrArray *group = g_hash_table_lookup(state->groups, g_thread_self());
    bool written = group->len == 0 || write_group(state, group, error);

    g_hash_table_remove(state->groups, g_thread_self());
    return written;
}

static Change *change_of_row(Query *query)
{
    Change *change = g_new0(Change, 1);

    change->domain = query_text(query, 0);
    change->unique_id = query_text(query, 1);
    change->reason = query_text(query, 2);
    change->dn = query_text(query, 3);
    change->verify = query_int(query, 4) != 0;
    change->attempts = (guint)query_int(query, 5);
    change->generation = query_int(query, 6);
    change->last_error = query_text(query, 7);
    return change;
}

/* Passes over the leased rows; there are never more of them than workers. */
bool queue_lease(State *state, Change **change, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT domain, unique_id, reason, dn, verify, attempts, generation, last_error"
                                         " FROM change WHERE state = 'queued' AND due <= ? ORDER BY due",
                                         error);
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 1, now);
    for (;;) {
        g_autoptr(Change) found = NULL;

        if (!query_step(state, query, "lease a change", &row, error))
            return false;
        found = row ? change_of_row(query) : NULL;
        if (found != NULL && is_leased(state, found->domain, found->unique_id))
            continue;
        if (found != NULL)
            g_hash_table_add(state->leased, lease_key(found->domain, found->unique_id));
        *change = g_steal_pointer(&found);
        return true;
    }
}

/* When the next change that nobody holds is due, on the monotonic clock; `latest_us` when none is before that. An error
 * is not told here: the next lease meets it too. */
static gint64 find_next_due(State *state, gint64 latest_us)
{
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT domain, unique_id, due FROM change"
                                         " WHERE state = 'queued' ORDER BY due",
                                         NULL);
    bool row;

    while (query != NULL && query_step(state, query, "look for the next change", &row, NULL) && row) {
        g_autofree char *domain = query_text(query, 0);
        g_autofree char *unique_id = query_text(query, 1);
        g_autofree char *text = query_text(query, 2);
        g_autoptr(GDateTime) due = NULL;

        if (is_leased(state, domain, unique_id))
            continue;
        due = g_date_time_new_from_iso8601(text, NULL);
        if (due == NULL)
            return latest_us;
        return MIN(latest_us, g_get_monotonic_time() - g_get_real_time()
                                  + g_date_time_to_unix(due) * G_USEC_PER_SEC + g_date_time_get_microsecond(due));
    }
    return latest_us;
}

guint queue_seen(State *state)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    return state->wakes;
}

void queue_wait(State *state, Stop *stop, guint seen, gint64 deadline_us)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    while (!stop_asked(stop) && state->wakes == seen) {
        gint64 until_us = find_next_due(state, deadline_us);

        if (until_us <= g_get_monotonic_time())
            return;
        g_cond_wait_until(&state->changed, &state->lock, until_us);
    }
}

void queue_wake(State *state)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    queue_rouse_locked(state);
}

bool change_rouse(State *state, const char *what, const char *now, GError **error)
{
    g_autoptr(Query) query = NULL;

    if (what == NULL)
        return true;
    query = query_begin(state, "UPDATE change SET state = 'queued', due = ?1, waits_for = NULL WHERE waits_for = ?2", error);
    if (query == NULL)
        return false;
    query_bind_text(query, 1, now);
    query_bind_text(query, 2, what);
    return query_run(state, query, "wake changes", error);
}

static bool write_record(State *state, const Change *change, const Record *record, const char *now, GError **error)
{
    bool taken = false;

    if (!waits_wake(state, change->domain, change->unique_id, now, error))
        return false;
    /* Another domain may have taken the record over meanwhile: then it has not departed. */
    if (record != NULL && record->departed && !record_is_taken(state, record, &taken, error))
        return false;
    if (record == NULL || taken)
        return address_release(state, change->domain, change->unique_id, error);
    if (record->departed)
        return departure_write(state, record, now, error);
    return record_write(state, record, now, error) && address_hold(state, record, now, error)
        && identifier_hold(state, record, error) && departure_withdraw(state, record, error);
}

/* Runs `sql` with (domain, unique id, generation) and the time, unless that is NULL. */
static bool settle(State *state, const char *sql, const Change *change, const char *now, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state, sql, change->domain, change->unique_id, error);

    if (query == NULL)
        return false;
    query_bind_int(query, 3, change->generation);
    if (now != NULL)
        query_bind_text(query, 4, now);
    return query_run(state, query, "end a change", error);
}

/* A row of another generation was noticed again: it stays, as a new change. */
static bool end_change(State *state, const Change *change, const char *now, GError **error)
{
    return settle(state, "DELETE FROM change WHERE domain = ?1 AND unique_id = ?2 AND generation = ?3", change, NULL,
                  error)
        && settle(state,
                  "UPDATE change SET state = 'queued', due = ?4, queued_at = ?4, attempts = 0, fault = NULL,"
                  " last_error = NULL, last_try = ?4 WHERE domain = ?1 AND unique_id = ?2 AND generation <> ?3",
                  change, now, error);
}

static bool write_journal(State *state, const Change *change, const Record *record, GPtrArray *journal, const char *now,
                          GError **error)
{
    bool departs = record != NULL && record->departed;

    return journal_write(state, change, journal, now, error)
        && (!departs || journal_note_names(state, change, now, error));
}

bool queue_finish(State *state, const Change *change, const Record *record, GPtrArray *journal, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error) || !write_journal(state, change, record, journal, now, error)
        || !write_record(state, change, record, now, error) || !end_change(state, change, now, error)
        || !transaction_commit(&transaction, error))
        return false;
    queue_end_lease(state, change);
    return true;
}

/* What it waits for may have been given up while it was looked at. */
static bool wake_if_free(State *state, const Change *change, const char *now, GError **error)
{
    static const char WAKE[] = "UPDATE change SET state = 'queued', due = ?3, waits_for = NULL"
                               " WHERE domain = ?1 AND unique_id = ?2 AND waits_for IS NOT NULL"
                               " AND NOT EXISTS (SELECT 1 FROM entry WHERE mailbox = waits_for OR renaming_to = waits_for)"
                               " AND NOT EXISTS (SELECT 1 FROM cleanup WHERE identifier = waits_for)";
    g_autoptr(Query) query = query_begin_for(state, WAKE, change->domain, change->unique_id, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 3, now);
    return query_run(state, query, "wake a change", error);
}

static bool write_failure(State *state, const Change *change, Fault fault, const char *message, const char *now,
                          GError **error)
{
    static const char FAIL[] = "UPDATE change SET attempts = attempts + 1, fault = ?3, last_error = ?4, last_try = ?5,"
                               " dn = coalesce(?6, dn), state = iif(generation = ?7, ?8, 'queued'),"
                               " due = iif(generation = ?7, ?9, ?5), waits_for = ?10"
                               " WHERE domain = ?1 AND unique_id = ?2";
    g_autofree char *due = wait_timestamp(fault == FAULT_RETRY ? wait_backoff_us(change->attempts + 1) : 0);
    g_autoptr(Query) query = query_begin(state, FAIL, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, change->domain);
    query_bind_text(query, 2, change->unique_id);
    query_bind_text(query, 3, fault_name(fault));
    query_bind_text(query, 4, message);
    query_bind_text(query, 5, now);
    query_bind_text(query, 6, change->dn);
    query_bind_int(query, 7, change->generation);
    query_bind_text(query, 8, fault == FAULT_PARK ? "parked" : "queued");
    query_bind_text(query, 9, due);
    query_bind_text(query, 10, change->waits_for);
    return query_run(state, query, "record a fault", error) && wake_if_free(state, change, now, error);
}

bool queue_fail(State *state, const Change *change, Fault fault, const char *message, GPtrArray *journal,
                GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error)
        || !write_failure(state, change, fault, message, now, error)
        || !waits_wake(state, change->domain, change->unique_id, now, error)
        || !journal_write(state, change, journal, now, error) || !transaction_commit(&transaction, error))
        return false;
    queue_end_lease(state, change);
    return true;
}

void queue_return(State *state, const Change *change)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    queue_end_lease(state, change);
}

bool queue_break_off(State *state, const Change *change, GPtrArray *journal, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};
    bool written = journal->len == 0
                || (transaction_begin(&transaction, state, error) && journal_write(state, change, journal, now, error)
                    && transaction_commit(&transaction, error));

    queue_end_lease(state, change);
    return written;
}

bool queue_list_due(State *state, const char *domain, GPtrArray **unique_ids, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(GPtrArray) due = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT unique_id FROM change WHERE domain = ?1 AND state = 'queued' AND due <= ?2",
                                         error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, now);
    if (!query_texts(state, query, "list the changes", due, error))
        return false;
    *unique_ids = g_steal_pointer(&due);
    return true;
}

bool queue_count(State *state, QueueCounts *counts, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT count(*) FILTER (WHERE state = 'queued' AND due <= ?1),"
                                         " count(*) FILTER (WHERE state = 'queued' AND due > ?1),"
                                         " count(*) FILTER (WHERE state = 'parked') FROM change",
                                         error);
    bool row;
    guint due;

    if (query == NULL)
        return false;
    query_bind_text(query, 1, now);
    if (!query_step(state, query, "count the changes", &row, error))
        return false;
    counts->leased = g_hash_table_size(state->leased);
    due = (guint)query_int(query, 0);
    counts->due = due - MIN(due, counts->leased);
    counts->later = (guint)query_int(query, 1);
    counts->parked = (guint)query_int(query, 2);
    return true;
}
