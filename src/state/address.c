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

/* char* address in lower case -> const char* role. When the primary address stands among the aliases too, it is the primary one. */
static GHashTable *list_wanted(const char *primary, GPtrArray *aliases)
{
    GHashTable *wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; aliases != NULL && i < aliases->len; i++)
        g_hash_table_replace(wanted, g_utf8_strdown(g_ptr_array_index(aliases, i), -1), (gpointer)"alias");
    if (primary != NULL)
        g_hash_table_replace(wanted, g_utf8_strdown(primary, -1), (gpointer)"primary");
    return wanted;
}

/* Of the rows that `sql` gives (address, role, whether it is held) what is as wanted is wanted no more; what is not wanted leaves. */
static bool compare(State *state, const char *sql, const char *domain, const char *unique_id, GHashTable *wanted,
                    GPtrArray *leaving, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state, sql, domain, unique_id, error);
    bool row;

    if (query == NULL)
        return false;
    for (;;) {
        g_autofree char *address = NULL;
        const char *role;

        if (!query_step(state, query, "read addresses", &row, error))
            return false;
        if (!row)
            return true;
        address = query_text(query, 0);
        role = g_hash_table_lookup(wanted, address);
        if (role == NULL)
            g_ptr_array_add(leaving, g_steal_pointer(&address));
        else if (query_int(query, 2) != 0 && g_str_equal(role, (const char *)sqlite3_column_text(query, 1)))
            g_hash_table_remove(wanted, address);
    }
}

static Query *begin_for_address(State *state, const char *sql, const char *domain, const char *unique_id, const char *address,
                                GError **error)
{
    Query *query = query_begin(state, sql, error);

    if (query == NULL)
        return NULL;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, address);
    query_bind_text(query, 3, unique_id);
    return query;
}

/* `sql` takes (domain, address, unique id, role, time, whether the policy made it: it is not among `present`). */
static bool write_address(State *state, const char *sql, const char *domain, const char *unique_id, const char *address,
                          const char *role, GHashTable *present, const char *now, GError **error)
{
    g_autoptr(Query) query = begin_for_address(state, sql, domain, unique_id, address, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 4, role);
    query_bind_text(query, 5, now);
    query_bind_int(query, 6, present != NULL && !g_hash_table_contains(present, address));
    return query_run(state, query, "write an address", error);
}

static bool forget_address(State *state, const char *domain, const char *unique_id, const char *address, GError **error)
{
    static const char FORGET[] = "DELETE FROM address WHERE domain = ? AND address = ? AND unique_id = ?";
    g_autoptr(Query) query = begin_for_address(state, FORGET, domain, unique_id, address, error);

    return query != NULL && query_run(state, query, "give up an address", error);
}

/* An entry's rows become those that are wanted; only what differs is written, one row at a time: over several SQLite would keep a
 * temporary table. */
static bool settle(State *state, const char *read, const char *write, const char *domain, const char *unique_id, GHashTable *wanted,
                   GHashTable *present, const char *now, GError **error)
{
    g_autoptr(GPtrArray) leaving = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter each;
    gpointer address, role;

    if (!compare(state, read, domain, unique_id, wanted, leaving, error))
        return false;
    g_hash_table_iter_init(&each, wanted);
    while (g_hash_table_iter_next(&each, &address, &role))
        if (!write_address(state, write, domain, unique_id, address, role, present, now, error))
            return false;
    for (guint i = 0; i < leaving->len; i++)
        if (!forget_address(state, domain, unique_id, g_ptr_array_index(leaving, i), error))
            return false;
    return true;
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

/* What stays keeps the time since when it is held. */
bool address_hold(State *state, const Record *record, const char *now, GError **error)
{
    static const char READ[] = "SELECT address, role, status = 'held' FROM address " OF_ENTRY;
    static const char HOLD[] = "INSERT INTO address (domain, address, unique_id, role, status, since, made)"
                               " VALUES (?, ?, ?, ?, 'held', ?, ?)"
                               " ON CONFLICT DO UPDATE SET role = excluded.role, status = 'held'";
    g_autoptr(GHashTable) wanted = list_wanted(record->primary, record->aliases);

    return warn_holders(state, record, now, error)
        && settle(state, READ, HOLD, record->domain, record->unique_id, wanted, NULL, now, error);
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
        g_autoptr(Query) query = begin_for_address(state, sql, domain, unique_id, g_ptr_array_index(addresses, i), error);

        if (query == NULL || !query_step(state, query, "look for the addresses of others", &row, error))
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
    static const char READ[] = "SELECT address, role, 0 FROM address " OF_ENTRY " AND status = 'reserved'";
    /* Made by the policy stays made by it: the directory may have had the write of an earlier try. */
    static const char RESERVE[] = "INSERT INTO address (domain, address, unique_id, role, status, since, made)"
                                  " VALUES (?, ?, ?, ?, 'reserved', ?, ?)"
                                  " ON CONFLICT DO UPDATE SET role = excluded.role, status = 'reserved',"
                                  "  since = iif(status = 'reserved', excluded.since, since), made = max(made, excluded.made)"
                                  " WHERE status = 'reserved' OR excluded.made = 1";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(GHashTable) wanted = list_wanted(primary, aliases);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    return transaction_begin(&transaction, state, error)
        && settle(state, READ, RESERVE, domain, unique_id, wanted, present, now, error) && transaction_commit(&transaction, error);
}
