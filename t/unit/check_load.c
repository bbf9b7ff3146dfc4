/* What one change costs, however many others there are: counted in steps of SQLite's machine, which no other work on the
 * computer disturbs. That is why this looks into the state. */
#include "model/fault.h"
#include "state/database.h"
#include "state/journal.h"
#include "state/queue.h"
#include "suite.h"

#include <check.h>
#include <string.h>

enum { FEW = 200, MANY = 20000 };
/* Trees of more rows are deeper, and an index may be asked once more; a table that is read makes it a hundred times. */
enum { ALLOWANCE_PERCENT = 20 };

#define ROWS "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO "
#define CHANGES ROWS "change (domain, unique_id, reason, state, due, queued_at, attempts, fault, last_error, waits_for)"         \
                     " SELECT 'example.org', 'id-' || i, 'notice', "
#define ENTRIES ROWS "entry (domain, unique_id, mailbox, status, first_seen) SELECT 'example.net', 'owner-' || i,"              \
                     " 'user/u' || i || '@example.org', "
#define ADDRESSES ROWS "address (domain, address, unique_id, role, status, made, since) SELECT 'example.org',"                    \
                       " 'u' || i || '@example.org', 'owner-' || i, 'primary', 'held', 0, '2026-01-01' FROM n"
#define DELETED ROWS "departure (domain, unique_id, reason, since, status)"                                                      \
                     " SELECT 'example.org', 'id-' || i, 'gone', '2026-01-01', 'deleted' FROM n"
#define LATER "replace(datetime('now', '+30 minutes'), ' ', 'T') || '.000Z', '2026-01-01T00:00:00.000Z', 3, "

/* What there is beside the change. */
static const struct {
    const char *name;
    const char *changes; /* formats with the number of rows; NULL: none */
    const char *entries; /* or departures */
} COMPANY[] = {
    {"others are due", CHANGES "'queued', '2026-01-01', '2026-01-01', 0, NULL, NULL, NULL FROM n", NULL},
    {"others wait for a retry", CHANGES "'queued', " LATER "'retry', 'no', NULL FROM n", NULL},
    {"others are parked", CHANGES "'parked', " LATER "'park', 'no', NULL FROM n", NULL},
    {"others wait for mailboxes", CHANGES "'queued', " LATER "NULL, NULL, 'user/u' || i || '@example.org' FROM n",
     ENTRIES "'ok', '2026-01-01' FROM n"},
    {"others are parked until they get a mailbox", CHANGES "'parked', " LATER "'park', 'no', 'user/u' || i || '@example.org' FROM n",
     ENTRIES "'ok', '2026-01-01' FROM n"},
    {"others are in order", NULL, ENTRIES "'ok', '2026-01-01' FROM n"},
    {"others have addresses", NULL, ADDRESSES},
    {"others have departed", NULL, ENTRIES "'departed', '2026-01-01' FROM n"},
    {"others were deleted", NULL, DELETED},
};

static State *state;
static guint64 steps;

static int count_step(void *unused G_GNUC_UNUSED)
{
    steps++;
    return 0;
}

static void run_sql(const char *format, int rows)
{
    char *sql = format == NULL ? NULL : sqlite3_mprintf(format, rows);

    ck_assert_int_eq(sql == NULL ? SQLITE_OK : sqlite3_exec(state->db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_free(sql);
}

/* The first look of a process is at all that is due later, in case the clock was set back; that is done here. */
static void open_state(int company, int rows)
{
    QueueCounts counts;

    state = state_open("/nowhere/state.db", STATE_SCRATCH, NULL);
    ck_assert_ptr_nonnull(state);
    run_sql(COMPANY[company].entries, rows);
    run_sql(COMPANY[company].changes, rows);
    ck_assert(queue_count(state, &counts, NULL));
}

/* Gives what has been due longest: the entry that is noticed, unless others were due before. */
static Change *notice_and_lease(const char *unique_id)
{
    Change *change;

    ck_assert(queue_add(state, "example.org", unique_id, "notice", false, NULL));
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert_ptr_nonnull(change);
    return change;
}

static GPtrArray *new_texts(void)
{
    return g_ptr_array_new_with_free_func(g_free);
}

static void decide(const Record *record)
{
    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) lost = new_texts(), wanted = new_texts();

    g_ptr_array_add(wanted, g_strdup(record->primary));
    ck_assert(state_find_lost(state, record->domain, record->unique_id, lost, NULL));
    ck_assert(state_find_reserved(state, record->domain, record->unique_id, wanted, taken, NULL));
    ck_assert(state_reserve(state, record->domain, record->unique_id, record->primary, record->aliases, taken, NULL));
}

static void succeed(const char *unique_id)
{
    g_autoptr(Change) change = notice_and_lease(unique_id);
    g_autoptr(Record) record = record_new("example.org", change->unique_id), before = NULL;
    g_autoptr(GPtrArray) journal = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);

    record->mailbox = g_strdup_printf("user/%s@example.org", change->unique_id);
    record->primary = g_strdup_printf("%s@example.org", change->unique_id);
    g_ptr_array_add(journal, journal_row_new("create mailbox"));
    ck_assert(state_find_record(state, "example.org", change->unique_id, &before, NULL));
    decide(record);
    ck_assert(queue_finish(state, change, record, journal, NULL));
    ck_assert(state_set_mailbox(state, "example.org", change->unique_id, record->mailbox, NULL));
}

