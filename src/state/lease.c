#include "state/outcome.h"

#include <string.h>

/* Changes that are put in a server's queue in one transaction. */
enum { SORTED_AT_A_TIME = 256 };
/* Later than all times of wait_timestamp(). */
#define EVER "9"

/* What a worker has. */
typedef struct {
    bool dropped; /* its row was */
    char *server; /* at whose people it works, as far as that counts; NULL: none */
    gint64 since_us;
} Lease;

static void lease_free(Lease *lease)
{
    g_free(lease->server);
    g_free(lease);
}

GHashTable *lease_table_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)lease_free);
}

/* A line feed is in no domain's name. */
static char *lease_key(const char *domain, const char *unique_id)
{
    return g_strconcat(domain, "\n", unique_id, NULL);
}

static Lease *find_lease(State *state, const char *domain, const char *unique_id)
{
    g_autofree char *key = lease_key(domain, unique_id);

    return g_hash_table_lookup(state->leased, key);
}

/* No row has generation 0: what lies there now, if anything, is another change than the one that was leased. */
gint64 queue_leased_generation(State *state, const Change *change)
{
    const Lease *lease = find_lease(state, change->domain, change->unique_id);

    return lease != NULL && lease->dropped ? 0 : change->generation;
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
    gpointer key, lease;
    bool row;

    g_hash_table_iter_init(&iter, state->leased);
    while (g_hash_table_iter_next(&iter, &key, &lease)) {
        if (!has_row(state, key, &row, error))
            return false;
        if (!row)
            ((Lease *)lease)->dropped = true;
    }
    return true;
}

/* What took long is remembered for as long again: workers that finish at the same moment would find nobody there. */
static void note_slow(State *state, const Lease *lease)
{
    gint64 now_us = g_get_monotonic_time(), took_us = now_us - lease->since_us;
    gint64 *until_us;

    if (lease->server == NULL || state->share.most == 0 || took_us < state->share.slow_us)
        return;
    until_us = g_new(gint64, 1);
    *until_us = now_us + took_us;
    g_hash_table_insert(state->slow, g_ascii_strdown(lease->server, -1), until_us);
}

void queue_end_lease(State *state, const Change *change)
{
    g_autofree char *key = lease_key(change->domain, change->unique_id);
    const Lease *lease = g_hash_table_lookup(state->leased, key);

    if (lease != NULL)
        note_slow(state, lease);
    g_hash_table_remove(state->leased, key);
    queue_rouse_locked(state);
}

void queue_share(State *state, guint most, gint64 slow_us, QueueServerOf server_of, gpointer user_data)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    state->share.most = most;
    state->share.slow_us = slow_us;
    state->share.server_of = server_of;
    state->share.user_data = user_data;
}

static bool was_slow(State *state, const char *server, gint64 now_us)
{
    g_autofree char *key = g_ascii_strdown(server, -1);
    const gint64 *until_us = g_hash_table_lookup(state->slow, key);

    return until_us != NULL && now_us < *until_us;
}

/* As many workers as may are at its people, and one of them has been for long, or was. */
static bool is_full(State *state, const char *server)
{
    gint64 now_us = g_get_monotonic_time(), oldest_us = now_us;
    guint there = 0;
    GHashTableIter iter;
    gpointer value;

    if (server == NULL || state->share.most == 0)
        return false;
    g_hash_table_iter_init(&iter, state->leased);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Lease *lease = value;

        if (lease->server == NULL || g_ascii_strcasecmp(lease->server, server) != 0)
            continue;
        there++;
        oldest_us = MIN(oldest_us, lease->since_us);
    }
    return there >= state->share.most && (now_us - oldest_us >= state->share.slow_us || was_slow(state, server, now_us));
}

/* At whose people a worker would be with this change; *server NULL: that does not count, or nobody knows so far. */
static bool find_server(State *state, const Change *change, char **server, GError **error)
{
    g_autofree char *host = NULL;

    *server = NULL;
    if (state->share.most == 0)
        return true;
    if (!host_find_locked(state, change->domain, change->unique_id, &host, error))
        return false;
    *server = state->share.server_of(change->domain, host, state->share.user_data);
    return true;
}

/* --- the queues: the common one, and one of each server for which changes were put off */

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
    change->server = query_text(query, 8);
    change->due = query_text(query, 9);
    return change;
}

/* The first one in the queue of `server` (NULL: in the common one) that is due by `latest`, and that nobody has: there are never more
 * leases than workers. */
static bool find_in(State *state, const char *server, const char *latest, Change **change, GError **error)
{
    static const char FIND[] = "SELECT domain, unique_id, reason, dn, verify, attempts, generation, last_error, server, due"
                               " FROM change WHERE state = 'queued' AND server IS ?1 AND due <= ?2 ORDER BY due";
    g_autoptr(Query) query = query_begin(state, FIND, error);
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 1, server);
    query_bind_text(query, 2, latest);
    for (;;) {
        g_autoptr(Change) found = NULL;

        if (!query_step(state, query, "look for a change", &row, error))
            return false;
        found = row ? change_of_row(query) : NULL;
        if (found != NULL && find_lease(state, found->domain, found->unique_id) != NULL)
            continue;
        *change = g_steal_pointer(&found);
        return true;
    }
}

