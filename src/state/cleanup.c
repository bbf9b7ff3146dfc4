#include "state/cleanup.h"

#include "state/outcome.h"

void leftover_free(Leftover *leftover)
{
    if (leftover == NULL)
        return;
    g_free(leftover->identifier);
    g_free(leftover->domain);
    g_free(leftover->unique_id);
    g_free(leftover);
}

static bool write_identifier(State *state, const Record *record, const char *identifier, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state,
                                             "INSERT INTO identifier (domain, unique_id, identifier) VALUES (?, ?, ?)"
                                             " ON CONFLICT DO NOTHING",
                                             record->domain, record->unique_id, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 3, identifier);
    return query_run(state, query, "write an identifier", error);
}

bool identifier_hold(State *state, const Record *record, GError **error)
{
    if (!query_run_for(state, "DELETE FROM identifier WHERE domain = ? AND unique_id = ?", record->domain,
                       record->unique_id, "write identifiers", error))
        return false;
    for (guint i = 0; i < record->identifiers->len; i++)
        if (!write_identifier(state, record, g_ptr_array_index(record->identifiers, i), error))
            return false;
    return true;
}

bool identifier_read(State *state, Record *record, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state,
                                             "SELECT identifier FROM identifier WHERE domain = ? AND unique_id = ?"
                                             " ORDER BY identifier",
                                             record->domain, record->unique_id, error);

    return query != NULL && query_texts(state, query, "read identifiers", record->identifiers, error);
}

/* A name that somebody has again is nobody's left-over. */
static bool drop_live(State *state, GError **error)
{
    return database_run(state,
                        "DELETE FROM cleanup WHERE EXISTS (SELECT 1 FROM identifier i JOIN entry e USING (domain, unique_id)"
                        " WHERE i.identifier = cleanup.identifier AND e.status = 'ok')",
                        "list identifiers", error);
}

static bool read_age(State *state, gint64 *age_us, GError **error)
{
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT cast((julianday('now') - julianday(min(since))) * 86400000000 AS INTEGER)"
                                         " FROM cleanup",
                                         error);
    bool row;

    if (query == NULL || !query_step(state, query, "list identifiers", &row, error))
        return false;
    *age_us = row ? query_int(query, 0) : 0;
    return true;
}

static bool read_leftovers(State *state, GPtrArray *leftovers, GError **error)
{
    g_autoptr(Query) query = query_begin(state, "SELECT identifier, domain, unique_id FROM cleanup", error);
    bool row;

    g_ptr_array_set_size(leftovers, 0);
    if (query == NULL)
        return false;
    for (;;) {
        Leftover *leftover;

        if (!query_step(state, query, "list identifiers", &row, error))
            return false;
        if (!row)
            return true;
        leftover = g_new0(Leftover, 1);
        leftover->identifier = query_text(query, 0);
        leftover->domain = query_text(query, 1);
        leftover->unique_id = query_text(query, 2);
        g_ptr_array_add(leftovers, leftover);
    }
}

bool cleanup_list(State *state, GPtrArray **leftovers, gint64 *age_us, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify)leftover_free);

    *age_us = 0;
    /* Mostly there is nothing, and then nothing is written. */
    if (!read_leftovers(state, found, error)
        || (found->len > 0
            && (!drop_live(state, error) || !read_age(state, age_us, error) || !read_leftovers(state, found, error))))
        return false;
    *leftovers = g_steal_pointer(&found);
    return true;
}

static bool drop(State *state, const Leftover *leftover, GError **error)
{
    g_autoptr(Query) query = query_begin(state, "DELETE FROM cleanup WHERE identifier = ?", error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, leftover->identifier);
    return query_run(state, query, "end a clean-up", error);
}

bool cleanup_finish(State *state, GPtrArray *leftovers, GPtrArray *journals, bool complete, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error))
        return false;
    for (guint i = 0; i < leftovers->len; i++) {
        const Leftover *leftover = g_ptr_array_index(leftovers, i);
        const Change change = {.domain = leftover->domain, .unique_id = leftover->unique_id};

        if (!journal_write(state, &change, g_ptr_array_index(journals, i), now, error)
            || (complete && !drop(state, leftover, error)))
            return false;
    }
    if (!transaction_commit(&transaction, error))
        return false;
    queue_rouse_locked(state);
    return true;
}

bool cleanup_pending(State *state, const char *identifier, bool *pending, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query = query_begin(state, "SELECT 1 FROM cleanup WHERE identifier = ?", error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, identifier);
    return query_step(state, query, "look for an identifier", pending, error);
}
