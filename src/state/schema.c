#include "state/schema.h"

#include "model/fault.h"

/* Who waits for a name is due in the transaction that gives it up, whoever does: to look for such changes after each outcome
 * would cost as much as there are. The time format is that of wait_timestamp(). */
#define WAKE_FOR(names)                                                                                               \
    " BEGIN UPDATE change SET state = 'queued', due = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), waits_for = NULL"        \
    " WHERE waits_for IN (" names ")"                                                                                 \
    " AND NOT EXISTS (SELECT 1 FROM entry WHERE mailbox = waits_for OR renaming_to = waits_for)"                      \
    " AND NOT EXISTS (SELECT 1 FROM cleanup WHERE identifier = waits_for); END;"
static const char TRIGGERS_1[] =
    "CREATE TRIGGER entry_leaves_name AFTER UPDATE OF mailbox, renaming_to ON entry"
    " WHEN old.mailbox IS NOT new.mailbox OR old.renaming_to IS NOT new.renaming_to" WAKE_FOR("old.mailbox, old.renaming_to")
    "CREATE TRIGGER entry_goes AFTER DELETE ON entry" WAKE_FOR("old.mailbox, old.renaming_to")
    "CREATE TRIGGER cleanup_ends AFTER DELETE ON cleanup" WAKE_FOR("old.identifier");

/* What an entry is called now the other tables tell; what it no longer is called is noted in the transaction that gives it up, whoever
 * does. So a newcomer costs nothing here. */
#define NOTE_FORMER(day, names)                                                                                       \
    " BEGIN INSERT INTO journal_name (name, domain, unique_id, last_day)"                                             \
    " SELECT name, old.domain, old.unique_id, substr(" day ", 1, 10) FROM (" names ") WHERE name IS NOT NULL"         \
    " ON CONFLICT DO UPDATE SET last_day = max(last_day, excluded.last_day); END;"
#define TODAY "strftime('%Y-%m-%d', 'now')"
#define DECIDED "coalesce(old.decided_at, old.since)"
static const char TRIGGERS_2[] =
    "CREATE TRIGGER address_given_up AFTER DELETE ON address" NOTE_FORMER(TODAY, "SELECT old.address AS name")
    "CREATE TRIGGER entry_named_anew AFTER UPDATE OF dn, mailbox, renaming_to ON entry"
    " WHEN old.dn IS NOT new.dn OR old.mailbox IS NOT new.mailbox OR old.renaming_to IS NOT new.renaming_to" NOTE_FORMER(
        TODAY, "SELECT old.dn AS name WHERE old.dn IS NOT new.dn"
        " UNION ALL SELECT old.mailbox WHERE old.mailbox IS NOT new.mailbox AND old.mailbox IS NOT new.renaming_to"
        " UNION ALL SELECT old.renaming_to WHERE old.renaming_to IS NOT new.renaming_to AND old.renaming_to IS NOT new.mailbox")
    "CREATE TRIGGER entry_gone AFTER DELETE ON entry" NOTE_FORMER(
        TODAY, "SELECT old.dn AS name UNION ALL SELECT old.mailbox UNION ALL SELECT old.renaming_to")
    "CREATE TRIGGER departure_named_anew AFTER UPDATE OF dn, mailbox ON departure"
    " WHEN old.dn IS NOT new.dn OR old.mailbox IS NOT new.mailbox" NOTE_FORMER(
        DECIDED, "SELECT old.dn AS name WHERE old.dn IS NOT new.dn"
        " UNION ALL SELECT old.mailbox WHERE old.mailbox IS NOT new.mailbox")
    "CREATE TRIGGER departure_over AFTER DELETE ON departure" NOTE_FORMER(DECIDED, "SELECT old.dn AS name UNION ALL SELECT old.mailbox")
    "CREATE TRIGGER change_named_anew AFTER UPDATE OF dn ON change WHEN old.dn IS NOT NULL AND old.dn IS NOT new.dn" NOTE_FORMER(
        TODAY, "SELECT old.dn AS name")
    "CREATE TRIGGER change_over AFTER DELETE ON change WHEN old.dn IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM entry WHERE domain = old.domain AND unique_id = old.unique_id AND dn = old.dn)" NOTE_FORMER(
        TODAY, "SELECT old.dn AS name");

