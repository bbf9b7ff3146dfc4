#include "state/report.h"

#include "state/layout.h"
#include "state/match.h"

/* As many of the newest journal rows as fit a screen below the rest. */
#define JOURNAL_ROWS_SHOWN "20"

/* An entry that was never brought in order has only a change, one in order only its row. */
#define FROM_ENTRY_AND_CHANGE                                                                                         \
    " FROM (SELECT ?1 AS domain, ?2 AS unique_id) k"                                                                  \
    " LEFT JOIN entry e ON e.domain = k.domain AND e.unique_id = k.unique_id"                                         \
    " LEFT JOIN change c ON c.domain = k.domain AND c.unique_id = k.unique_id"

static bool append_fields(State *state, const Match *match, GString *out, GError **error)
{
    static const char FIELDS[] =
        "SELECT coalesce(e.dn, c.dn) AS \"entry\", k.unique_id AS \"unique id\", k.domain AS \"domain\", e.kind AS \"kind\","
        " CASE WHEN c.state = 'parked' THEN 'failed' WHEN c.attempts > 0 THEN 'failing' WHEN e.status = 'ok' THEN 'in order'"
        "  WHEN e.status = 'departed' OR (e.unique_id IS NULL AND c.unique_id IS NULL) THEN 'departed' ELSE 'new' END AS \"status\","
        " (SELECT CASE d.reason WHEN 'gone' THEN 'gone from the directory' WHEN 'moved' THEN 'moved out of the base'"
        "   ELSE 'not served any more' END || ' since ' || d.since || '; ' || CASE d.status WHEN 'waiting' THEN"
        "   'mailbox is deleted at ' || d.due WHEN 'held' THEN 'deletion is held for approval' WHEN 'approved' THEN"
        "   'deletion is approved' WHEN 'kept' THEN 'mailbox is kept' WHEN 'failed' THEN 'deletion failed: ' || d.message"
        "   ELSE 'mailbox was deleted at ' || d.decided_at END FROM departure d"
        "  WHERE d.domain = k.domain AND d.unique_id = k.unique_id) AS \"departure\","
        " e.mailbox AS \"mailbox\", e.mail_host AS \"mail host\","
        " CASE WHEN e.unique_id IS NULL THEN NULL WHEN e.quota_kib IS NULL THEN 'none set'"
        "  WHEN e.quota_kib = -1 THEN 'unlimited' ELSE e.quota_kib || ' KiB' END AS \"quota\","
        " (SELECT group_concat(address, ', ') FROM address a INDEXED BY address_entry WHERE a.domain = k.domain AND a.unique_id = k.unique_id"
        "  AND role = 'primary' AND status = 'held') AS \"primary address\","
        " (SELECT group_concat(address, ', ') FROM address a INDEXED BY address_entry WHERE a.domain = k.domain AND a.unique_id = k.unique_id"
        "  AND role = 'alias' AND status = 'held') AS \"other addresses\","
        " (SELECT group_concat(address, ', ') FROM address a INDEXED BY address_entry WHERE a.domain = k.domain AND a.unique_id = k.unique_id"
        "  AND status = 'reserved') AS \"reserved addresses\","
        " (SELECT group_concat(value, ', ') FROM json_each(e.folders)) AS \"folders created\","
        " (SELECT group_concat(value, '; ') FROM json_each(e.acl)) AS \"rights given\", e.blocked AS \"blocked by the server\","
        " e.modifytimestamp AS \"changed in the directory\", e.first_seen AS \"first seen\","
        " e.provisioned_at AS \"brought in order\","
        " CASE WHEN c.state IS NULL THEN 'none' WHEN c.state = 'parked' THEN 'parked: waits until the entry changes, or kolabctl retry'"
        "  WHEN c.attempts > 0 THEN 'next try ' || c.due ELSE 'due since ' || c.due END AS \"pending change\","
        " c.queued_at AS \"queued\", c.reason AS \"reason\", nullif(c.attempts, 0) AS \"failed attempts\","
        " c.last_try AS \"last try\", c.last_error AS \"last error\"" FROM_ENTRY_AND_CHANGE;
    g_autoptr(Query) query = query_begin_for(state, FIELDS, match->domain, match->unique_id, error);
    bool row;

    if (query == NULL || !query_step(state, query, "show an entry", &row, error))
        return false;
    layout_append_fields(out, query);
    return true;
}

