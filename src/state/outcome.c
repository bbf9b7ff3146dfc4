#include "state/outcome.h"

#include "state/queue.h"

static bool write_record(State *state, const Change *change, const Record *record, const char *now, GError **error)
{
    bool taken = false;

    if (!waits_wake(state, change->domain, change->unique_id, now, error))
        return false;
    /* Another domain may have taken the record over meanwhile: then it has not departed. */
    if (record != NULL && record->departed && !record_is_taken(state, record, &taken, error))
        return false;
    if (record == NULL || taken)
        return address_release(state, change->domain, change->unique_id, error);
    if (record->departed)
        return departure_write(state, record, now, error);
    return record_write(state, record, now, error) && address_hold(state, record, now, error)
        && identifier_hold(state, record, error) && departure_withdraw(state, record, error);
}

/* A row of another generation was noticed again, or made again: it stays, as a new change. */
static bool end_change(State *state, const Change *change, const char *now, GError **error)
{
    static const char END[] = "DELETE FROM change WHERE domain = ?1 AND unique_id = ?2 AND generation = ?3";
    static const char RENEW[] = "UPDATE change SET state = 'queued', due = ?3, queued_at = ?3, attempts = 0, fault = NULL,"
                                " last_error = NULL, last_try = ?3 WHERE domain = ?1 AND unique_id = ?2";
    g_autoptr(Query) end = query_begin_for(state, END, change->domain, change->unique_id, error);
    g_autoptr(Query) renew = NULL;

    if (end == NULL)
        return false;
    query_bind_int(end, 3, queue_leased_generation(state, change));
    if (!query_run(state, end, "end a change", error))
        return false;
    if (sqlite3_changes(state->db) > 0)
        return true;
    renew = query_begin_for(state, RENEW, change->domain, change->unique_id, error);
    if (renew == NULL)
        return false;
    query_bind_text(renew, 3, now);
    return query_run(state, renew, "renew a change", error);
}

/* Of an entry that has no record no other table tells what it was called. */
static bool write_journal(State *state, const Change *change, const Record *record, GPtrArray *journal, const char *now,
                          GError **error)
{
    return journal_write(state, change, journal, now, error)
        && (record != NULL || journal == NULL || journal->len == 0 || journal_note_dn(state, change, now, error));
}

bool queue_finish(State *state, const Change *change, const Record *record, GPtrArray *journal, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error) || !write_journal(state, change, record, journal, now, error)
        || !write_record(state, change, record, now, error) || !end_change(state, change, now, error)
        || !transaction_commit(&transaction, error))
        return false;
    queue_end_lease(state, change);
    return true;
}

/* What it waits for may have been given up while it was looked at. */
static bool wake_if_free(State *state, const Change *change, const char *now, GError **error)
{
    static const char WAKE[] = "UPDATE change SET state = 'queued', due = ?3, waits_for = NULL"
                               " WHERE domain = ?1 AND unique_id = ?2 AND waits_for IS NOT NULL"
                               " AND NOT EXISTS (SELECT 1 FROM entry WHERE mailbox = waits_for OR renaming_to = waits_for)"
                               " AND NOT EXISTS (SELECT 1 FROM cleanup WHERE identifier = waits_for)";
    g_autoptr(Query) query = query_begin_for(state, WAKE, change->domain, change->unique_id, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 3, now);
    return query_run(state, query, "wake a change", error);
}

static bool write_failure(State *state, const Change *change, Fault fault, const char *message, const char *now,
                          GError **error)
{
    static const char FAIL[] = "UPDATE change SET attempts = attempts + 1, fault = ?3, last_error = ?4, last_try = ?5,"
                               " dn = coalesce(?6, dn), state = iif(generation = ?7, ?8, 'queued'),"
                               " due = iif(generation = ?7, ?9, ?5), waits_for = ?10"
                               " WHERE domain = ?1 AND unique_id = ?2";
    g_autofree char *due = wait_timestamp(fault == FAULT_RETRY ? wait_backoff_us(change->attempts + 1) : 0);
    g_autoptr(Query) query = query_begin(state, FAIL, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, change->domain);
    query_bind_text(query, 2, change->unique_id);
    query_bind_text(query, 3, fault_name(fault));
    query_bind_text(query, 4, message);
    query_bind_text(query, 5, now);
    query_bind_text(query, 6, change->dn);
    query_bind_int(query, 7, queue_leased_generation(state, change));
    query_bind_text(query, 8, fault == FAULT_PARK ? "parked" : "queued");
    query_bind_text(query, 9, due);
    query_bind_text(query, 10, change->waits_for);
    return query_run(state, query, "record a fault", error) && wake_if_free(state, change, now, error);
}

bool queue_fail(State *state, const Change *change, Fault fault, const char *message, GPtrArray *journal,
                GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error)
        || !write_failure(state, change, fault, message, now, error)
        || !waits_wake(state, change->domain, change->unique_id, now, error)
        || !journal_write(state, change, journal, now, error) || !transaction_commit(&transaction, error))
        return false;
    queue_end_lease(state, change);
    return true;
}

bool queue_break_off(State *state, const Change *change, GPtrArray *journal, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};
    bool written = journal->len == 0
                || (transaction_begin(&transaction, state, error) && journal_write(state, change, journal, now, error)
                    && transaction_commit(&transaction, error));

    queue_end_lease(state, change);
    return written;
}
