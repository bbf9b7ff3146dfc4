#include "model/fault.h"
#include "queue_state.h"
#include "state/report.h"
#include "suite.h"

#include <check.h>
#include <string.h>

static void reopen(void)
{
    g_clear_pointer(&state, state_close);
    state = open_state(STATE_OWN);
}

static Change *lease_of(const char *unique_id)
{
    Change *change = lease();

    ck_assert_ptr_nonnull(change);
    ck_assert_str_eq(change->unique_id, unique_id);
    return change;
}

static void assert_nothing_due(void)
{
    g_autoptr(Change) change = lease();

    ck_assert_ptr_null(change);
}

static void assert_counts(guint due, guint later, guint leased, guint parked)
{
    QueueCounts counts;

    ck_assert(queue_count(state, &counts, NULL));
    ck_assert_uint_eq(counts.due, due);
    ck_assert_uint_eq(counts.later, later);
    ck_assert_uint_eq(counts.leased, leased);
    ck_assert_uint_eq(counts.parked, parked);
}

static void fail_change(const Change *change, Fault fault)
{
    ck_assert(queue_fail(state, change, fault, "it did not work", NULL, NULL));
}

static void finish(const Change *change)
{
    ck_assert(queue_finish(state, change, NULL, NULL, NULL));
}

START_TEST(an_entry_noticed_often_is_one_change)
{
    g_autoptr(Change) change = NULL;

    add("id-1");
    add("id-1");
    ck_assert(queue_add(state, "example.org", "id-1", "sweep", false, NULL));
    assert_counts(1, 0, 0, 0);
    change = lease_of("id-1");
    ck_assert_str_eq(change->domain, "example.org");
    ck_assert_str_eq(change->reason, "sweep");
    ck_assert_uint_eq(change->attempts, 0);
    finish(change);
    assert_counts(0, 0, 0, 0);
}
END_TEST

START_TEST(the_same_unique_id_in_two_domains_is_two_changes)
{
    add("id-1");
    ck_assert(queue_add(state, "example.net", "id-1", "notice", false, NULL));
    assert_counts(2, 0, 0, 0);
}
END_TEST

START_TEST(what_is_due_longest_is_leased_first_and_noticing_it_again_does_not_move_it_back)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-2");
    g_usleep(2000);
    add("id-1");
    g_usleep(2000);
    add("id-2");
    first = lease_of("id-2");
    second = lease_of("id-1");
}
END_TEST

START_TEST(a_leased_change_is_leased_to_nobody_else)
{
    g_autoptr(Change) first = NULL;

    add("id-1");
    first = lease_of("id-1");
    assert_nothing_due();
    assert_counts(0, 0, 1, 0);
    add("id-1");
    assert_nothing_due();
}
END_TEST

START_TEST(a_leased_change_that_is_noticed_again_is_processed_once_more)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-1");
    first = lease_of("id-1");
    add("id-1");
    add("id-1");
    finish(first);
    assert_counts(1, 0, 0, 0);
    second = lease_of("id-1");
    finish(second);
    assert_nothing_due();
    assert_counts(0, 0, 0, 0);
}
END_TEST

START_TEST(a_leased_change_that_is_noticed_again_is_due_at_once_whatever_its_fault)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-1");
    first = lease_of("id-1");
    add("id-1");
    fail_change(first, _i == 0 ? FAULT_RETRY : FAULT_PARK);
    second = lease_of("id-1");
    ck_assert_uint_eq(second->attempts, 1);
}
END_TEST

START_TEST(a_returned_change_is_due_untouched)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-1");
    first = lease_of("id-1");
    queue_return(state, first);
    assert_counts(1, 0, 0, 0);
    second = lease_of("id-1");
    ck_assert_uint_eq(second->attempts, 0);
}
END_TEST

START_TEST(a_crash_gives_leases_back)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-1");
    first = lease_of("id-1");
    reopen();
    second = lease_of("id-1");
}
END_TEST

START_TEST(a_retry_is_due_after_a_growing_pause)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-1");
    first = lease_of("id-1");
    fail_change(first, FAULT_RETRY);
    assert_nothing_due();
    assert_counts(0, 1, 0, 0);
    assert_value("SELECT fault || ' ' || last_error || ' ' || attempts FROM change", "retry it did not work 1");
    assert_value("SELECT (julianday(due) - julianday(last_try)) * 86400 BETWEEN 0.7 AND 1.3 FROM change", "1");
    add("id-1");
    second = lease_of("id-1");
    ck_assert_uint_eq(second->attempts, 1);
    fail_change(second, FAULT_RETRY);
    assert_value("SELECT (julianday(due) - julianday(last_try)) * 86400 BETWEEN 1.4 AND 2.6 FROM change", "1");
}
END_TEST

