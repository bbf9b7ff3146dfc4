#include "state/departure.h"

#include "model/entry.h"
#include "state/outcome.h"

#include <string.h>

/* A look that failed, of a connection that was lost, say, has settled nothing. After so many the set is taken as it is: an entry
 * that can never be looked at would keep all others of its domain waiting. */
enum { LOOKS = 3 };
/* Those that were deleted within this time count against the limit. */
#define RECENT_US (3600 * (gint64)G_USEC_PER_SEC)
/* How soon is seen that the file cannot be used any more: also while all servers are out of reach, and nobody asks for changes. */
#define LOOK_US (2 * (gint64)G_USEC_PER_SEC)

static const char *const REASONS[] = {"gone", "moved", "unserved"};
static const char *const STATUSES[] = {"none", "waiting", "held", "approved", "deleted", "kept", "failed"};

const char *departure_reason_name(DepartureReason reason)
{
    return REASONS[reason];
}

const char *departure_status_name(DepartureStatus status)
{
    return STATUSES[status];
}

/* What the schema does not allow is not there. */
static guint find_name(const char *const *names, guint count, const char *name)
{
    for (guint i = 0; i < count; i++)
        if (g_strcmp0(names[i], name) == 0)
            return i;
    return 0;
}

bool departure_read(State *state, Record *record, GError **error)
{
    static const char READ[] = "SELECT reason, status, message, approved_at IS NOT NULL FROM departure"
                               " WHERE domain = ? AND unique_id = ?";
    g_autoptr(Query) query = NULL;
    g_autofree char *reason = NULL;
    g_autofree char *status = NULL;
    bool row;

    if (!record->departed)
        return true;
    query = query_begin_for(state, READ, record->domain, record->unique_id, error);
    if (query == NULL || !query_step(state, query, "read a departure", &row, error))
        return false;
    if (!row)
        return true;
    reason = query_text(query, 0);
    status = query_text(query, 1);
    record->departure.reason = find_name(REASONS, G_N_ELEMENTS(REASONS), reason);
    record->departure.status = find_name(STATUSES, G_N_ELEMENTS(STATUSES), status);
    record->departure.message = query_text(query, 2);
    record->departure.by_operator = query_int(query, 3) != 0;
    return true;
}

static bool run_for_record(State *state, const char *sql, const Record *record, GError **error)
{
    return query_run_for(state, sql, record->domain, record->unique_id, "write a departure", error);
}

static bool write_row(State *state, const Record *record, const char *now, GError **error)
{
    static const char WRITE[] =
        "INSERT INTO departure (domain, unique_id, kind, dn, mailbox, reason, since, due, status, decided_at, message)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, iif(?9 = 'waiting', NULL, ?7), ?10)"
        " ON CONFLICT DO UPDATE SET kind = excluded.kind, dn = excluded.dn, mailbox = excluded.mailbox,"
        " since = iif(status = 'deleted' OR reason <> excluded.reason, excluded.since, since),"
        " approved_at = iif(excluded.status IN ('deleted', 'failed'), approved_at, NULL),"
        " reason = excluded.reason, due = excluded.due, status = excluded.status, decided_at = excluded.decided_at,"
        " message = excluded.message";
    const Departure *departure = &record->departure;
    g_autofree char *due = wait_timestamp(departure->delay_us);
    g_autoptr(Query) query = query_begin(state, WRITE, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, record->domain);
    query_bind_text(query, 2, record->unique_id);
    query_bind_text(query, 3, record->kind);
    query_bind_text(query, 4, record->dn);
    query_bind_text(query, 5, record->mailbox);
    query_bind_text(query, 6, departure_reason_name(departure->reason));
    query_bind_text(query, 7, now);
    query_bind_text(query, 8, departure->status == DEPARTURE_WAITING ? due : NULL);
    query_bind_text(query, 9, departure_status_name(departure->status));
    query_bind_text(query, 10, departure->message);
    return query_run(state, query, "write a departure", error);
}

static bool remove_record(State *state, const Record *record, GError **error)
{
    return run_for_record(state, "DELETE FROM entry WHERE domain = ? AND unique_id = ?", record, error)
        && run_for_record(state, "DELETE FROM address INDEXED BY address_entry WHERE domain = ? AND unique_id = ?", record, error)
        && run_for_record(state, "DELETE FROM identifier WHERE domain = ? AND unique_id = ?", record, error);
}

static bool give_up_identifiers(State *state, const Record *record, const char *now, GError **error)
{
    static const char GIVE_UP[] =
        "INSERT INTO cleanup (identifier, domain, unique_id, since)"
        " SELECT identifier, domain, unique_id, ?3 FROM identifier WHERE domain = ?1 AND unique_id = ?2"
        " ON CONFLICT DO UPDATE SET since = since";
    g_autoptr(Query) query = query_begin_for(state, GIVE_UP, record->domain, record->unique_id, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 3, now);
    return query_run(state, query, "write a departure", error);
}

