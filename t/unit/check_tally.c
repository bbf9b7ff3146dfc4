#include "daemon/tally.h"
#include "model/fault.h"
#include "state_file.h"
#include "suite.h"

#include <check.h>
#include <string.h>

static State *state;
static Tally *tally;
static GString *told;

static void hear(gpointer user_data, const char *domain, const char *entry, const char *message)
{
    ck_assert_ptr_eq(user_data, &told);
    ck_assert_str_eq(domain, "example.org");
    g_string_append_printf(told, "%s: %s\n", entry, message);
}

static void setup(void)
{
    make_directory();
    state = open_state(STATE_OWN);
    told = g_string_new(NULL);
    tally = tally_new(state, hear, &told);
}

static void teardown(void)
{
    g_clear_pointer(&tally, tally_free);
    g_clear_pointer(&state, state_close);
    g_string_free(told, TRUE);
    remove_directory();
}

static void expect(const char *unique_id)
{
    tally_expect(tally, "example.org", unique_id, false);
    ck_assert(queue_add(state, "example.org", unique_id, "sweep", false, NULL));
}

static Change *lease(void)
{
    Change *change;

    ck_assert(queue_lease(state, &change, NULL));
    ck_assert_ptr_nonnull(change);
    return change;
}

static void note_end(Change *change, Fault fault, const char *message, bool out)
{
    g_autoptr(GError) error = message != NULL ? g_error_new_literal(FAULT, (gint)fault, message) : NULL;

    ck_assert(tally_note_end(tally, change, error, message, out, NULL));
}

/* The next change comes to a good end, after a step or without one. */
static void succeed(bool step)
{
    g_autoptr(Change) change = lease();

    if (step)
        tally_note_step(tally, change);
    ck_assert(queue_finish(state, change, NULL, NULL, NULL));
    note_end(change, 0, NULL, false);
}

static void fail_with(Fault fault, const char *message, const char *waits_for)
{
    g_autoptr(Change) change = lease();

    g_free(change->dn);
    change->dn = g_strdup_printf("uid=%s", change->unique_id);
    change->waits_for = g_strdup(waits_for);
    ck_assert(queue_fail(state, change, fault, message, NULL, NULL));
    note_end(change, fault, message, false);
}

static void make_due(void)
{
    run_sql("UPDATE change SET due = '2020-01-01T00:00:00.000Z'");
}

static void assert_counts(guint done, guint changed, guint failed)
{
    TallyCounts counts = tally_counts(tally);

    ck_assert_uint_eq(counts.done, done);
    ck_assert_uint_eq(counts.changed, changed);
    ck_assert_uint_eq(counts.failed, failed);
}

START_TEST(nothing_expected_is_through_once_it_is_settled)
{
    ck_assert(!tally_is_through(tally));
    ck_assert(tally_settle(tally, NULL));
    ck_assert(tally_is_through(tally));
    assert_counts(0, 0, 0);
}
END_TEST

START_TEST(it_is_through_when_the_last_one_is)
{
    expect("a");
    expect("b");
    ck_assert(tally_settle(tally, NULL));
    succeed(true);
    ck_assert(!tally_is_through(tally));
    succeed(false);
    ck_assert(tally_is_through(tally));
    assert_counts(2, 1, 0);
    ck_assert_str_eq(told->str, "");
}
END_TEST

START_TEST(what_ended_before_all_were_queued_counts_as_what_ends_later)
{
    expect("a");
    succeed(true);
    expect("b");
    fail_with(FAULT_PARK, "it cannot be", NULL);
    ck_assert(!tally_is_through(tally));
    assert_counts(0, 0, 0);
    ck_assert(tally_settle(tally, NULL));
    ck_assert(tally_is_through(tally));
    assert_counts(2, 1, 1);
    ck_assert_str_eq(told->str, "uid=b: it cannot be\n");
}
END_TEST

START_TEST(what_is_queued_again_while_it_is_looked_at_is_waited_for)
{
    g_autoptr(Change) change = NULL;

    expect("a");
    change = lease();
    tally_note_step(tally, change);
    expect("a");
    ck_assert(queue_finish(state, change, NULL, NULL, NULL));
    note_end(change, 0, NULL, false);
    ck_assert(tally_settle(tally, NULL));
    ck_assert(!tally_is_through(tally));
    succeed(false);
    ck_assert(tally_is_through(tally));
    assert_counts(1, 1, 0);
}
END_TEST

