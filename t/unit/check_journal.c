#include "model/fault.h"
#include "state/queue.h"
#include "state_file.h"
#include "suite.h"

#include <check.h>

#define ROWS "SELECT group_concat(step || ' ' || target || ' ' || outcome, '; ') FROM (SELECT * FROM journal ORDER BY time, id)"

static State *state;

static void setup(void)
{
    make_directory();
    state = open_state(STATE_OWN);
}

static void teardown(void)
{
    g_clear_pointer(&state, state_close);
    remove_directory();
}

/* One step; `outcome` NULL: ok. */
static GPtrArray *journal_of(const char *step, const char *target, const char *outcome)
{
    GPtrArray *journal = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);
    JournalRow *row = journal_row_new(step);

    row->target = g_strdup(target);
    row->mailbox = g_strdup("user/jane@example.org");
    row->after = g_strdup(target);
    row->outcome = g_strdup(outcome != NULL ? outcome : "ok");
    g_ptr_array_add(journal, row);
    return journal;
}

static Change *lease(const char *unique_id)
{
    Change *change;

    ck_assert(queue_add(state, "example.org", unique_id, "notice", false, NULL));
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert_ptr_nonnull(change);
    ck_assert_str_eq(change->unique_id, unique_id);
    return change;
}

/* A try that fails at one step. */
static void fail_at(const char *step, const char *target, const char *outcome)
{
    g_autoptr(GPtrArray) journal = journal_of(step, target, outcome);
    g_autoptr(Change) change = lease("id-jane");

    ck_assert(queue_fail(state, change, FAULT_PARK, outcome, journal, NULL));
}

static void succeed_at(const char *step, const char *target)
{
    g_autoptr(GPtrArray) journal = journal_of(step, target, NULL);
    g_autoptr(Change) change = lease("id-jane");

    ck_assert(queue_finish(state, change, NULL, journal, NULL));
}

START_TEST(a_step_that_fails_again_as_before_is_told_once)
{
    for (int i = 0; i < 3; i++)
        fail_at("create folder", "Sent", "NO \"Permission denied\"");
    fail_at("create folder", "Drafts", "NO \"Permission denied\"");
    fail_at("create folder", "Sent", "NO \"Permission denied\"");
    assert_value(ROWS, "create folder Sent NO \"Permission denied\"; create folder Drafts NO \"Permission denied\"");
    fail_at("create folder", "Sent", "NO \"Over quota\"");
    fail_at("create folder", "Sent", "NO \"Permission denied\"");
    assert_value("SELECT count(*) FROM journal", "4");
    succeed_at("create folder", "Sent");
    fail_at("create folder", "Sent", "NO \"Permission denied\"");
    assert_value("SELECT count(*) FROM journal", "6");
}
END_TEST

START_TEST(a_step_that_takes_effect_is_told_each_time)
{
    succeed_at("set quota", "user/jane@example.org");
    succeed_at("set quota", "user/jane@example.org");
    assert_value("SELECT count(*) FROM journal", "2");
}
END_TEST

START_TEST(what_was_done_of_a_change_that_is_broken_off_is_told_and_the_change_stays)
{
    g_autoptr(GPtrArray) journal = journal_of("create mailbox", "user/jane@example.org", NULL);
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();
    g_autoptr(Change) change = lease("id-jane");
    g_autoptr(Change) again = NULL;
    g_autoptr(Change) once_more = NULL;

    ck_assert(queue_break_off(state, change, journal, NULL));
    assert_value(ROWS, "create mailbox user/jane@example.org ok");
    ck_assert(queue_lease(state, &again, NULL));
    ck_assert_ptr_nonnull(again);
    ck_assert_uint_eq(again->attempts, 0);
    ck_assert(queue_break_off(state, again, nothing, NULL));
    ck_assert(queue_lease(state, &once_more, NULL));
    ck_assert_ptr_nonnull(once_more);
    assert_value("SELECT count(*) FROM journal", "1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("journal");
    TCase *written = tcase_create("written");

    tcase_add_checked_fixture(written, setup, teardown);
    tcase_add_test(written, a_step_that_fails_again_as_before_is_told_once);
    tcase_add_test(written, a_step_that_takes_effect_is_told_each_time);
    tcase_add_test(written, what_was_done_of_a_change_that_is_broken_off_is_told_and_the_change_stays);
    suite_add_tcase(suite, written);
    return run_suite(suite);
}