START_TEST(a_parked_change_waits_until_the_entry_changes)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-1");
    first = lease_of("id-1");
    fail_change(first, FAULT_PARK);
    assert_nothing_due();
    assert_counts(0, 0, 0, 1);
    reopen();
    assert_nothing_due();
    add("id-1");
    second = lease_of("id-1");
    ck_assert_uint_eq(second->attempts, 1);
    finish(second);
    assert_counts(0, 0, 0, 0);
}
END_TEST

START_TEST(a_fault_that_stops_the_daemon_leaves_the_change_due)
{
    g_autoptr(Change) change = NULL;

    add("id-1");
    change = lease_of("id-1");
    fail_change(change, FAULT_STOP);
    assert_counts(1, 0, 0, 0);
}
END_TEST

START_TEST(an_outcome_clears_the_faults_before_it)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-1");
    first = lease_of("id-1");
    fail_change(first, FAULT_PARK);
    add("id-1");
    second = lease_of("id-1");
    add("id-1");
    finish(second);
    assert_value("SELECT attempts || ' ' || (fault IS NULL) || ' ' || (last_error IS NULL) FROM change", "0 1 1");
}
END_TEST

START_TEST(verifying_is_asked_until_it_is_done)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;
    g_autoptr(Change) third = NULL;

    ck_assert(queue_add(state, "example.org", "id-1", "operator", true, NULL));
    add("id-1");
    first = lease_of("id-1");
    ck_assert(first->verify);
    fail_change(first, FAULT_PARK);
    add("id-1");
    second = lease_of("id-1");
    ck_assert(second->verify);
    finish(second);
    add("id-1");
    third = lease_of("id-1");
    ck_assert(!third->verify);
}
END_TEST

START_TEST(verifying_that_is_asked_during_the_lease_is_done_afterwards)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-1");
    first = lease_of("id-1");
    ck_assert(queue_add(state, "example.org", "id-1", "operator", true, NULL));
    finish(first);
    second = lease_of("id-1");
    ck_assert(second->verify);
}
END_TEST

START_TEST(a_problem_is_shown_with_the_dn_that_the_worker_found)
{
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-1");
    first = lease_of("id-1");
    ck_assert_ptr_null(first->dn);
    first->dn = g_strdup("uid=jane,dc=example,dc=org");
    fail_change(first, FAULT_PARK);
    assert_value("SELECT dn || ' ' || message FROM problems", "uid=jane,dc=example,dc=org it did not work");
    add("id-1");
    second = lease_of("id-1");
    ck_assert_str_eq(second->dn, "uid=jane,dc=example,dc=org");
}
END_TEST

static GPtrArray *one_step(void)
{
    GPtrArray *journal = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);
    JournalRow *row = journal_row_new("create folder");

    row->target = g_strdup("Calendar");
    row->mailbox = g_strdup("user/jane@example.org");
    row->after = g_strdup("Calendar");
    row->outcome = g_strdup("ok");
    g_ptr_array_add(journal, row);
    return journal;
}

static Record *record_of(const char *unique_id)
{
    Record *record = record_new("example.org", unique_id);

    record->dn = g_strdup_printf("uid=%s,dc=example,dc=org", unique_id);
    record->mailbox = g_strdup("user/jane@example.org");
    record->primary = g_strdup_printf("%s@example.org", unique_id);
    return record;
}

START_TEST(the_journal_tells_the_steps_of_a_success_and_of_a_failure)
{
    g_autoptr(GPtrArray) journal = one_step();
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;

    add("id-1");
    first = lease_of("id-1");
    ck_assert(queue_fail(state, first, FAULT_PARK, "no", journal, NULL));
    add("id-1");
    second = lease_of("id-1");
    ck_assert(queue_finish(state, second, NULL, journal, NULL));
    assert_value("SELECT group_concat(concat) FROM (SELECT unique_id || ' ' || step || ' ' || target || ' ' || after || ' '"
                 " || outcome AS concat FROM journal)",
                 "id-1 create folder Calendar Calendar ok,id-1 create folder Calendar Calendar ok");
    assert_value("SELECT count(*) FROM journal WHERE time LIKE '20__-__-__T__:__:__.___Z'", "2");
}
END_TEST

