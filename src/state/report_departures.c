#include "state/report.h"

#include "state/layout.h"

static bool count_departures(State *state, guint *count, GError **error)
{
    g_autoptr(Query) query = query_begin(state, "SELECT count(*) FROM departures", error);
    bool row;

    if (query == NULL || !query_step(state, query, "count the departures", &row, error))
        return false;
    *count = (guint)query_int(query, 0);
    return true;
}

static bool append_text(State *state, GString *out, GError **error)
{
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT status, reason, domain, coalesce(mailbox, '-') AS mailbox,"
                                         " substr(since, 1, 19) AS since, substr(due, 1, 19) AS due, unique_id, dn, message"
                                         " FROM departures",
                                         error);

    return query != NULL && layout_append_table(state, out, query, error);
}

static bool append_json(State *state, GString *out, GError **error)
{
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT json_group_array(json_object('status', status, 'reason', reason,"
                                         " 'domain', domain, 'kind', kind, 'dn', dn, 'mailbox', mailbox,"
                                         " 'unique_id', unique_id, 'since', since, 'due', due, 'decided_at', decided_at,"
                                         " 'approved_at', approved_at, 'message', message)) FROM departures",
                                         error);

    if (query == NULL || !layout_append_json(state, out, query, error))
        return false;
    g_string_append_c(out, '\n');
    return true;
}

bool report_departures(State *state, bool json, GString *out, guint *count, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_auto(Transaction) snapshot = {0};

    return transaction_begin_reading(&snapshot, state, error) && count_departures(state, count, error)
        && (json ? append_json(state, out, error) : append_text(state, out, error))
        && transaction_commit(&snapshot, error);
}
