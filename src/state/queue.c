#include "state/queue.h"

#include "state/outcome.h"

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
    g_free(change->server);
    g_free(change->due);
    g_free(change);
}

/* The count tells a thread that did not wait yet that something happened since it looked. */
void queue_rouse_locked(State *state)
{
    state->wakes++;
    g_cond_broadcast(&state->changed);
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
