#include "state/queue.h"

#include "state/outcome.h"

#include <string.h>

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

/* No row has generation 0: what lies there now, if anything, is another change than the one that was leased. */
gint64 queue_leased_generation(State *state, const Change *change)
{
    g_autofree char *key = lease_key(change->domain, change->unique_id);

    return g_hash_table_lookup(state->leased, key) != NULL ? 0 : change->generation;
}

static bool has_row(State *state, const char *key, bool *row, GError **error)
{
    const char *unique_id = strchr(key, '\n') + 1;
    g_autofree char *domain = g_strndup(key, (gsize)(unique_id - key) - 1);
    g_autoptr(Query) query = query_begin_for(state, "SELECT 1 FROM change WHERE domain = ?1 AND unique_id = ?2", domain, unique_id,
                                             error);

    return query != NULL && query_step(state, query, "look for a leased change", row, error);
}

bool queue_note_dropped(State *state, GError **error)
{
    GHashTableIter iter;
    gpointer key;
    bool row;

    g_hash_table_iter_init(&iter, state->leased);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        if (!has_row(state, key, &row, error))
            return false;
        if (!row)
            g_hash_table_iter_replace(&iter, GINT_TO_POINTER(true));
    }
    return true;
}

void queue_end_lease(State *state, const Change *change)
{
    g_autofree char *key = lease_key(change->domain, change->unique_id);

    g_hash_table_remove(state->leased, key);
    queue_rouse_locked(state);
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
    static const char LEASE[] = "SELECT domain, unique_id, reason, dn, verify, attempts, generation, last_error"
                                " FROM change WHERE state = 'queued' AND due <= ? ORDER BY due";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = queue_now(state, error);
    g_autoptr(Query) query = now != NULL ? query_begin(state, LEASE, error) : NULL;
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
            g_hash_table_insert(state->leased, lease_key(found->domain, found->unique_id), GINT_TO_POINTER(false));
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

void queue_return(State *state, const Change *change)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    queue_end_lease(state, change);
}

bool queue_list_due(State *state, const char *domain, GPtrArray **unique_ids, GError **error)
{
    static const char LIST[] = "SELECT unique_id FROM change WHERE domain = ?1 AND state = 'queued' AND due <= ?2";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = queue_now(state, error);
    g_autoptr(GPtrArray) due = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Query) query = now != NULL ? query_begin(state, LIST, error) : NULL;

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
    static const char COUNT[] = "SELECT count(*) FILTER (WHERE state = 'queued' AND due <= ?1),"
                                " count(*) FILTER (WHERE state = 'queued' AND due > ?1),"
                                " count(*) FILTER (WHERE state = 'parked') FROM change";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = queue_now(state, error);
    g_autoptr(Query) query = now != NULL ? query_begin(state, COUNT, error) : NULL;
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
