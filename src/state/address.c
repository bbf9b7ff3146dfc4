#include "state/outcome.h"

/* Left to itself, SQLite looks for an entry's addresses among all of its domain: the key begins with the domain, and that the index
 * needs one more step makes it look no better. */
#define INDEX_OF_ENTRY "INDEXED BY address_entry"
#define OF_ENTRY INDEX_OF_ENTRY " WHERE domain = ? AND unique_id = ?"

bool address_release(State *state, const char *domain, const char *unique_id, GError **error)
{
    return query_run_for(state, "DELETE FROM address " OF_ENTRY " AND status = 'reserved'",
                         domain, unique_id, "release addresses", error);
}

/* Runs `sql` with (domain, address, unique id, role, time, whether the policy made it: it is not among `present`). */
static bool write_address(State *state, const char *sql, const char *domain, const char *unique_id,
                          const char *spelling, const char *role, GHashTable *present, const char *now, GError **error)
{
    g_autofree char *address = g_utf8_strdown(spelling, -1);
    g_autoptr(Query) query = query_begin(state, sql, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, address);
    query_bind_text(query, 3, unique_id);
    query_bind_text(query, 4, role);
    query_bind_text(query, 5, now);
    query_bind_int(query, 6, present != NULL && !g_hash_table_contains(present, address));
    return query_run(state, query, "write an address", error);
}

/* The primary address last: when it stands among the aliases too, it is the primary one. */
static bool write_addresses(State *state, const char *sql, const char *domain, const char *unique_id,
                            const char *primary, GPtrArray *aliases, GHashTable *present, const char *now, GError **error)
{
    for (guint i = 0; aliases != NULL && i < aliases->len; i++) {
        if (!write_address(state, sql, domain, unique_id, g_ptr_array_index(aliases, i), "alias", present, now, error))
            return false;
    }
    return primary == NULL || write_address(state, sql, domain, unique_id, primary, "primary", present, now, error);
}

/* Those who have our primary address among their aliases are to look at it, once: when we get it. */
static bool warn_holders(State *state, const Record *record, const char *now, GError **error)
{
    static const char WARN[] =
        "SELECT domain, unique_id FROM address"
        " WHERE domain = ?1 AND address = ?3 AND unique_id <> ?2 AND role = 'alias' AND made = 1"
        "  AND NOT EXISTS (SELECT 1 FROM address WHERE domain = ?1 AND address = ?3 AND unique_id = ?2"
        "   AND role = 'primary' AND status = 'held')";
    g_autofree char *primary = record->primary != NULL ? g_utf8_strdown(record->primary, -1) : NULL;
    g_autoptr(Query) query = query_begin(state, WARN, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, record->domain);
    query_bind_text(query, 2, record->unique_id);
    query_bind_text(query, 3, primary);
    return change_write_each(state, query, "exchange", true, now, NULL, error);
}

/* By way of 'reserved', so that an address which stays keeps the time since when it is held. */
bool address_hold(State *state, const Record *record, const char *now, GError **error)
{
    static const char HOLD[] = "INSERT INTO address (domain, address, unique_id, role, status, since, made)"
                               " VALUES (?, ?, ?, ?, 'held', ?, ?)"
                               " ON CONFLICT DO UPDATE SET role = excluded.role, status = 'held'";

    return warn_holders(state, record, now, error)
        && query_run_for(state, "UPDATE address " INDEX_OF_ENTRY " SET status = 'reserved' WHERE domain = ? AND unique_id = ?",
                         record->domain, record->unique_id, "write addresses", error)
        && write_addresses(state, HOLD, record->domain, record->unique_id, record->primary, record->aliases, NULL, now, error)
        && address_release(state, record->domain, record->unique_id, error);
}

bool address_read(State *state, Record *record, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state,
                                             "SELECT address, role = 'primary' FROM address " OF_ENTRY
                                             " AND status = 'held' ORDER BY address",
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

/* Runs `sql`, which has a row when somebody else has the address, for each of them. */
static bool find_others(State *state, const char *sql, const char *domain, const char *unique_id, GPtrArray *addresses,
                        GHashTable *found, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    bool row;

    for (guint i = 0; i < addresses->len; i++) {
        g_autoptr(Query) query = query_begin(state, sql, error);

        if (query == NULL)
            return false;
        query_bind_text(query, 1, domain);
        query_bind_text(query, 2, g_ptr_array_index(addresses, i));
        query_bind_text(query, 3, unique_id);
        if (!query_step(state, query, "look for the addresses of others", &row, error))
            return false;
        if (row)
            g_hash_table_add(found, g_strdup(g_ptr_array_index(addresses, i)));
    }
    return true;
}

bool state_find_reserved(State *state, const char *domain, const char *unique_id, GPtrArray *addresses,
                         GHashTable *taken, GError **error)
{
    return find_others(state,
                       "SELECT 1 FROM address WHERE domain = ? AND address = ? AND unique_id <> ? AND status = 'reserved'",
                       domain, unique_id, addresses, taken, error);
}

bool state_find_lost(State *state, const char *domain, const char *unique_id, GPtrArray *lost, GError **error)
{
    static const char FIND[] =
        "SELECT mine.address FROM address mine " INDEX_OF_ENTRY " CROSS JOIN address other"
        " ON other.domain = mine.domain AND other.address = mine.address AND other.unique_id <> mine.unique_id"
        " WHERE mine.domain = ?1 AND mine.unique_id = ?2 AND mine.role = 'alias' AND mine.made = 1"
        " AND other.role = 'primary' AND other.status = 'held'";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query = query_begin_for(state, FIND, domain, unique_id, error);

    return query != NULL && query_texts(state, query, "compare addresses", lost, error);
}

bool state_reserve(State *state, const char *domain, const char *unique_id, const char *primary, GPtrArray *aliases,
                   GHashTable *present, GError **error)
{
    /* Made by the policy stays made by it: the directory may have had the write of an earlier try. */
    static const char DOUBT[] = "UPDATE address " INDEX_OF_ENTRY " SET since = '' WHERE domain = ? AND unique_id = ? AND status = 'reserved'";
    static const char RESERVE[] = "INSERT INTO address (domain, address, unique_id, role, status, since, made)"
                                  " VALUES (?, ?, ?, ?, 'reserved', ?, ?)"
                                  " ON CONFLICT DO UPDATE SET role = excluded.role, status = 'reserved',"
                                  "  since = iif(since = '', excluded.since, since), made = max(made, excluded.made)"
                                  " WHERE status = 'reserved' OR excluded.made = 1";
    static const char FORGET[] = "DELETE FROM address " OF_ENTRY " AND since = ''";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    return transaction_begin(&transaction, state, error)
        && query_run_for(state, DOUBT, domain, unique_id, "reserve addresses", error)
        && write_addresses(state, RESERVE, domain, unique_id, primary, aliases, present, now, error)
        && query_run_for(state, FORGET, domain, unique_id, "reserve addresses", error)
        && transaction_commit(&transaction, error);
}
