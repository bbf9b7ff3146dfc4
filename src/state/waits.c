#include "state/outcome.h"

#include "model/account.h"

/* When a change that waits for another is looked at although nothing woke it. */
#define PATIENCE_US (60 * (gint64)G_USEC_PER_SEC)

/* Mostly nobody does, and then who is woken is not looked for. */
static bool find_waiting(State *state, bool *waiting, GError **error)
{
    g_autoptr(Query) query = query_begin(state, "SELECT 1 FROM change INDEXED BY change_waits_for WHERE waits_for IS NOT NULL", error);

    return query != NULL && query_step(state, query, "look for who waits for a mailbox", waiting, error);
}

bool waits_wake(State *state, const char *domain, const char *unique_id, const char *now, GError **error)
{
    /* By its state a change would be looked for among all that are queued. */
    static const char WAKE[] =
        "UPDATE change INDEXED BY change_waits_for SET due = ?3, waits_for = NULL WHERE state = 'queued'"
        " AND waits_for IN (SELECT mailbox FROM entry WHERE domain = ?1 AND unique_id = ?2"
        "  UNION ALL SELECT renaming_to FROM entry WHERE domain = ?1 AND unique_id = ?2)"
        " AND (domain, unique_id) <> (?1, ?2)";
    g_autoptr(Query) query = NULL;
    bool waiting;

    if (!find_waiting(state, &waiting, error))
        return false;
    if (!waiting)
        return true;
    query = query_begin_for(state, WAKE, domain, unique_id, error);
    if (query == NULL)
        return false;
    query_bind_text(query, 3, now);
    return query_run(state, query, "wake what waits for a mailbox", error);
}

bool queue_look(State *state, const char *domain, const char *unique_id, QueuePlace *place, GError **error)
{
    static const char LOOK[] =
        "SELECT state = 'parked' OR (attempts > 0 AND due > ?3 AND waits_for IS NULL) FROM change"
        " WHERE domain = ?1 AND unique_id = ?2";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query = query_begin_for(state, LOOK, domain, unique_id, error);
    g_autofree char *now = wait_timestamp(0);
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 3, now);
    if (!query_step(state, query, "look at a change", &row, error))
        return false;
    *place = !row ? QUEUE_ABSENT : query_int(query, 0) != 0 ? QUEUE_FAILED : QUEUE_PENDING;
    return true;
}

/* The owner may have come to its end since the worker looked: then nobody would wake us. */
static bool write_wait(State *state, const Change *change, const char *owner_domain, const char *owner_id, const char *now,
                       GError **error)
{
    static const char WAIT[] =
        "UPDATE change SET state = 'queued', waits_for = ?3, dn = coalesce(?4, dn), last_try = ?5,"
        " due = iif(generation = ?6 AND EXISTS (SELECT 1 FROM entry WHERE ?3 IN (mailbox, renaming_to) AND domain = ?8 AND unique_id = ?9)"
        "  AND EXISTS (SELECT 1 FROM change WHERE domain = ?8 AND unique_id = ?9 AND state = 'queued'), ?7, ?5)"
        " WHERE domain = ?1 AND unique_id = ?2";
    g_autofree char *later = wait_timestamp(PATIENCE_US);
    g_autoptr(Query) query = query_begin(state, WAIT, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, change->domain);
    query_bind_text(query, 2, change->unique_id);
    query_bind_text(query, 3, change->waits_for);
    query_bind_text(query, 4, change->dn);
    query_bind_text(query, 5, now);
    query_bind_int(query, 6, queue_leased_generation(state, change));
    query_bind_text(query, 7, later);
    query_bind_text(query, 8, owner_domain);
    query_bind_text(query, 9, owner_id);
    return query_run(state, query, "postpone a change", error);
}

bool queue_postpone(State *state, const Change *change, const char *owner_domain, const char *owner_id, GPtrArray *journal,
                    GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error)
        || !write_wait(state, change, owner_domain, owner_id, now, error)
        || !journal_write(state, change, journal, now, error) || !transaction_commit(&transaction, error))
        return false;
    queue_end_lease(state, change);
    return true;
}

/* Without its fault it is no failed one any more: queue_resume tells them apart. */
static bool write_delay(State *state, const Change *change, const char *due, GError **error)
{
    g_autoptr(Query) query = query_begin_for(state, "UPDATE change SET due = ?3, fault = NULL WHERE domain = ?1 AND unique_id = ?2",
                                             change->domain, change->unique_id, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 3, due);
    return query_run(state, query, "put off a change", error);
}

bool queue_defer(State *state, const Change *change, gint64 until_us, GPtrArray *journal, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autofree char *due = wait_timestamp(MAX(until_us - g_get_monotonic_time(), 0));
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error) || !write_delay(state, change, due, error)
        || !journal_write(state, change, journal, now, error) || !transaction_commit(&transaction, error))
        return false;
    queue_end_lease(state, change);
    return true;
}

/* Who did not fail is due in the future for this reason only. */
bool queue_resume(State *state, GError **error)
{
    static const char RESUME[] = "UPDATE change SET due = ?1 WHERE state = 'queued' AND due > ?1 AND fault IS NULL AND waits_for IS NULL";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state, RESUME, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, now);
    if (!query_run(state, query, "make due what was put off", error))
        return false;
    queue_rouse_locked(state);
    return true;
}

bool state_set_mailbox(State *state, const char *domain, const char *unique_id, const char *mailbox, GError **error)
{
    static const char SET[] = "UPDATE entry SET mailbox = ?3, renaming_to = NULL, fingerprint = NULL"
                              " WHERE domain = ?1 AND unique_id = ?2";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query = query_begin_for(state, SET, domain, unique_id, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 3, mailbox);
    if (!query_run(state, query, "note where a mailbox is", error))
        return false;
    queue_rouse_locked(state);
    return true;
}

bool state_note_begin(State *state, const Record *record, const char *renaming_to, gint64 quota_kib, GError **error)
{
    static const char NOTE[] = "INSERT INTO entry (domain, unique_id, kind, dn, status, renaming_to, quota_kib, first_seen)"
                               " VALUES (?1, ?2, ?3, ?4, 'ok', ?5, ?6, ?7)"
                               " ON CONFLICT DO UPDATE SET renaming_to = excluded.renaming_to,"
                               "  quota_kib = excluded.quota_kib, fingerprint = NULL";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state, NOTE, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, record->domain);
    query_bind_text(query, 2, record->unique_id);
    query_bind_text(query, 3, record->kind);
    query_bind_text(query, 4, record->dn);
    query_bind_text(query, 5, renaming_to);
    if (quota_kib != QUOTA_ANY)
        query_bind_int(query, 6, quota_kib);
    query_bind_text(query, 7, now);
    return query_run(state, query, "note what begins", error);
}
