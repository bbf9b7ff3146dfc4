#include "model/fault.h"
#include "queue_state.h"
#include "suite.h"

#include <check.h>
#include <time.h>

#define SECOND_US ((gint64)G_USEC_PER_SEC)
#define DAY_US (86400 * SECOND_US)

static gint64 set_by_us; /* by how much somebody has set the wall clock */

/* In place of GLib's. */
gint64 g_get_real_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * SECOND_US + now.tv_nsec / 1000 + set_by_us;
}

static void setup(void)
{
    set_by_us = 0;
    open_queue();
}

static void assert_counts(guint due, guint later)
{
    QueueCounts counts;

    ck_assert(queue_count(state, &counts, NULL));
    ck_assert_uint_eq(counts.due, due);
    ck_assert_uint_eq(counts.later, later);
}

/* Half a minute later it is due. */
static void add_deferred(const char *unique_id)
{
    g_autoptr(Change) change = NULL;

    add(unique_id);
    change = lease();
    ck_assert(queue_defer(state, change, g_get_monotonic_time() + 30 * SECOND_US, NULL, NULL));
}

static void add_failed(const char *unique_id)
{
    g_autoptr(Change) change = NULL;

    add(unique_id);
    change = lease();
    ck_assert_ptr_nonnull(change);
    ck_assert(queue_fail(state, change, FAULT_RETRY, "it did not work", NULL, NULL));
}

static const gint64 steps_us[] = {5 * SECOND_US, 400 * DAY_US};

START_TEST(what_was_never_tried_is_due_although_the_clock_was_set_back)
{
    g_autoptr(GPtrArray) listed = NULL;
    g_autoptr(Change) change = NULL;

    add("id-1");
    assert_counts(1, 0);
    set_by_us -= steps_us[_i];
    assert_counts(1, 0);
    set_by_us -= steps_us[_i];
    ck_assert(queue_list_due(state, "example.org", &listed, NULL));
    ck_assert_uint_eq(listed->len, 1);
    set_by_us -= steps_us[_i];
    change = lease();
    ck_assert_ptr_nonnull(change);
}
END_TEST

START_TEST(a_clock_that_was_set_back_while_nobody_ran_keeps_nothing_waiting)
{
    g_autoptr(Change) change = NULL;

    add("id-1");
    g_clear_pointer(&state, state_close);
    set_by_us -= steps_us[_i];
    state = open_state(STATE_OWN);
    change = lease();
    ck_assert_ptr_nonnull(change);
}
END_TEST

START_TEST(a_failed_change_keeps_its_pause_but_waits_no_longer_than_any_pause_lasts)
{
    add_failed("id-1");
    assert_counts(0, 1);
    set_by_us -= 5 * SECOND_US;
    assert_counts(0, 1);
    set_by_us -= DAY_US;
    assert_counts(1, 0);
}
END_TEST

START_TEST(what_waits_for_another_entry_goes_on_waiting)
{
    add_deferred("id-1");
    run_sql("UPDATE change SET waits_for = 'user/jane@example.org'");
    set_by_us -= 5 * SECOND_US;
    assert_counts(0, 1);
}
END_TEST

START_TEST(a_clock_that_goes_on_makes_nothing_due_early)
{
    add_deferred("id-1");
    assert_counts(0, 1);
    set_by_us += 5 * SECOND_US;
    assert_counts(0, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("due");
    TCase *cases = tcase_create("due");

    tcase_add_checked_fixture(cases, setup, close_queue);
    tcase_add_loop_test(cases, what_was_never_tried_is_due_although_the_clock_was_set_back, 0, G_N_ELEMENTS(steps_us));
    tcase_add_loop_test(cases, a_clock_that_was_set_back_while_nobody_ran_keeps_nothing_waiting, 0, G_N_ELEMENTS(steps_us));
    tcase_add_test(cases, a_failed_change_keeps_its_pause_but_waits_no_longer_than_any_pause_lasts);
    tcase_add_test(cases, what_waits_for_another_entry_goes_on_waiting);
    tcase_add_test(cases, a_clock_that_goes_on_makes_nothing_due_early);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