bool departure_withdraw(State *state, const Record *record, GError **error)
{
    return run_for_record(state, "DELETE FROM departure WHERE domain = ? AND unique_id = ? AND status <> 'deleted'", record,
                          error);
}

bool departure_write(State *state, const Record *record, const char *now, GError **error)
{
    state->departures++;
    switch (record->departure.status) {
    case DEPARTURE_NONE:
        return departure_withdraw(state, record, error) && remove_record(state, record, error);
    case DEPARTURE_DELETED:
        return write_row(state, record, now, error) && give_up_identifiers(state, record, now, error)
            && remove_record(state, record, error);
    case DEPARTURE_WAITING:
    case DEPARTURE_HELD:
    case DEPARTURE_APPROVED:
    case DEPARTURE_KEPT:
    case DEPARTURE_FAILED:
        return record_write(state, record, now, error) && address_release(state, record->domain, record->unique_id, error)
            && write_row(state, record, now, error) && change_rouse(state, record->mailbox, now, error);
    }
    g_assert_not_reached();
}

#define STRANDED                                                                                                      \
    "d.domain = ?1 AND d.status = 'approved'"                                                                         \
    " AND NOT EXISTS (SELECT 1 FROM change c WHERE c.domain = d.domain AND c.unique_id = d.unique_id)"

bool departure_count(State *state, const char *domain, DepartureCounts *counts, GError **error)
{
    static const char COUNT[] =
        "SELECT (SELECT count(*) FROM entry WHERE domain = ?1 AND status = 'ok'),"
        " (SELECT count(*) FROM change WHERE domain = ?1 AND state = 'queued' AND reason = 'missing' AND attempts < ?3),"
        " (SELECT count(*) FROM departure WHERE domain = ?1 AND status = 'waiting'),"
        " (SELECT count(*) FROM departure WHERE domain = ?1 AND status = 'held'),"
        " (SELECT count(*) FROM departure WHERE domain = ?1 AND approved_at IS NULL"
        "   AND (status = 'approved' OR (status = 'deleted' AND decided_at >= ?2))),"
        " (SELECT count(*) FROM departure d WHERE " STRANDED ")";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *since = wait_timestamp(-RECENT_US);
    g_autoptr(Query) query = query_begin(state, COUNT, error);
    bool row;

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, since);
    query_bind_int(query, 3, LOOKS);
    if (!query_step(state, query, "count the departures", &row, error))
        return false;
    counts->unsettled = (guint)query_int(query, 1);
    counts->waiting = (guint)query_int(query, 2);
    counts->held = (guint)query_int(query, 3);
    counts->recent = (guint)query_int(query, 4);
    counts->stranded = (guint)query_int(query, 5);
    counts->entries = (guint)query_int(query, 0) + counts->waiting + counts->held;
    return true;
}

static bool hold(State *state, const char *domain, GError **error)
{
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state,
                                         "UPDATE departure SET status = 'held', decided_at = ?2"
                                         " WHERE domain = ?1 AND status = 'waiting'",
                                         error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, now);
    return query_run(state, query, "hold departures", error);
}

bool departure_hold(State *state, const char *domain, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_auto(Transaction) transaction = {0};

    /* Who waits for a mailbox is told that it is held. */
    if (!transaction_begin(&transaction, state, error) || !hold(state, domain, error)
        || !database_run(state,
                         "UPDATE change SET state = 'queued', due = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), waits_for = NULL"
                         " WHERE waits_for IN (SELECT mailbox FROM departure WHERE status = 'held')",
                         "wake changes", error)
        || !transaction_commit(&transaction, error))
        return false;
    queue_rouse_locked(state);
    return true;
}

/* A group's name and address are no mailbox. */
static bool keep(State *state, const char *domain, const char *now, GPtrArray *kept, GError **error)
{
    g_autoptr(Query) query = query_begin(state,
                                         "UPDATE departure SET status = 'kept', due = NULL, decided_at = ?2"
                                         " WHERE domain = ?1 AND status = 'waiting' AND mailbox IS NOT NULL AND kind IS NOT ?3"
                                         " RETURNING unique_id, dn, mailbox",
                                         error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, now);
    query_bind_text(query, 3, entry_kind_name(KIND_GROUP));
    for (;;) {
        g_autofree char *unique_id = NULL;
        Record *record;
        bool row;

        if (!query_step(state, query, "keep mailboxes", &row, error))
            return false;
        if (!row)
            return true;
        unique_id = query_text(query, 0);
        record = record_new(domain, unique_id);
        record->dn = query_text(query, 1);
        record->mailbox = query_text(query, 2);
        g_ptr_array_add(kept, record);
    }
}

