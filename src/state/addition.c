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