START_TEST(a_fault_that_may_pass_is_waited_for_as_often_as_a_sync_would_try)
{
    expect("a");
    expect("b");
    ck_assert(tally_settle(tally, NULL));
    for (guint i = 1; i <= 2; i++) {
        fail_with(FAULT_RETRY, "busy", NULL);
        fail_with(FAULT_RETRY, "busy", NULL);
        ck_assert(tally_has_open(tally));
        make_due();
    }
    fail_with(FAULT_RETRY, "still busy", NULL);
    succeed(true);
    ck_assert(tally_is_through(tally));
    assert_counts(2, 1, 1);
    ck_assert_ptr_nonnull(strstr(told->str, ": still busy\n"));
    ck_assert_ptr_null(strstr(told->str, ": busy\n"));
}
END_TEST

START_TEST(what_waits_for_another_entry_keeps_nobody_waiting)
{
    expect("a");
    ck_assert(tally_settle(tally, NULL));
    fail_with(FAULT_RETRY, "it is about to be deleted", "user/other@example.org");
    run_sql("UPDATE change SET due = '2999-01-01T00:00:00.000Z', waits_for = 'user/other@example.org'");
    ck_assert(tally_is_through(tally) && !tally_has_open(tally));
    tally_close(tally);
    assert_counts(1, 0, 0);
    ck_assert_str_eq(told->str, "uid=a: it is about to be deleted\n");
}
END_TEST

/* As a worker does: no attempt is counted. */
static void put_off(const char *message, bool out)
{
    g_autoptr(Change) change = lease();
    g_autoptr(GPtrArray) journal = g_ptr_array_new();

    ck_assert(queue_defer(state, change, g_get_monotonic_time() + 60 * (gint64)G_USEC_PER_SEC, journal, NULL));
    note_end(change, FAULT_RETRY, message, out);
}

START_TEST(what_waits_for_a_server_that_is_known_to_be_out_of_reach_has_failed)
{
    expect("a");
    expect("b");
    put_off("out of reach", true);
    ck_assert(tally_settle(tally, NULL));
    assert_counts(1, 0, 1);
    put_off("out of reach", true);
    ck_assert(tally_is_through(tally));
    assert_counts(2, 0, 2);
    ck_assert_str_eq(told->str, "a: out of reach\nb: out of reach\n");
}
END_TEST

START_TEST(what_loses_its_server_again_and_again_has_failed_in_the_end)
{
    expect("a");
    ck_assert(tally_settle(tally, NULL));
    for (guint i = 1; i <= 3; i++) {
        ck_assert(!tally_is_through(tally));
        put_off("lost", false);
        make_due();
    }
    ck_assert(tally_is_through(tally));
    assert_counts(1, 0, 1);
}
END_TEST

START_TEST(what_left_the_queue_without_a_try_is_done_at_the_next_look)
{
    expect("a");
    ck_assert(tally_settle(tally, NULL));
    run_sql("DELETE FROM change");
    ck_assert(!tally_is_through(tally));
    ck_assert(tally_settle(tally, NULL));
    ck_assert(tally_is_through(tally));
    assert_counts(1, 0, 0);
}
END_TEST

START_TEST(what_is_not_expected_does_not_count)
{
    expect("a");
    ck_assert(queue_add(state, "example.org", "other", "notice", false, NULL));
    ck_assert(queue_add(state, "example.net", "a", "notice", false, NULL));
    ck_assert(tally_settle(tally, NULL));
    for (guint i = 0; i < 3; i++)
        succeed(true);
    ck_assert(tally_is_through(tally));
    assert_counts(1, 1, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tally");
    TCase *tests = tcase_create("tally");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, nothing_expected_is_through_once_it_is_settled);
    tcase_add_test(tests, it_is_through_when_the_last_one_is);
    tcase_add_test(tests, what_ended_before_all_were_queued_counts_as_what_ends_later);
    tcase_add_test(tests, what_is_queued_again_while_it_is_looked_at_is_waited_for);
    tcase_add_test(tests, a_fault_that_may_pass_is_waited_for_as_often_as_a_sync_would_try);
    tcase_add_test(tests, what_waits_for_another_entry_keeps_nobody_waiting);
    tcase_add_test(tests, what_waits_for_a_server_that_is_known_to_be_out_of_reach_has_failed);
    tcase_add_test(tests, what_loses_its_server_again_and_again_has_failed_in_the_end);
    tcase_add_test(tests, what_left_the_queue_without_a_try_is_done_at_the_next_look);
    tcase_add_test(tests, what_is_not_expected_does_not_count);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