#define LAST_JOURNAL_ROWS                                                                                             \
    " FROM (SELECT * FROM (SELECT * FROM journal WHERE domain = ?1 AND unique_id = ?2"                                \
    " ORDER BY time DESC, id DESC LIMIT " JOURNAL_ROWS_SHOWN ") ORDER BY time, id)"

static bool append_journal(State *state, const Match *match, GString *out, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state,
                                             "SELECT time, step, target, before, after, outcome" LAST_JOURNAL_ROWS,
                                             match->domain, match->unique_id, error);
    g_autoptr(GString) table = g_string_new(NULL);

    if (query == NULL || !layout_append_table(state, table, query, error))
        return false;
    if (table->len > 0)
        g_string_append_printf(out, "\n%s", table->str);
    return true;
}

static bool append_json(State *state, const Match *match, GString *out, GError **error)
{
    static const char OBJECT[] =
        "SELECT json_object('domain', k.domain, 'unique_id', k.unique_id, 'dn', coalesce(e.dn, c.dn), 'kind', e.kind,"
        " 'status', e.status, 'mailbox', e.mailbox, 'mail_host', e.mail_host, 'quota_kib', e.quota_kib,"
        " 'addresses', (SELECT json_group_array(json_object('address', address, 'role', role, 'status', status,"
        "   'since', since)) FROM address a INDEXED BY address_entry WHERE a.domain = k.domain AND a.unique_id = k.unique_id),"
        " 'folders', json(e.folders), 'acl', json(e.acl), 'blocked', e.blocked, 'result_attribute', e.result_attribute, 'modifytimestamp', e.modifytimestamp,"
        " 'first_seen', e.first_seen, 'provisioned_at', e.provisioned_at,"
        " 'change', json(iif(c.unique_id IS NULL, NULL, json_object('state', c.state, 'due', c.due, 'queued_at',"
        "   c.queued_at, 'reason', c.reason, 'attempts', c.attempts, 'fault', c.fault, 'last_try', c.last_try,"
        "   'last_error', c.last_error))),"
        " 'journal', (SELECT json_group_array(json_object('time', time, 'mailbox', mailbox, 'step', step,"
        "   'target', target, 'before', before, 'after', after, 'outcome', outcome))" LAST_JOURNAL_ROWS "))"
        FROM_ENTRY_AND_CHANGE;
    g_autoptr(Query) query = query_begin_for(state, OBJECT, match->domain, match->unique_id, error);

    return query != NULL && layout_append_json(state, out, query, error);
}

static bool append_text(State *state, const Match *match, GString *out, GError **error)
{
    return append_fields(state, match, out, error) && append_journal(state, match, out, error);
}

static bool append_matches(State *state, GPtrArray *matches, bool json, GString *out, GError **error)
{
    for (guint i = 0; i < matches->len; i++) {
        const Match *match = g_ptr_array_index(matches, i);

        if (i > 0)
            g_string_append_c(out, json ? ',' : '\n');
        if (!(json ? append_json(state, match, out, error) : append_text(state, match, out, error)))
            return false;
    }
    return true;
}

bool report_show(State *state, const char *what, bool json, GString *out, guint *count, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(GPtrArray) matches = NULL;
    g_auto(Transaction) snapshot = {0};

    if (!transaction_begin_reading(&snapshot, state, error) || !match_entries(state, what, &matches, error))
        return false;
    g_string_append(out, json ? "[" : "");
    if (!append_matches(state, matches, json, out, error))
        return false;
    g_string_append(out, json ? "]\n" : "");
    *count = matches->len;
    return transaction_commit(&snapshot, error);
}
