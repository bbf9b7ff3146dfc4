#include "state/journal.h"

#include "state/outcome.h"

JournalRow *journal_row_new(const char *step)
{
    JournalRow *row = g_new0(JournalRow, 1);

    row->step = g_strdup(step);
    return row;
}

void journal_row_free(JournalRow *row)
{
    if (row == NULL)
        return;
    g_free(row->time);
    g_free(row->step);
    g_free(row->target);
    g_free(row->mailbox);
    g_free(row->before);
    g_free(row->after);
    g_free(row->outcome);
    g_free(row->operator);
    g_free(row);
}

/* A failure is the news once, and again after an operator asked for another try. A question of its own: an INSERT that also reads
 * its table makes SQLite collect its rows in a temporary one first, for each row of the journal. */
static bool is_told(State *state, const Change *change, const JournalRow *row, bool *told, GError **error)
{
    static const char TOLD[] =
        "SELECT 1 FROM (SELECT * FROM journal WHERE unique_id = ?1 AND (step = 'retry' OR (step = ?2 AND target IS ?3 AND mailbox IS ?4))"
        "  ORDER BY time DESC, id DESC LIMIT 1) WHERE step = ?2 AND before IS ?5 AND after IS ?6 AND outcome = ?7";
    g_autoptr(Query) query = NULL;

    *told = false;
    if (g_strcmp0(row->outcome, "ok") == 0)
        return true;
    query = query_begin(state, TOLD, error);
    if (query == NULL)
        return false;
    query_bind_text(query, 1, change->unique_id);
    query_bind_text(query, 2, row->step);
    query_bind_text(query, 3, row->target);
    query_bind_text(query, 4, row->mailbox);
    query_bind_text(query, 5, row->before);
    query_bind_text(query, 6, row->after);
    query_bind_text(query, 7, row->outcome);
    return query_step(state, query, "look into the journal", told, error);
}

static bool write_row(State *state, const Change *change, const JournalRow *row, const char *now, GError **error)
{
    static const char WRITE[] =
        "INSERT INTO journal (time, domain, unique_id, mailbox, step, target, before, after, outcome, operator, dn)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
        "  coalesce(?11, (SELECT dn FROM entry WHERE domain = ?2 AND unique_id = ?3),"
        "   (SELECT dn FROM departure WHERE domain = ?2 AND unique_id = ?3)))";
    g_autoptr(Query) query = query_begin(state, WRITE, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, row->time != NULL ? row->time : now);
    query_bind_text(query, 2, change->domain);
    query_bind_text(query, 3, change->unique_id);
    query_bind_text(query, 4, row->mailbox);
    query_bind_text(query, 5, row->step);
    query_bind_text(query, 6, row->target);
    query_bind_text(query, 7, row->before);
    query_bind_text(query, 8, row->after);
    query_bind_text(query, 9, row->outcome);
    query_bind_text(query, 10, row->operator);
    query_bind_text(query, 11, change->dn);
    return query_run(state, query, "write the journal", error);
}

bool journal_note_dn(State *state, const Change *change, const char *now, GError **error)
{
    static const char NOTE[] = "INSERT INTO journal_name (name, domain, unique_id, last_day) SELECT ?3, ?1, ?2, substr(?4, 1, 10)"
                               " WHERE ?3 IS NOT NULL ON CONFLICT DO UPDATE SET last_day = excluded.last_day";
    g_autoptr(Query) query = query_begin_for(state, NOTE, change->domain, change->unique_id, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 3, change->dn);
    query_bind_text(query, 4, now);
    return query_run(state, query, "note what an entry is called", error);
}

bool queue_tell(State *state, const Change *change, GPtrArray *journal, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    return transaction_begin(&transaction, state, error) && journal_write(state, change, journal, now, error)
        && transaction_commit(&transaction, error);
}

bool journal_write(State *state, const Change *change, GPtrArray *rows, const char *now, GError **error)
{
    if (rows == NULL || rows->len == 0)
        return true;
    for (guint i = 0; i < rows->len; i++) {
        bool told;

        if (!is_told(state, change, g_ptr_array_index(rows, i), &told, error)
            || (!told && !write_row(state, change, g_ptr_array_index(rows, i), now, error)))
            return false;
    }
    return true;
}
