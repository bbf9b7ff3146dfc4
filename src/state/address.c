#include "state/outcome.h"

bool address_release(State *state, const char *domain, const char *unique_id, GError **error)
{
    return query_run_for(state, "DELETE FROM address WHERE domain = ? AND unique_id = ? AND status = 'reserved'",
                         domain, unique_id, "release addresses", error);
}

/* Runs `sql` with (domain, address, unique id, role, time). */
static bool write_address(State *state, const char *sql, const char *domain, const char *unique_id,
                          const char *address, const char *role, const char *now, GError **error)
{
    g_autoptr(Query) query = query_begin(state, sql, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, address);
    query_bind_text(query, 3, unique_id);
    query_bind_text(query, 4, role);
    query_bind_text(query, 5, now);
    return query_run(state, query, "write an address", error);
}

/* The primary address last: when it stands among the aliases too, it is the primary one. */
static bool write_addresses(State *state, const char *sql, const char *domain, const char *unique_id,
                            const char *primary, GPtrArray *aliases, const char *now, GError **error)
{
    for (guint i = 0; aliases != NULL && i < aliases->len; i++) {
        if (!write_address(state, sql, domain, unique_id, g_ptr_array_index(aliases, i), "alias", now, error))
            return false;
    }
    return primary == NULL || write_address(state, sql, domain, unique_id, primary, "primary", now, error);
}

/* Those who have our primary address among their aliases are to look at it, once: when we get it. */
static bool warn_holders(State *state, const Record *record, const char *now, GError **error)
{
    static const char WARN[] =
        "INSERT INTO change (domain, unique_id, reason, state, due, queued_at, verify)"
        " SELECT domain, unique_id, 'exchange', 'queued', ?4, ?4, 1 FROM address"
        " WHERE domain = ?1 AND address = ?3 AND unique_id <> ?2 AND role = 'alias'"
        "  AND NOT EXISTS (SELECT 1 FROM address WHERE domain = ?1 AND address = ?3 AND unique_id = ?2"
        "   AND role = 'primary' AND status = 'held')"
        " ON CONFLICT DO UPDATE SET state = 'queued', due = excluded.due, verify = 1, generation = generation + 1";
    g_autoptr(Query) query = query_begin(state, WARN, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, record->domain);
    query_bind_text(query, 2, record->unique_id);
    query_bind_text(query, 3, record->primary);
    query_bind_text(query, 4, now);
    return query_run(state, query, "warn the holders of an address", error);
}

/* By way of 'reserved', so that an address which stays keeps the time since when it is held. */
bool address_hold(State *state, const Record *record, const char *now, GError **error)
{
    static const char HOLD[] = "INSERT INTO address (domain, address, unique_id, role, status, since)"
                               " VALUES (?, ?, ?, ?, 'held', ?)"
                               " ON CONFLICT DO UPDATE SET role = excluded.role, status = 'held'";

    return warn_holders(state, record, now, error)
        && query_run_for(state, "UPDATE address SET status = 'reserved' WHERE domain = ? AND unique_id = ?",
                         record->domain, record->unique_id, "write addresses", error)
        && write_addresses(state, HOLD, record->domain, record->unique_id, record->primary, record->aliases, now, error)
        && address_release(state, record->domain, record->unique_id, error);
}

bool address_read(State *state, Record *record, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state,
                                             "SELECT address, role = 'primary' FROM address"
                                             " WHERE domain = ? AND unique_id = ? AND status = 'held' ORDER BY address",
                                             record->domain, record->unique_id, error);
    bool row;

    if (query == NULL)
        return false;
    for (;;) {
        if (!query_step(state, query, "read addresses", &row, error))
            return false;
        if (!row)
            return true;
        if (query_int(query, 1) != 0 && record->primary == NULL)
            record->primary = query_text(query, 0);
        else
            g_ptr_array_add(record->aliases, query_text(query, 0));
    }
}

static bool is_reserved(State *state, const char *domain, const char *unique_id, const char *address, bool *reserved,
                        GError **error)
{
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT 1 FROM address WHERE domain = ? AND address = ? AND unique_id <> ?"
                                         " AND status = 'reserved'",
                                         error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, address);
    query_bind_text(query, 3, unique_id);
    return query_step(state, query, "look for reserved addresses", reserved, error);
}

bool state_find_reserved(State *state, const char *domain, const char *unique_id, GPtrArray *addresses,
                         GHashTable *taken, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    for (guint i = 0; i < addresses->len; i++) {
        const char *address = g_ptr_array_index(addresses, i);
        bool reserved;

        if (!is_reserved(state, domain, unique_id, address, &reserved, error))
            return false;
        if (reserved)
            g_hash_table_add(taken, g_strdup(address));
    }
    return true;
}

bool state_find_lost(State *state, const char *domain, const char *unique_id, GPtrArray **addresses, GError **error)
{
    static const char FIND[] =
        "SELECT mine.address FROM address mine JOIN address other"
        " ON other.domain = mine.domain AND other.address = mine.address AND other.unique_id <> mine.unique_id"
        " WHERE mine.domain = ?1 AND mine.unique_id = ?2 AND mine.role = 'alias'"
        " AND other.role = 'primary' AND other.status = 'held'";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Query) query = query_begin_for(state, FIND, domain, unique_id, error);

    if (query == NULL || !query_texts(state, query, "compare addresses", found, error))
        return false;
    *addresses = g_steal_pointer(&found);
    return true;
}

bool state_reserve(State *state, const char *domain, const char *unique_id, const char *primary, GPtrArray *aliases,
                   GError **error)
{
    static const char RESERVE[] = "INSERT INTO address (domain, address, unique_id, role, status, since)"
                                  " VALUES (?, ?, ?, ?, 'reserved', ?)"
                                  " ON CONFLICT DO UPDATE SET role = excluded.role WHERE status = 'reserved'";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    return transaction_begin(&transaction, state, error) && address_release(state, domain, unique_id, error)
        && write_addresses(state, RESERVE, domain, unique_id, primary, aliases, now, error)
        && transaction_commit(&transaction, error);
}