/* Who waits for a mailbox is told that it is kept. */
static bool rouse_all(State *state, GPtrArray *kept, const char *now, GError **error)
{
    for (guint i = 0; i < kept->len; i++)
        if (!change_rouse(state, ((const Record *)g_ptr_array_index(kept, i))->mailbox, now, error))
            return false;
    return true;
}

bool departure_keep(State *state, const char *domain, GPtrArray **kept, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify)record_free);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error) || !keep(state, domain, now, found, error)
        || !rouse_all(state, found, now, error) || !transaction_commit(&transaction, error))
        return false;
    queue_rouse_locked(state);
    *kept = g_steal_pointer(&found);
    return true;
}

/* Approves what waits and queues a change for each. */
static bool release(State *state, const char *domain, const char *until, guint most, guint *released, GError **error)
{
    static const char APPROVE[] = "UPDATE departure SET status = 'approved', decided_at = ?2 WHERE (domain, unique_id) IN"
                                  " (SELECT domain, unique_id FROM departure WHERE domain = ?1 AND status = 'waiting' AND due <= ?3"
                                  "  ORDER BY due LIMIT ?4) RETURNING domain, unique_id";
    g_autofree char *now = wait_timestamp(0);
    g_autoptr(Query) query = query_begin(state, APPROVE, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    query_bind_text(query, 2, now);
    query_bind_text(query, 3, until);
    query_bind_int(query, 4, most);
    return change_write_each(state, query, "departure", false, now, released, error);
}

bool departure_requeue(State *state, const char *domain, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *now = wait_timestamp(0);
    g_auto(Transaction) transaction = {0};
    g_autoptr(Query) query = query_begin(state, "SELECT d.domain, d.unique_id FROM departure d WHERE " STRANDED, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, domain);
    if (!transaction_begin(&transaction, state, error)
        || !change_write_each(state, query, "departure", false, now, NULL, error) || !transaction_commit(&transaction, error))
        return false;
    queue_rouse_locked(state);
    return true;
}

bool departure_release(State *state, const char *domain, bool all, guint most, guint *released, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autofree char *until = all ? g_strdup("9999") : wait_timestamp(0);
    g_auto(Transaction) transaction = {0};

    if (!transaction_begin(&transaction, state, error) || !release(state, domain, until, most, released, error)
        || !transaction_commit(&transaction, error))
        return false;
    if (*released > 0)
        queue_rouse_locked(state);
    return true;
}

static gint64 to_monotonic_us(const char *time)
{
    g_autoptr(GDateTime) parsed = time == NULL ? NULL : g_date_time_new_from_iso8601(time, NULL);

    if (parsed == NULL)
        return G_MAXINT64;
    return g_get_monotonic_time() - g_get_real_time() + g_date_time_to_unix(parsed) * G_USEC_PER_SEC
         + g_date_time_get_microsecond(parsed);
}

bool departure_summarize(State *state, DepartureSummary *summary, GError **error)
{
    static const char SUMMARIZE[] =
        "SELECT count(*) FILTER (WHERE status = 'waiting'), count(*) FILTER (WHERE status = 'approved'),"
        " count(*) FILTER (WHERE status IN ('held', 'kept', 'failed')), count(*) FILTER (WHERE status = 'held'),"
        " count(*) FILTER (WHERE status = 'failed'), min(due) FILTER (WHERE status = 'waiting'),"
        " (SELECT count(*) FROM change WHERE waits_for IS NOT NULL)"
        " FROM departure WHERE status IN ('waiting', 'approved', 'held', 'kept', 'failed')";
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(Query) query = query_begin(state, SUMMARIZE, error);
    g_autofree char *due = NULL;
    bool row;

    if (query == NULL || !query_step(state, query, "count the departures", &row, error))
        return false;
    due = query_text(query, 5);
    *summary = (DepartureSummary){
        .waiting = (guint)query_int(query, 0),
        .approved = (guint)query_int(query, 1),
        .open = (guint)query_int(query, 2),
        .held = (guint)query_int(query, 3),
        .failed = (guint)query_int(query, 4),
        .blocked = (guint)query_int(query, 6),
        .next_due_us = to_monotonic_us(due),
    };
    return true;
}

guint departure_seen(State *state)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    return state->departures;
}

/* On the queue's condition, which is what a stop wakes. */
void departure_wait(State *state, Stop *stop, guint seen, gint64 deadline_us)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    while (!stop_asked(stop) && state->departures == seen && g_get_monotonic_time() < deadline_us && database_is_in_order(state))
        g_cond_wait_until(&state->changed, &state->lock, MIN(deadline_us, g_get_monotonic_time() + LOOK_US));
}

void departure_wake(State *state)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);

    state->departures++;
    g_cond_broadcast(&state->changed);
}