/* The servers that have a queue, by name; *server NULL: there is none after this one. */
static bool find_next_server(State *state, char **server, GError **error)
{
    static const char NEXT[] = "SELECT server FROM change WHERE state = 'queued' AND server > ?1 ORDER BY server LIMIT 1";
    g_autofree char *last = g_steal_pointer(server);
    g_autoptr(Query) query = query_begin(state, NEXT, error);
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 1, last != NULL ? last : "");
    if (!query_step(state, query, "look for the queue of a server", &row, error))
        return false;
    *server = row ? query_text(query, 0) : NULL;
    return true;
}

/* The earliest of all queues whose server takes one more worker. */
static bool find_first(State *state, const char *latest, Change **first, GError **error)
{
    g_autofree char *server = NULL;
    g_autoptr(Change) earliest = NULL;

    if (!find_in(state, NULL, latest, &earliest, error))
        return false;
    for (;;) {
        g_autoptr(Change) found = NULL;

        if (!find_next_server(state, &server, error))
            return false;
        if (server == NULL)
            break;
        if (is_full(state, server))
            continue;
        if (!find_in(state, server, latest, &found, error))
            return false;
        if (found != NULL && (earliest == NULL || strcmp(found->due, earliest->due) < 0)) {
            change_free(earliest);
            earliest = g_steal_pointer(&found);
        }
    }
    *first = g_steal_pointer(&earliest);
    return true;
}

static bool put_in_queue(State *state, const Change *change, const char *server, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state, "UPDATE change SET server = ?3 WHERE domain = ?1 AND unique_id = ?2",
                                             change->domain, change->unique_id, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 3, server);
    return query_run(state, query, "put a change in the queue of its server", error);
}

/* One of those is put off, when its server is full. *put_off: it was. */
static bool sort_one(State *state, const char *now, bool *put_off, GError **error)
{
    g_autoptr(Change) first = NULL;
    g_autofree char *server = NULL;

    *put_off = false;
    if (!find_in(state, NULL, now, &first, error))
        return false;
    if (first == NULL)
        return true;
    if (!find_server(state, first, &server, error))
        return false;
    *put_off = is_full(state, server);
    return !*put_off || put_in_queue(state, first, server, error);
}

static bool is_any_full(State *state)
{
    GHashTableIter iter;
    gpointer lease;

    g_hash_table_iter_init(&iter, state->leased);
    while (g_hash_table_iter_next(&iter, NULL, &lease))
        if (is_full(state, ((Lease *)lease)->server))
            return true;
    return false;
}

/* What stands first in the common queue, and whose server is full, goes to that one's queue: each change once, so that what waits
 * for a slow server costs the others nothing. */
static bool sort(State *state, const char *now, GError **error)
{
    bool put_off = is_any_full(state);

    while (put_off) {
        g_auto(Transaction) transaction = {0};

        if (!transaction_begin(&transaction, state, error))
            return false;
        for (guint i = 0; put_off && i < SORTED_AT_A_TIME; i++)
            if (!sort_one(state, now, &put_off, error))
                return false;
        if (!transaction_commit(&transaction, error))
            return false;
    }
    return true;
}

static bool lease(State *state, const Change *change, GError **error)
{
    g_autofree char *server = NULL;
    Lease *lease;

    if (!find_server(state, change, &server, error))
        return false;
    lease = g_new0(Lease, 1);
    lease->server = server != NULL ? g_steal_pointer(&server) : g_strdup(change->server);
    lease->since_us = g_get_monotonic_time();
    g_hash_table_insert(state->leased, lease_key(change->domain, change->unique_id), lease);
    return true;
}

bool queue_lease(State *state, Change **change, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = queue_now(state, error);
    g_autoptr(Change) first = NULL;

    if (now == NULL || !sort(state, now, error) || !find_first(state, now, &first, error)
        || (first != NULL && !lease(state, first, error)))
        return false;
    *change = g_steal_pointer(&first);
    return true;
}

bool queue_enter(State *state, const Change *change, const char *server, bool *full, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    Lease *lease = find_lease(state, change->domain, change->unique_id);

    g_clear_pointer(&lease->server, g_free); /* it does not stand in its own way */
    *full = is_full(state, server);
    if (!*full) {
        lease->server = g_strdup(server);
        return true;
    }
    if (!put_in_queue(state, change, server, error))
        return false;
    queue_end_lease(state, change);
    return true;
}

/* When the next change that somebody could take is due, on the monotonic clock; `latest_us` when none is before that. An error
 * is not told here: the next lease meets it too. */
static gint64 find_next_due(State *state, gint64 latest_us)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(GDateTime) due = NULL;

    if (!find_first(state, EVER, &first, NULL) || first == NULL)
        return latest_us;
    due = g_date_time_new_from_iso8601(first->due, NULL);
    if (due == NULL)
        return latest_us;
    return MIN(latest_us, g_get_monotonic_time() - g_get_real_time()
                              + g_date_time_to_unix(due) * G_USEC_PER_SEC + g_date_time_get_microsecond(due));
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