static void park(const char *unique_id, const char *waits_for)
{
    g_autoptr(Change) change = notice_and_lease(unique_id);

    change->waits_for = g_strdup(waits_for);
    ck_assert(queue_fail(state, change, FAULT_PARK, "it did not work", NULL, NULL));
}

static void leave(const char *unique_id)
{
    g_autoptr(Change) change = notice_and_lease(unique_id);
    g_autoptr(Record) record = record_new("example.org", change->unique_id);

    record->departed = true;
    record->departure.status = DEPARTURE_NONE;
    ck_assert(queue_finish(state, change, record, NULL, NULL));
}

static void wait_a_moment(void)
{
    g_autoptr(Stop) stop = stop_new();

    queue_wait(state, stop, queue_seen(state), g_get_monotonic_time());
}

/* The life of an entry as the queue sees it: gets a mailbox, waits for another one, fails, is looked at again, leaves. */
static guint64 count_life(int company, int rows)
{
    open_state(company, rows);
    sqlite3_progress_handler(state->db, 1, count_step, NULL);
    steps = 0;
    succeed("jane");
    park("john", "user/jane@example.org");
    wait_a_moment();
    park("jane", NULL);
    succeed("jane");
    leave("jane");
    sqlite3_progress_handler(state->db, 0, NULL, NULL);
    g_clear_pointer(&state, state_close);
    return steps;
}

static guint64 count_summary(int rows)
{
    DepartureSummary summary;

    state = state_open("/nowhere/state.db", STATE_SCRATCH, NULL);
    ck_assert_ptr_nonnull(state);
    run_sql(DELETED, rows);
    sqlite3_progress_handler(state->db, 1, count_step, NULL);
    steps = 0;
    ck_assert(departure_summarize(state, &summary, NULL));
    sqlite3_progress_handler(state->db, 0, NULL, NULL);
    g_clear_pointer(&state, state_close);
    return steps;
}

START_TEST(a_change_costs_the_same_however_many_others_there_are)
{
    guint64 few = count_life(_i, FEW), many = count_life(_i, MANY);

    ck_assert_uint_gt(few, 0);
    ck_assert_msg(many <= few + few * ALLOWANCE_PERCENT / 100, "%s: %lu steps beside %d of them, %lu beside %d", COMPANY[_i].name, (gulong)few, FEW,
                  (gulong)many, MANY);
}
END_TEST

START_TEST(what_is_still_to_be_decided_about_departures_is_found_whatever_was_deleted_before)
{
    ck_assert_uint_le(count_summary(MANY), count_summary(FEW));
}
END_TEST

/* Without the first company, which would have its turn before. */
START_TEST(what_waited_for_a_mailbox_is_due_when_it_is_given_up_among_many_others)
{
    g_autoptr(Change) change = NULL;

    open_state(_i, MANY);
    succeed("jane");
    park("john", "user/jane@example.org");
    leave("jane");
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert_ptr_nonnull(change);
    ck_assert_str_eq(change->unique_id, "john");
    g_clear_pointer(&state, state_close);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("load");
    TCase *costs = tcase_create("costs");

    tcase_set_timeout(costs, 120);
    tcase_add_loop_test(costs, a_change_costs_the_same_however_many_others_there_are, 0, G_N_ELEMENTS(COMPANY));
    tcase_add_test(costs, what_is_still_to_be_decided_about_departures_is_found_whatever_was_deleted_before);
    tcase_add_loop_test(costs, what_waited_for_a_mailbox_is_due_when_it_is_given_up_among_many_others, 1, G_N_ELEMENTS(COMPANY));
    suite_add_tcase(suite, costs);
    return run_suite(suite);
}
