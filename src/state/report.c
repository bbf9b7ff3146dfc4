#include "state/report.h"

#include "state/layout.h"
#include "state/lock.h"

static const char *daemon_word(const State *state)
{
    switch (lock_look(state->path)) {
    case LOCK_FREE:
        return "not running";
    case LOCK_HELD:
        return "running";
    case LOCK_UNKNOWN:
        return "unknown";
    }
    g_assert_not_reached();
}

static bool append_status_text(State *state, GString *out, GError **error)
{
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT 'daemon', ?1 UNION ALL SELECT 'state file', ?2"
                                         " UNION ALL SELECT name, value FROM status"
                                         " UNION ALL SELECT 'changes waiting for ' || server || ', which is slow', count(*)"
                                         "  FROM change WHERE state = 'queued' AND server IS NOT NULL GROUP BY server",
                                         error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, daemon_word(state));
    query_bind_text(query, 2, state->path);
    return layout_append_pairs(state, out, query, error);
}

static bool append_status_json(State *state, GString *out, GError **error)
{
    static const char STATUS[] =
        "WITH now (time) AS (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
        " SELECT json_object('daemon', ?1, 'state_file', ?2,"
        "  'entries', (SELECT count(*) FROM entry WHERE status = 'ok'),"
        "  'mailboxes', (SELECT count(*) FROM entry WHERE status = 'ok' AND mailbox IS NOT NULL),"
        "  'departed', (SELECT count(*) FROM entry WHERE status = 'departed'),"
        "  'departures', (SELECT json_object('waiting', count(*) FILTER (WHERE status IN ('waiting', 'approved')),"
        "    'held', count(*) FILTER (WHERE status = 'held'), 'kept', count(*) FILTER (WHERE status = 'kept'),"
        "    'failed', count(*) FILTER (WHERE status = 'failed')) FROM departure),"
        "  'access_rights_to_clean_up', (SELECT count(*) FROM cleanup),"
        "  'changes', (SELECT json_object('due', count(*) FILTER (WHERE state = 'queued' AND due <= now.time),"
        "    'retry', count(*) FILTER (WHERE state = 'queued' AND due > now.time),"
        "    'parked', count(*) FILTER (WHERE state = 'parked'),"
        "    'oldest_due', min(due) FILTER (WHERE state = 'queued' AND due <= now.time)) FROM change),"
        "  'slow_servers', (SELECT json_group_array(json_object('server', server, 'changes', changes)) FROM"
        "    (SELECT server, count(*) AS changes FROM change WHERE state = 'queued' AND server IS NOT NULL GROUP BY server)),"
        "  'problems', (SELECT count(*) FROM problems),"
        "  'outages', (SELECT json_group_array(json_object('server', server, 'since', since, 'message', message))"
        "    FROM outage),"
        "  'last_journal_row', (SELECT max(time) FROM journal),"
        "  'domains', (SELECT json_group_array(json_object('name', name, 'base_dn', base_dn, 'status', status,"
        "    'status_since', status_since, 'reason', reason, 'entries', entries, 'last_sweep', last_sweep,"
        "    'last_sweep_complete', last_sweep_complete, 'problem', problem, 'problem_since', problem_since,"
        "    'watch_problem', watch_problem)) FROM domain WHERE status <> 'discovery'),"
        "  'discovery', (SELECT json_object('base_dn', base_dn, 'entries', entries, 'last_read', last_sweep,"
        "    'last_read_complete', last_sweep_complete, 'problem', problem, 'problem_since', problem_since,"
        "    'watch_problem', watch_problem) FROM domain WHERE status = 'discovery'),"
        "  'notes', (SELECT json_group_object(name, value) FROM note)) FROM now";
    g_autoptr(Query) query = query_begin(state, STATUS, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, daemon_word(state));
    query_bind_text(query, 2, state->path);
    if (!layout_append_json(state, out, query, error))
        return false;
    g_string_append_c(out, '\n');
    return true;
}

bool report_status(State *state, bool json, GString *out, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    return json ? append_status_json(state, out, error) : append_status_text(state, out, error);
}

/* A block each: the messages are long. */
static bool append_problems_text(State *state, GString *out, GError **error)
{
    static const char PROBLEMS[] =
        "SELECT iif(what IN ('domain', 'held'), domain, NULL) AS domain, dn AS entry, unique_id AS \"unique id\", address, mailbox,"
        " since, CASE WHEN what = 'domain' THEN 'not in order' WHEN what = 'outage' THEN 'out of reach'"
        "  WHEN what = 'configuration' THEN 'not taken over' WHEN what = 'held' THEN 'held for approval'"
        "  WHEN what = 'departure' THEN 'not deleted' WHEN what = 'server' THEN"
        "  'tried again when the server is another version' WHEN next_try IS NULL THEN"
        "  'parked: waits until the entry changes, or kolabctl retry' ELSE 'next try ' || next_try END AS state,"
        " attempts, message FROM problems";
    g_autoptr(Query) query = query_begin(state, PROBLEMS, error);
    bool row;

    if (query == NULL)
        return false;
    for (;;) {
        if (!query_step(state, query, "read the problems", &row, error))
            return false;
        if (!row)
            return true;
        if (out->len > 0)
            g_string_append_c(out, '\n');
        layout_append_fields(out, query);
    }
}

static bool append_problems_json(State *state, GString *out, GError **error)
{
    g_autoptr(Query) query = query_begin(state,
                                         "SELECT json_group_array(json_object('what', what, 'domain', domain,"
                                         " 'address', address, 'dn', dn, 'mailbox', mailbox, 'unique_id', unique_id,"
                                         " 'since', since, 'attempts', attempts, 'fault', fault,"
                                         " 'next_try', next_try, 'message', message)) FROM problems",
                                         error);

    if (query == NULL || !layout_append_json(state, out, query, error))
        return false;
    g_string_append_c(out, '\n');
    return true;
}

static bool count_problems(State *state, guint *count, GError **error)
{
    g_autoptr(Query) query = query_begin(state, "SELECT count(*) FROM problems", error);
    bool row;

    if (query == NULL || !query_step(state, query, "count the problems", &row, error))
        return false;
    *count = (guint)query_int(query, 0);
    return true;
}

bool report_problems(State *state, bool json, GString *out, guint *count, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_auto(Transaction) snapshot = {0};

    return transaction_begin_reading(&snapshot, state, error) && count_problems(state, count, error)
        && (json ? append_problems_json(state, out, error) : append_problems_text(state, out, error))
        && transaction_commit(&snapshot, error);
}