START_TEST(two_entries_never_own_one_mailbox)
{
    g_autoptr(Record) owner = record_of("id-1");
    g_autoptr(Record) claimant = record_of("id-2");
    g_autoptr(GPtrArray) journal = one_step();
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;
    g_autoptr(GError) error = NULL;

    add("id-1");
    first = lease_of("id-1");
    ck_assert(queue_finish(state, first, owner, NULL, NULL));
    add("id-2");
    second = lease_of("id-2");
    ck_assert(!queue_finish(state, second, claimant, journal, &error));
    ck_assert_int_eq(fault_of(error), FAULT_PARK);
    ck_assert_msg(strstr(error->message, "\"user/jane@example.org\"") != NULL, "%s", error->message);
    ck_assert_msg(strstr(error->message, "uid=id-1") != NULL, "%s", error->message);
    ck_assert_msg(strstr(error->message, "uid=id-2") != NULL, "%s", error->message);
    assert_value("SELECT count(*) FROM journal", "0");
    assert_value("SELECT count(*) FROM address WHERE unique_id = 'id-2'", "0");
    assert_counts(0, 0, 1, 0);
    ck_assert(queue_fail(state, second, FAULT_PARK, error->message, journal, NULL));
    assert_counts(0, 0, 0, 1);
}
END_TEST

START_TEST(a_group_is_visible_at_its_end_and_long_ones_earlier)
{
    QueueCounts counts;

    ck_assert(queue_group_begin(state, NULL));
    for (guint i = 0; i < 1000; i++) {
        g_autofree char *unique_id = g_strdup_printf("id-%u", i);

        add(unique_id);
    }
    ck_assert(queue_count(state, &counts, NULL));
    ck_assert_uint_ge(counts.due, 700);
    ck_assert(queue_group_end(state, NULL));
    assert_counts(1000, 0, 0, 0);
    add("id-1000");
    assert_counts(1001, 0, 0, 0);
}
END_TEST

START_TEST(an_empty_group_is_none)
{
    ck_assert(queue_group_begin(state, NULL));
    ck_assert(queue_group_end(state, NULL));
    assert_counts(0, 0, 0, 0);
}
END_TEST

static gint64 after_ms(gint64 ms)
{
    return g_get_monotonic_time() + ms * 1000;
}

START_TEST(waiting_ends_at_the_deadline)
{
    g_autoptr(Stop) stop = stop_new();
    g_autoptr(Change) change = NULL;
    gint64 deadline_us = after_ms(30);

    add("id-1");
    change = lease_of("id-1");
    queue_wait(state, stop, queue_seen(state), deadline_us);
    ck_assert_int_ge(g_get_monotonic_time(), deadline_us);
}
END_TEST

START_TEST(waiting_ends_at_once_when_a_change_is_due)
{
    g_autoptr(Stop) stop = stop_new();
    gint64 deadline_us = after_ms(60000);

    add("id-1");
    queue_wait(state, stop, queue_seen(state), deadline_us);
    ck_assert_int_lt(g_get_monotonic_time(), deadline_us);
}
END_TEST

START_TEST(waiting_ends_when_a_retry_is_due)
{
    g_autoptr(Stop) stop = stop_new();
    g_autoptr(Change) first = NULL;
    g_autoptr(Change) second = NULL;
    gint64 deadline_us = after_ms(60000);

    add("id-1");
    first = lease_of("id-1");
    fail_change(first, FAULT_RETRY);
    queue_wait(state, stop, queue_seen(state), deadline_us);
    ck_assert_int_lt(g_get_monotonic_time(), deadline_us);
    second = lease_of("id-1");
}
END_TEST

static gpointer add_soon(gpointer unused)
{
    g_usleep(20000);
    add("id-1");
    return unused;
}

START_TEST(waiting_ends_when_another_thread_adds_a_change)
{
    g_autoptr(Stop) stop = stop_new();
    gint64 deadline_us = after_ms(60000);
    GThread *thread = g_thread_new("add", add_soon, NULL);
    g_autoptr(Change) change = NULL;

    queue_wait(state, stop, queue_seen(state), deadline_us);
    ck_assert_int_lt(g_get_monotonic_time(), deadline_us);
    g_thread_join(thread);
    change = lease_of("id-1");
}
END_TEST

static gpointer stop_soon(gpointer stop)
{
    g_usleep(20000);
    stop_gently(stop);
    queue_wake(state);
    return NULL;
}