/* These two fired for each newcomer, too, which gives up nothing: a name goes when neither column has it any more. */
#define NAME_GOES(name) "(old." name " IS NOT NULL AND old." name " IS NOT new.mailbox AND old." name " IS NOT new.renaming_to)"
static const char TRIGGERS_3[] =
    "DROP TRIGGER entry_leaves_name; DROP TRIGGER entry_named_anew;"
    "CREATE TRIGGER entry_leaves_name AFTER UPDATE OF mailbox, renaming_to ON entry"
    " WHEN " NAME_GOES("mailbox") " OR " NAME_GOES("renaming_to") WAKE_FOR("old.mailbox, old.renaming_to")
    "CREATE TRIGGER entry_named_anew AFTER UPDATE OF dn, mailbox, renaming_to ON entry"
    " WHEN (old.dn IS NOT NULL AND old.dn IS NOT new.dn) OR " NAME_GOES("mailbox") " OR " NAME_GOES("renaming_to") NOTE_FORMER(
        TODAY, "SELECT old.dn AS name WHERE old.dn IS NOT new.dn"
        " UNION ALL SELECT old.mailbox WHERE " NAME_GOES("mailbox")
        " UNION ALL SELECT old.renaming_to WHERE " NAME_GOES("renaming_to"));

/* WITHOUT ROWID: every look-up is by the key, and the row is found with it. */
static const char TABLES_1[] =
    "CREATE TABLE entry ("
    "  domain TEXT NOT NULL,"
    "  unique_id TEXT NOT NULL,"
    "  kind TEXT,"
    "  dn TEXT,"
    "  modifytimestamp TEXT,"
    "  result_attribute TEXT,"
    "  mailbox TEXT,"
    "  renaming_to TEXT,"
    "  mail_host TEXT,"
    "  quota_kib INTEGER,"
    "  fingerprint TEXT,"
    "  attributes TEXT,"
    "  status TEXT NOT NULL CHECK (status IN ('ok', 'departed')),"
    "  folders TEXT NOT NULL DEFAULT '[]',"
    "  acl TEXT NOT NULL DEFAULT '[]',"
    "  blocked TEXT,"
    "  first_seen TEXT NOT NULL,"
    "  provisioned_at TEXT,"
    "  PRIMARY KEY (domain, unique_id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE UNIQUE INDEX entry_mailbox ON entry (mailbox) WHERE mailbox IS NOT NULL;"
    "CREATE INDEX entry_unique_id ON entry (unique_id);"
    "CREATE INDEX entry_renaming_to ON entry (renaming_to) WHERE renaming_to IS NOT NULL;"
    "CREATE TABLE change ("
    "  domain TEXT NOT NULL,"
    "  unique_id TEXT NOT NULL,"
    "  reason TEXT NOT NULL,"
    "  state TEXT NOT NULL CHECK (state IN ('queued', 'parked')),"
    "  due TEXT NOT NULL,"
    "  queued_at TEXT NOT NULL,"
    "  attempts INTEGER NOT NULL DEFAULT 0,"
    "  fault TEXT CHECK (fault IN ('retry', 'park', 'stop')),"
    "  last_error TEXT,"
    "  last_try TEXT,"
    "  dn TEXT,"
    "  verify INTEGER NOT NULL DEFAULT 0 CHECK (verify IN (0, 1)),"
    "  generation INTEGER NOT NULL DEFAULT 1,"
    "  waits_for TEXT,"
    "  PRIMARY KEY (domain, unique_id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX change_due ON change (state, due);"
    "CREATE INDEX change_waits_for ON change (waits_for) WHERE waits_for IS NOT NULL;"
    "CREATE TABLE address ("
    "  domain TEXT NOT NULL,"
    "  address TEXT NOT NULL,"
    "  unique_id TEXT NOT NULL,"
    "  role TEXT NOT NULL CHECK (role IN ('primary', 'alias')),"
    "  status TEXT NOT NULL CHECK (status IN ('reserved', 'held')),"
    "  made INTEGER NOT NULL DEFAULT 0 CHECK (made IN (0, 1)),"
    "  since TEXT NOT NULL,"
    "  PRIMARY KEY (domain, address, unique_id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX address_entry ON address (domain, unique_id);"
    "CREATE TABLE identifier ("
    "  domain TEXT NOT NULL,"
    "  unique_id TEXT NOT NULL,"
    "  identifier TEXT NOT NULL,"
    "  PRIMARY KEY (domain, unique_id, identifier)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX identifier_identifier ON identifier (identifier);"
    "CREATE TABLE departure ("
    "  domain TEXT NOT NULL,"
    "  unique_id TEXT NOT NULL,"
    "  kind TEXT,"
    "  dn TEXT,"
    "  mailbox TEXT,"
    "  reason TEXT NOT NULL CHECK (reason IN ('gone', 'moved', 'unserved')),"
    "  since TEXT NOT NULL,"
    "  due TEXT,"
    "  status TEXT NOT NULL CHECK (status IN ('waiting', 'held', 'approved', 'deleted', 'kept', 'failed')),"
    "  decided_at TEXT,"
    "  approved_at TEXT,"
    "  message TEXT,"
    "  PRIMARY KEY (domain, unique_id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX departure_status ON departure (status, domain);"
    "CREATE TABLE cleanup ("
    "  identifier TEXT PRIMARY KEY,"
    "  domain TEXT NOT NULL,"
    "  unique_id TEXT NOT NULL,"
    "  since TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE journal ("
    "  id INTEGER PRIMARY KEY,"
    "  time TEXT NOT NULL,"
    "  domain TEXT NOT NULL,"
    "  unique_id TEXT NOT NULL,"
    "  dn TEXT,"
    "  mailbox TEXT,"
    "  step TEXT NOT NULL,"
    "  target TEXT,"
    "  before TEXT,"
    "  after TEXT,"
    "  outcome TEXT,"
    "  operator TEXT"
    ") STRICT;"
    "CREATE INDEX journal_entry ON journal (unique_id, time);"
    "CREATE INDEX journal_time ON journal (time);"
    "CREATE TABLE journal_name ("
    "  name TEXT NOT NULL COLLATE NOCASE,"
    "  domain TEXT NOT NULL,"
    "  unique_id TEXT NOT NULL,"
    "  last_day TEXT NOT NULL,"
    "  PRIMARY KEY (name, domain, unique_id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX journal_name_day ON journal_name (last_day);"
    "CREATE TABLE domain ("
    "  name TEXT PRIMARY KEY,"
    "  base_dn TEXT,"
    "  status TEXT NOT NULL DEFAULT 'served'"
    "    CHECK (status IN ('served', 'suspended', 'deleted', 'refused', 'removed', 'discovery')),"
    "  status_since TEXT,"
    "  reason TEXT,"
    "  last_sweep TEXT,"
    "  last_sweep_complete TEXT,"
    "  entries INTEGER,"
    "  problem TEXT,"
    "  problem_since TEXT,"
    "  watch_problem TEXT,"
    "  watch_problem_since TEXT"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE server ("
    "  uri TEXT PRIMARY KEY,"
    "  version TEXT NOT NULL,"
    "  problem TEXT NOT NULL,"
    "  since TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE outage ("
    "  server TEXT PRIMARY KEY,"
    "  since TEXT NOT NULL,"
    "  message TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE note ("
    "  name TEXT PRIMARY KEY,"
    "  value TEXT NOT NULL,"
    "  time TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;";

/* The server in front of the time: what waits for one is passed over as a whole. */
static const char TABLES_4[] =
    "ALTER TABLE change ADD COLUMN server TEXT;"
    "DROP INDEX change_due;"
    "CREATE INDEX change_due ON change (state, server, due);";

/* For people with the sqlite3 shell. The time format is that of wait_timestamp(), so that texts compare as times do. */
static const char VIEWS_1[] =
    "CREATE VIEW mailboxes AS"
    " SELECT e.mailbox,"
    "  (SELECT a.address FROM address a INDEXED BY address_entry WHERE a.domain = e.domain AND a.unique_id = e.unique_id"
    "    AND a.role = 'primary' AND a.status = 'held') AS address,"
    "  CASE e.quota_kib WHEN -1 THEN 'unlimited' ELSE e.quota_kib END AS quota_kib,"
    "  e.mail_host, e.dn, e.provisioned_at, e.status"
    " FROM entry e WHERE e.mailbox IS NOT NULL ORDER BY e.mailbox;"
    "CREATE VIEW problems AS"
    " SELECT 'entry' AS what, c.domain,"
    "  (SELECT a.address FROM address a INDEXED BY address_entry WHERE a.domain = c.domain AND a.unique_id = c.unique_id"
    "    AND a.role = 'primary' ORDER BY a.status LIMIT 1) AS address,"
    "  coalesce(c.dn, e.dn) AS dn, e.mailbox, c.unique_id, c.queued_at AS since, c.attempts, c.fault,"
    "  CASE c.state WHEN 'queued' THEN c.due END AS next_try, c.last_error AS message"
    " FROM change c LEFT JOIN entry e ON e.domain = c.domain AND e.unique_id = c.unique_id"
    " WHERE c.state = 'parked' OR c.attempts > 0"
    " UNION ALL"
    " SELECT 'domain', d.name, NULL, d.base_dn, NULL, NULL,"
    "  coalesce(d.problem_since, d.watch_problem_since, d.status_since), NULL, NULL, NULL,"
    "  coalesce(d.problem, 'not watched: ' || d.watch_problem, d.reason)"
    " FROM domain d WHERE d.status = 'refused' OR (d.status IN ('served', 'discovery')"
    "  AND coalesce(d.problem, d.watch_problem, d.reason) IS NOT NULL)"
    " UNION ALL"
    " SELECT 'server', NULL, NULL, NULL, NULL, NULL, s.since, NULL, NULL, NULL,"
    "  s.uri || ': ' || s.version || ': ' || s.problem || ' (entries so far: '"
    "  || (SELECT count(*) FROM entry WHERE blocked IS NOT NULL"
    "   AND (s.uri LIKE '%://%' OR mail_host = s.uri COLLATE NOCASE)) || ')' FROM server s"
    " UNION ALL"
    " SELECT 'outage', NULL, NULL, NULL, NULL, NULL, o.since, NULL, NULL, NULL, o.message FROM outage o"
    " UNION ALL"
    " SELECT 'configuration', NULL, NULL, NULL, NULL, NULL, n.time, NULL, NULL, NULL, n.value FROM note n"
    "  WHERE n.name = 'configuration refused'"
    " UNION ALL"
    " SELECT 'held', h.domain, NULL, NULL, NULL, NULL, min(h.since), NULL, NULL, NULL, count(*) ||"
    "  ' entries have left the directory, more than deletion.limit allows: nothing of them is deleted before"
    " \"kolabctl approve ' || h.domain || '\" (\"kolabctl departures\" lists them)'"
    " FROM departure h WHERE h.status = 'held' GROUP BY h.domain"
    " UNION ALL"
    " SELECT 'departure', f.domain, NULL, f.dn, f.mailbox, f.unique_id, f.since, NULL, NULL, NULL,"
    "  coalesce(f.message, 'not deleted') || '; \"kolabctl approve ' || f.unique_id || '\" tries again'"
    " FROM departure f WHERE f.status = 'failed' ORDER BY since;"
    "CREATE VIEW departures AS"
    " SELECT d.status, d.reason, d.domain, d.kind, d.dn, d.mailbox, d.unique_id, d.since, d.due, d.decided_at, d.approved_at,"
    "  d.message"
    " FROM departure d WHERE d.status <> 'deleted' OR d.decided_at >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-7 days')"
    " ORDER BY d.domain, d.since, d.dn;"
    "CREATE VIEW status (name, value) AS"
    " WITH now (time) AS (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
    " SELECT 'entries', count(*) FROM entry WHERE status = 'ok'"
    " UNION ALL SELECT 'mailboxes', count(*) FROM entry WHERE status = 'ok' AND mailbox IS NOT NULL"
    " UNION ALL SELECT 'departed', count(*) FROM entry WHERE status = 'departed'"
    " UNION ALL SELECT 'departed, deletion waits', count(*) FROM departure WHERE status IN ('waiting', 'approved')"
    " UNION ALL SELECT 'departed, held for approval', count(*) FROM departure WHERE status = 'held'"
    " UNION ALL SELECT 'access rights to clean up', count(*) FROM cleanup"
    " UNION ALL SELECT 'changes due', count(*) FROM change, now WHERE state = 'queued' AND due <= now.time"
    " UNION ALL SELECT 'changes waiting for a retry', count(*) FROM change, now"
    "  WHERE state = 'queued' AND due > now.time"
    " UNION ALL SELECT 'changes parked', count(*) FROM change WHERE state = 'parked'"
    " UNION ALL SELECT 'oldest change due since', min(due) FROM change, now WHERE state = 'queued' AND due <= now.time"
    " UNION ALL SELECT 'blocked by the server', nullif(count(*), 0) FROM entry WHERE blocked IS NOT NULL"
    " UNION ALL SELECT 'problems', count(*) FROM problems"
    " UNION ALL SELECT 'out of reach since ' || since, message FROM outage"
    " UNION ALL SELECT 'last journal row', max(time) FROM journal"
    " UNION ALL SELECT iif(status = 'discovery', 'domain entries ', 'domain ') || name, CASE"
    "  WHEN status NOT IN ('served', 'discovery') THEN status || ' since ' || status_since || coalesce(': ' || reason, '')"
    "   || ', entries left alone: ' || (SELECT count(*) FROM entry e WHERE e.domain = d.name)"
    "  WHEN problem IS NOT NULL THEN 'problem: ' || problem"
    "  WHEN watch_problem IS NOT NULL THEN 'not watched: ' || watch_problem"
    "  WHEN last_sweep_complete IS NULL THEN 'not read yet'"
    "  ELSE iif(status = 'discovery', 'read ', 'swept ') || last_sweep_complete || ', entries: ' || entries"
    "   || coalesce(', but ' || reason, '') END FROM domain d"
    " UNION ALL SELECT name, value FROM note;";

/* MIGRATIONS[n] leads from version n to n + 1. */
static const struct {
    const char *tables;
    const char *triggers;
    const char *views;
} MIGRATIONS[SCHEMA_VERSION] = {
    {TABLES_1, TRIGGERS_1, VIEWS_1},
    {"", TRIGGERS_2, ""},
    {"", TRIGGERS_3, ""},
    {TABLES_4, "", ""},
};

static bool read_pragma(State *state, const char *sql, gint64 *value, GError **error)
{
    g_autoptr(Query) query = query_begin(state, sql, error);
    bool row;

    if (query == NULL || !query_step(state, query, "read the header", &row, error))
        return false;
    *value = row ? query_int(query, 0) : 0;
    return true;
}

static bool fail_version(const State *state, const char *what, GError **error)
{
    g_set_error(error, FAULT, FAULT_STOP, "state file %s %s", state->path, what);
    return false;
}

bool schema_check(State *state, int *version, GError **error)
{
    gint64 application, found, objects;

    if (!read_pragma(state, "PRAGMA application_id", &application, error)
        || !read_pragma(state, "PRAGMA user_version", &found, error)
        || !read_pragma(state, "SELECT count(*) FROM sqlite_schema", &objects, error))
        return false;
    if (application != SCHEMA_APPLICATION_ID && (application != 0 || found != 0 || objects != 0))
        return fail_version(state, "belongs to another program; set another state_file", error);
    if (found > SCHEMA_VERSION) {
        g_set_error(error, FAULT, FAULT_STOP,
                    "state file %s was written by a newer kolabd (schema %d, this one knows %d); install that version, "
                    "or move the file away: a new one compares every entry again",
                    state->path, (int)found, SCHEMA_VERSION);
        return false;
    }
    if (found < 1 || objects == 0)
        return fail_version(state, "has no schema: it is damaged; put back a copy, or move it away: a new one compares "
                                   "every entry again", error);
    *version = (int)found;
    return true;
}

bool schema_migrate(State *state, int version, GError **error)
{
    g_autofree char *header = g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %d",
                                              SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
    g_auto(Transaction) transaction = {0};

    if (version == SCHEMA_VERSION)
        return true;
    if (!transaction_begin(&transaction, state, error))
        return false;
    for (int from = version; from < SCHEMA_VERSION; from++) {
        if (!database_run(state, MIGRATIONS[from].tables, "make its tables", error)
            || !database_run(state, MIGRATIONS[from].triggers, "make its triggers", error)
            || !database_run(state, MIGRATIONS[from].views, "make its views", error))
            return false;
    }
    return database_run(state, header, "write its version", error) && transaction_commit(&transaction, error);
}
