#include "state/report.h"

#include "plan/print.h"
#include "state/layout.h"
#include "state/match.h"

#include <string.h>

/* Rows read at a time. Between two pages nothing is locked, so that a pager which nobody scrolls keeps no snapshot, and the
 * write-ahead log does not grow behind it. */
#define PAGE_ROWS "500"

/* Widest words of ours: "failed", "approve deletion". */
enum { OUTCOME_WIDTH = 6, STEP_WIDTH = 16 };

typedef struct {
    State *state;
    bool json;
    char *entries; /* unique ids, a JSON array; NULL: all */
    gint64 newest; /* row when the report began: what comes later is not chased */
    char *time;    /* of the last row that was reported, and its id */
    gint64 id;
} Cursor;

static void cursor_clear(Cursor *cursor)
{
    g_free(cursor->entries);
    g_free(cursor->time);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Cursor, cursor_clear)

/* An entry that was moved to another domain has rows in both, so the unique id counts alone. */
static char *list_entries(GPtrArray *matches)
{
    GString *entries = g_string_new("[");

    for (guint i = 0; i < matches->len; i++) {
        g_string_append(entries, i > 0 ? "," : "");
        json_append_string(entries, ((const Match *)g_ptr_array_index(matches, i))->unique_id);
    }
    g_string_append_c(entries, ']');
    return g_string_free(entries, FALSE);
}

static bool find_entries(Cursor *cursor, const char *what, guint *found, GError **error)
{
    g_autoptr(GPtrArray) matches = NULL;

    if (!match_history(cursor->state, what, &matches, error))
        return false;
    *found = matches->len;
    cursor->entries = list_entries(matches);
    return true;
}

static bool find_newest(Cursor *cursor, GError **error)
{
    g_autoptr(Query) query = query_begin(cursor->state, "SELECT max(id) FROM journal", error);
    bool row;

    if (query == NULL || !query_step(cursor->state, query, "read the journal", &row, error))
        return false;
    cursor->newest = query_int(query, 0);
    return true;
}

static bool begin(Cursor *cursor, const JournalFilter *filter, guint *found, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cursor->state->lock);

    cursor->time = g_strdup(filter->since != NULL ? filter->since : "");
    return (filter->entry == NULL || find_entries(cursor, filter->entry, found, error)) && find_newest(cursor, error);
}

enum { ID, TIME, OBJECT, OUTCOME = OBJECT, STEP, TARGET, MAILBOX, BEFORE, AFTER, DN, UNIQUE_ID, OPERATOR };

#define PAGE(columns, whose)                                                                                          \
    "SELECT id, time, " columns " FROM journal WHERE " whose "(time, id) > (?1, ?2) AND id <= ?3"                     \
    " ORDER BY time, id LIMIT " PAGE_ROWS
#define TEXT "outcome, step, target, mailbox, before, after, dn, unique_id, operator"
#define JSON                                                                                                          \
    "json_object('time', time, 'domain', domain, 'unique_id', unique_id, 'dn', dn, 'mailbox', mailbox, 'step', step," \
    " 'target', target, 'before', before, 'after', after, 'outcome', outcome, 'operator', operator)"
#define OF_ENTRIES "unique_id IN (SELECT value FROM json_each(?4)) AND "

static Query *begin_page(const Cursor *cursor, const char *after, GError **error)
{
    static const char *const PAGES[2][2] = {{PAGE(TEXT, ""), PAGE(TEXT, OF_ENTRIES)}, {PAGE(JSON, ""), PAGE(JSON, OF_ENTRIES)}};
    Query *query = query_begin(cursor->state, PAGES[cursor->json][cursor->entries != NULL], error);

    if (query == NULL)
        return NULL;
    query_bind_text(query, 1, after);
    query_bind_int(query, 2, cursor->id);
    query_bind_int(query, 3, cursor->newest);
    if (cursor->entries != NULL)
        query_bind_text(query, 4, cursor->entries);
    return query;
}

static const char *column(Query *query, int at)
{
    return (const char *)sqlite3_column_text(query, at);
}

/* `text`, made safe, between `before` and `after`; NULL: nothing of all that. */
static void append(GString *out, const char *before, const char *text, const char *after)
{
    if (text == NULL)
        return;
    g_string_append(out, before);
    layout_append_text(out, text);
    g_string_append(out, after);
}

static void append_padded(GString *out, const char *text, gsize width)
{
    gsize end = out->len + width;

    layout_append_text(out, text);
    while (out->len < end)
        g_string_append_c(out, ' ');
    g_string_append(out, "  ");
}

/* What was there and what is now, as far as the target does not say that already. */
static void append_change(GString *out, const char *target, const char *before, const char *after)
{
    if (g_strcmp0(before, target) != 0)
        append(out, " from \"", before, "\"");
    if (after == NULL && before != NULL && g_strcmp0(before, target) != 0)
        g_string_append(out, " to none");
    if (g_strcmp0(after, target) != 0)
        append(out, " to \"", after, "\"");
}

/* TIME  OUTCOME  STEP  TARGET in MAILBOX from BEFORE to AFTER  (DN) by OPERATOR: why it failed */
static void append_line(GString *out, Query *query)
{
    const char *target = column(query, TARGET), *mailbox = column(query, MAILBOX);
    bool failed = g_strcmp0(column(query, OUTCOME), "ok") != 0;

    append(out, "", column(query, TIME), "  ");
    append_padded(out, failed ? "failed" : "ok", OUTCOME_WIDTH);
    append_padded(out, column(query, STEP), STEP_WIDTH);
    append(out, "", target, "");
    if (g_strcmp0(mailbox, target) != 0)
        append(out, " in ", mailbox, "");
    append_change(out, target, column(query, BEFORE), column(query, AFTER));
    append(out, "  (", column(query, DN) != NULL ? column(query, DN) : column(query, UNIQUE_ID), ")");
    append(out, " by ", column(query, OPERATOR), "");
    append(out, ": ", failed ? column(query, OUTCOME) : NULL, "");
    g_string_append_c(out, '\n');
}

static void append_row(const Cursor *cursor, GString *out, Query *query)
{
    if (!cursor->json) {
        append_line(out, query);
        return;
    }
    layout_append_json_column(out, query, OBJECT);
    g_string_append_c(out, '\n');
}

/* *rows: how many there were. */
static bool append_page(Cursor *cursor, GString *out, guint *rows, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cursor->state->lock);
    g_autofree char *after = g_steal_pointer(&cursor->time); /* lives longer than the query */
    g_autoptr(Query) query = begin_page(cursor, after, error);
    bool row;

    if (query == NULL)
        return false;
    for (*rows = 0;; ++*rows) {
        if (!query_step(cursor->state, query, "read the journal", &row, error))
            return false;
        if (!row)
            return true;
        cursor->id = query_int(query, ID);
        g_free(cursor->time);
        cursor->time = query_text(query, TIME);
        append_row(cursor, out, query);
    }
}

bool report_journal(State *state, const JournalFilter *filter, bool json, ReportSink sink, gpointer user_data, guint *found,
                    GError **error)
{
    g_auto(Cursor) cursor = {.state = state, .json = json};
    g_autoptr(GString) out = g_string_new(NULL);
    guint rows;

    if (!begin(&cursor, filter, found, error))
        return false;
    do {
        g_string_truncate(out, 0);
        if (!append_page(&cursor, out, &rows, error))
            return false;
    } while (rows > 0 && sink(out->str, user_data));
    return true;
}