START_TEST(waiting_ends_when_the_daemon_is_asked_to_stop)
{
    g_autoptr(Stop) stop = stop_new();
    gint64 deadline_us = after_ms(60000);
    GThread *thread = g_thread_new("stop", stop_soon, stop);

    queue_wait(state, stop, queue_seen(state), deadline_us);
    ck_assert_int_lt(g_get_monotonic_time(), deadline_us);
    g_thread_join(thread);
}
END_TEST

START_TEST(waiting_ends_at_once_when_something_happened_since_the_look)
{
    g_autoptr(Stop) stop = stop_new();
    gint64 deadline_us = after_ms(60000);
    guint seen = queue_seen(state);

    queue_wake(state);
    queue_wait(state, stop, seen, deadline_us);
    ck_assert_int_lt(g_get_monotonic_time(), deadline_us);
}
END_TEST

enum { ENTRIES = 40, ROUNDS = 10, WORKERS = 4 };

static gint held[ENTRIES]; /* atomic: how many workers hold the entry */
static gint overlaps;      /* atomic */
static gint noticing;      /* atomic: the notices still come */

static gpointer work(gpointer stop)
{
    for (;;) {
        g_autoptr(Change) change = lease();
        QueueCounts counts;
        gint *holders;

        if (change != NULL) {
            holders = &held[atoi(change->unique_id)];
            if (g_atomic_int_add(holders, 1) != 0)
                g_atomic_int_inc(&overlaps);
            g_usleep(100);
            g_atomic_int_add(holders, -1);
            finish(change);
            continue;
        }
        ck_assert(queue_count(state, &counts, NULL));
        if (!g_atomic_int_get(&noticing) && counts.due + counts.leased == 0)
            return NULL;
        queue_wait(state, stop, queue_seen(state), after_ms(5));
    }
}

static void notice_all(void)
{
    ck_assert(queue_group_begin(state, NULL));
    for (guint i = 0; i < ENTRIES; i++) {
        g_autofree char *unique_id = g_strdup_printf("%u", i);

        add(unique_id);
    }
    ck_assert(queue_group_end(state, NULL));
}

START_TEST(workers_never_hold_the_same_entry_and_leave_nothing)
{
    g_autoptr(Stop) stop = stop_new();
    GThread *threads[WORKERS];

    g_atomic_int_set(&noticing, 1);
    for (guint i = 0; i < WORKERS; i++)
        threads[i] = g_thread_new("worker", work, stop);
    for (guint i = 0; i < ROUNDS; i++) {
        notice_all();
        g_usleep(1000);
    }
    g_atomic_int_set(&noticing, 0);
    for (guint i = 0; i < WORKERS; i++)
        g_thread_join(threads[i]);
    ck_assert_int_eq(g_atomic_int_get(&overlaps), 0);
    assert_counts(0, 0, 0, 0);
}
END_TEST

enum { CROWD = 20000, SERVED_BEFORE_CRASH = 7000 };

static char *crowd_id(guint number)
{
    return g_strdup_printf("id-%05u", number);
}

static void notice_crowd(void)
{
    ck_assert(queue_group_begin(state, NULL));
    for (guint i = 0; i < CROWD; i++) {
        g_autofree char *unique_id = crowd_id(i);

        add(unique_id);
    }
    ck_assert(queue_group_end(state, NULL));
}

static void serve_crowd(guint from, guint to)
{
    for (guint i = from; i < to; i++) {
        g_autofree char *unique_id = crowd_id(i);
        g_autoptr(Change) change = lease_of(unique_id);

        finish(change);
    }
}

START_TEST(twenty_thousand_entries_are_each_served_once_in_their_order_and_a_crash_loses_none)
{
    notice_crowd();
    assert_counts(CROWD, 0, 0, 0);
    serve_crowd(0, SERVED_BEFORE_CRASH);
    for (guint i = 0; i < WORKERS; i++) {
        g_autoptr(Change) in_hand = lease();

        ck_assert_ptr_nonnull(in_hand);
    }
    reopen();
    assert_counts(CROWD - SERVED_BEFORE_CRASH, 0, 0, 0);
    serve_crowd(SERVED_BEFORE_CRASH, CROWD);
    assert_counts(0, 0, 0, 0);
}
END_TEST

