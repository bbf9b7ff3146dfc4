#include "state/outcome.h"
#include "wait/wait.h"

/* A domain that is not served has no problems but its reason. */
static bool write_note(State *state, const DomainNote *note, const char *now, GError **error)
{
    static const char WRITE[] =
        "INSERT INTO domain (name, base_dn, status, status_since, reason) VALUES (?1, ?2, ?3, ?5, ?4)"
        " ON CONFLICT DO UPDATE SET base_dn = coalesce(excluded.base_dn, base_dn),"
        " status_since = iif(status = excluded.status, coalesce(status_since, excluded.status_since), excluded.status_since),"
        " status = excluded.status, reason = excluded.reason,"
        " problem = iif(excluded.status IN ('served', 'discovery'), problem, NULL),"
        " problem_since = iif(excluded.status IN ('served', 'discovery'), problem_since, NULL),"
        " watch_problem = iif(excluded.status IN ('served', 'discovery'), watch_problem, NULL),"
        " watch_problem_since = iif(excluded.status IN ('served', 'discovery'), watch_problem_since, NULL)";
    g_autoptr(Query) query = query_begin(state, WRITE, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, note->name);
    query_bind_text(query, 2, note->base_dn);
    query_bind_text(query, 3, note->status);
    query_bind_text(query, 4, note->reason);
    query_bind_text(query, 5, now);
    return query_run(state, query, "note a domain", error);
}

bool state_note_domain(State *state, const DomainNote *note, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);

    return write_note(state, note, now, error);
}

/* The names of the rows that are not removed ones yet and have no note. */
static bool list_gone(State *state, GPtrArray *notes, GPtrArray **gone, GError **error)
{
    g_autoptr(GHashTable) there = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Query) query = query_begin(state, "SELECT name FROM domain WHERE status <> 'removed'", error);

    if (query == NULL || !query_texts(state, query, "list the domains", names, error))
        return false;
    for (guint i = 0; i < notes->len; i++)
        g_hash_table_add(there, (gpointer)((const DomainNote *)g_ptr_array_index(notes, i))->name);
    for (guint i = names->len; i-- > 0;)
        if (g_hash_table_contains(there, g_ptr_array_index(names, i)))
            g_ptr_array_remove_index(names, i);
    *gone = g_steal_pointer(&names);
    return true;
}

static bool remove_domain(State *state, const char *name, const char *now, GError **error)
{
    const DomainNote note = {.name = name, .status = "removed"};

    return write_note(state, &note, now, error);
}

/* Not each change is one that a sweep would find again, should the domain be served again: what another entry, an operator or the
 * IMAP server was the reason of leaves the entry as it was. Without a fingerprint it is looked at in any case. */
#define UNSERVED "domain NOT IN (SELECT name FROM domain WHERE status = 'served')"
static const char *const CLEAN_UP =
    "DELETE FROM domain WHERE status = 'removed' AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.domain = domain.name);"
    "UPDATE entry SET fingerprint = NULL WHERE (domain, unique_id) IN (SELECT domain, unique_id FROM change WHERE " UNSERVED ");"
    "DELETE FROM change WHERE " UNSERVED;

bool state_note_domains(State *state, GPtrArray *notes, GPtrArray **removed, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(GPtrArray) gone = NULL;
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error) || !list_gone(state, notes, &gone, error))
        return false;
    for (guint i = 0; i < notes->len; i++)
        if (!write_note(state, g_ptr_array_index(notes, i), now, error))
            return false;
    for (guint i = 0; i < gone->len; i++)
        if (!remove_domain(state, g_ptr_array_index(gone, i), now, error))
            return false;
    if (!database_run(state, CLEAN_UP, "forget what is removed", error) || !queue_note_dropped(state, error)
        || !transaction_commit(&transaction, error))
        return false;
    *removed = g_steal_pointer(&gone);
    return true;
}
