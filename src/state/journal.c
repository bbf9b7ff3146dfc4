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
    g_free(row);
}

/* A failure is the news once, and again after an operator asked for another try. */
static bool write_row(State *state, const Change *change, const JournalRow *row, const char *now, GError **error)
{
    static const char WRITE[] =
        "INSERT INTO journal (time, domain, unique_id, mailbox, step, target, before, after, outcome)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE ?9 = 'ok' OR NOT EXISTS (SELECT 1 FROM"
        " (SELECT * FROM journal WHERE unique_id = ?3 AND (step = 'retry' OR (step = ?5 AND target IS ?6 AND mailbox IS ?4))"
        "  ORDER BY time DESC, id DESC LIMIT 1) WHERE step = ?5 AND before IS ?7 AND after IS ?8 AND outcome = ?9)";
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
    return query_run(state, query, "write the journal", error);
}

bool journal_write(State *state, const Change *change, GPtrArray *rows, const char *now, GError **error)
{
    for (guint i = 0; rows != NULL && i < rows->len; i++) {
        if (!write_row(state, change, g_ptr_array_index(rows, i), now, error))
            return false;
    }
    return true;
}