static void assert_index(const char *sql)
{
    g_autofree char *explained = g_strconcat("EXPLAIN QUERY PLAN ", sql, NULL);
    sqlite3 *db;
    sqlite3_stmt *query;
    const char *detail;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, explained, -1, &query, NULL), SQLITE_OK);
    while (sqlite3_step(query) == SQLITE_ROW) {
        detail = (const char *)sqlite3_column_text(query, 3);
        ck_assert_msg((g_str_has_prefix(detail, "MULTI-INDEX OR") || g_str_has_prefix(detail, "INDEX ") || g_str_has_prefix(detail, "SEARCH")) && strstr(detail, "INDEX") != NULL, "%s", detail);
    }
    sqlite3_finalize(query);
    sqlite3_close(db);
}

START_TEST(the_next_change_and_a_mailboxs_owner_are_found_by_an_index)
{
    assert_index("SELECT domain, unique_id, reason, dn, verify, attempts, generation FROM change"
                 " WHERE state = 'queued' AND server IS ?1 AND due <= '2026' ORDER BY due");
    assert_index("SELECT server FROM change WHERE state = 'queued' AND server > ?1 ORDER BY server LIMIT 1");
    assert_index("SELECT domain, unique_id, dn FROM entry WHERE mailbox = ?1 OR renaming_to = ?1");
    assert_index("SELECT 1 FROM change WHERE waits_for = ?");
}
END_TEST

static void add_outcomes(TCase *cases)
{
    tcase_add_test(cases, an_entry_noticed_often_is_one_change);
    tcase_add_test(cases, the_same_unique_id_in_two_domains_is_two_changes);
    tcase_add_test(cases, what_is_due_longest_is_leased_first_and_noticing_it_again_does_not_move_it_back);
    tcase_add_test(cases, a_leased_change_is_leased_to_nobody_else);
    tcase_add_test(cases, a_leased_change_that_is_noticed_again_is_processed_once_more);
    tcase_add_loop_test(cases, a_leased_change_that_is_noticed_again_is_due_at_once_whatever_its_fault, 0, 2);
    tcase_add_test(cases, a_returned_change_is_due_untouched);
    tcase_add_test(cases, a_crash_gives_leases_back);
    tcase_add_test(cases, a_retry_is_due_after_a_growing_pause);
    tcase_add_test(cases, a_parked_change_waits_until_the_entry_changes);
    tcase_add_test(cases, a_fault_that_stops_the_daemon_leaves_the_change_due);
    tcase_add_test(cases, an_outcome_clears_the_faults_before_it);
    tcase_add_test(cases, verifying_is_asked_until_it_is_done);
    tcase_add_test(cases, verifying_that_is_asked_during_the_lease_is_done_afterwards);
    tcase_add_test(cases, a_problem_is_shown_with_the_dn_that_the_worker_found);
    tcase_add_test(cases, the_journal_tells_the_steps_of_a_success_and_of_a_failure);
    tcase_add_test(cases, two_entries_never_own_one_mailbox);
}

static void add_waits(TCase *cases)
{
    tcase_add_test(cases, a_group_is_visible_at_its_end_and_long_ones_earlier);
    tcase_add_test(cases, an_empty_group_is_none);
    tcase_add_test(cases, waiting_ends_at_the_deadline);
    tcase_add_test(cases, waiting_ends_at_once_when_a_change_is_due);
    tcase_add_test(cases, waiting_ends_when_a_retry_is_due);
    tcase_add_test(cases, waiting_ends_when_another_thread_adds_a_change);
    tcase_add_test(cases, waiting_ends_when_the_daemon_is_asked_to_stop);
    tcase_add_test(cases, waiting_ends_at_once_when_something_happened_since_the_look);
    tcase_add_test(cases, workers_never_hold_the_same_entry_and_leave_nothing);
    tcase_add_test(cases, twenty_thousand_entries_are_each_served_once_in_their_order_and_a_crash_loses_none);
    tcase_add_test(cases, the_next_change_and_a_mailboxs_owner_are_found_by_an_index);
}

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *outcomes = tcase_create("outcomes");
    TCase *waits = tcase_create("waits");

    tcase_add_checked_fixture(outcomes, open_queue, close_queue);
    tcase_add_checked_fixture(waits, open_queue, close_queue);
    tcase_set_timeout(outcomes, 60);
    tcase_set_timeout(waits, 120);
    add_outcomes(outcomes);
    add_waits(waits);
    suite_add_tcase(suite, outcomes);
    suite_add_tcase(suite, waits);
    return run_suite(suite);
}
