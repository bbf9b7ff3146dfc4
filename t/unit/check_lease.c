/* Who comes next when a server is slow: no more workers are at its people than its share, and nobody else waits for it. */
#include "queue_state.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define SLOW "slow.example"
#define FAST "fast.example"
enum { SHARE = 2, MANY = 600 };

/* The people of a domain are at a server of that name; those of "new.example" will get a mailbox somewhere. */
static char *server_of(const char *domain, const char *mail_host G_GNUC_UNUSED, gpointer user_data G_GNUC_UNUSED)
{
    return strcmp(domain, "new.example") == 0 ? NULL : g_strdup(domain);
}

static void set_up(void)
{
    open_queue();
    queue_share(state, SHARE, 0, server_of, NULL);
}

static void notice(const char *domain, const char *unique_id)
{
    ck_assert(queue_add(state, domain, unique_id, "notice", false, NULL));
    g_usleep(2000); /* times in the queue have milliseconds */
}

static Change *lease_of(const char *domain, const char *unique_id)
{
    Change *change = lease();

    ck_assert_ptr_nonnull(change);
    ck_assert_str_eq(change->domain, domain);
    ck_assert_str_eq(change->unique_id, unique_id);
    return change;
}

static void assert_nothing_to_do(void)
{
    g_autoptr(Change) change = lease();

    ck_assert_ptr_null(change);
}

static void finish(const Change *change)
{
    ck_assert(queue_finish(state, change, NULL, NULL, NULL));
}

static void notice_slow(void)
{
    notice(SLOW, "id-1");
    notice(SLOW, "id-2");
    notice(SLOW, "id-3");
}

START_TEST(others_are_served_although_more_than_its_share_wait_for_a_slow_server)
{
    g_autoptr(Change) one = NULL;
    g_autoptr(Change) two = NULL;
    g_autoptr(Change) other = NULL;
    g_autoptr(Change) three = NULL;

    notice_slow();
    notice(FAST, "id-9");
    one = lease_of(SLOW, "id-1");
    two = lease_of(SLOW, "id-2");
    other = lease_of(FAST, "id-9");
    assert_nothing_to_do();
    finish(two);
    three = lease_of(SLOW, "id-3");
}
END_TEST

START_TEST(what_was_put_off_comes_in_its_order_again)
{
    g_autoptr(Change) one = NULL;
    g_autoptr(Change) two = NULL;
    g_autoptr(Change) early = NULL;
    g_autoptr(Change) three = NULL;
    g_autoptr(Change) late = NULL;

    notice(FAST, "id-8");
    notice_slow();
    notice(FAST, "id-9");
    early = lease_of(FAST, "id-8");
    one = lease_of(SLOW, "id-1");
    two = lease_of(SLOW, "id-2");
    late = lease_of(FAST, "id-9"); /* now the third is put off */
    queue_return(state, late);
    finish(one);
    three = lease_of(SLOW, "id-3");
    ck_assert_str_eq(three->server, SLOW);
}
END_TEST

START_TEST(a_server_that_is_not_slow_may_have_all_workers)
{
    g_autoptr(Change) one = NULL;
    g_autoptr(Change) two = NULL;
    g_autoptr(Change) three = NULL;

    queue_share(state, SHARE, G_MAXINT64, server_of, NULL);
    notice_slow();
    notice(FAST, "id-9");
    one = lease_of(SLOW, "id-1");
    two = lease_of(SLOW, "id-2");
    three = lease_of(SLOW, "id-3");
}
END_TEST

/* As after a stall of the server, which ends for all at the same moment. */
START_TEST(workers_that_come_back_together_do_not_go_there_together_again)
{
    g_autoptr(Change) one = NULL;
    g_autoptr(Change) two = NULL;
    g_autoptr(Change) three = NULL;
    g_autoptr(Change) four = NULL;

    queue_share(state, SHARE, G_USEC_PER_SEC, server_of, NULL);
    notice_slow();
    notice(SLOW, "id-4");
    notice(SLOW, "id-5");
    one = lease_of(SLOW, "id-1");
    two = lease_of(SLOW, "id-2");
    g_usleep(3 * G_USEC_PER_SEC / 2);
    finish(one);
    finish(two);
    three = lease_of(SLOW, "id-3");
    four = lease_of(SLOW, "id-4");
    assert_nothing_to_do();
}
END_TEST

START_TEST(who_goes_on_at_a_server_counts_there_or_is_put_off)
{
    g_autoptr(Change) one = NULL;
    g_autoptr(Change) two = NULL;
    g_autoptr(Change) three = NULL;
    g_autoptr(Change) again = NULL;
    bool full;

    notice("new.example", "id-1");
    notice("new.example", "id-2");
    notice("new.example", "id-3");
    one = lease_of("new.example", "id-1");
    ck_assert(queue_enter(state, one, SLOW, &full, NULL));
    ck_assert(!full);
    two = lease_of("new.example", "id-2");
    ck_assert(queue_enter(state, two, SLOW, &full, NULL));
    ck_assert(!full);
    three = lease_of("new.example", "id-3");
    ck_assert(queue_enter(state, three, SLOW, &full, NULL));
    ck_assert(full);
    assert_nothing_to_do();
    finish(one);
    again = lease_of("new.example", "id-3");
    ck_assert(queue_enter(state, again, SLOW, &full, NULL));
    ck_assert(!full);
}
END_TEST

START_TEST(nobody_stands_in_its_own_way)
{
    g_autoptr(Change) one = NULL;
    g_autoptr(Change) two = NULL;
    bool full;

    notice_slow();
    one = lease_of(SLOW, "id-1");
    two = lease_of(SLOW, "id-2");
    ck_assert(queue_enter(state, two, SLOW, &full, NULL));
    ck_assert(!full);
    assert_nothing_to_do();
}
END_TEST

START_TEST(without_a_share_nobody_is_put_off_and_who_was_comes)
{
    g_autoptr(Change) one = NULL;
    g_autoptr(Change) two = NULL;
    g_autoptr(Change) three = NULL;

    notice_slow();
    one = lease_of(SLOW, "id-1");
    two = lease_of(SLOW, "id-2");
    assert_nothing_to_do();
    queue_share(state, 0, 0, NULL, NULL);
    three = lease_of(SLOW, "id-3");
}
END_TEST

START_TEST(a_crash_forgets_nobody_who_was_put_off)
{
    notice_slow();
    for (guint i = 0; i < SHARE; i++)
        change_free(lease());
    assert_nothing_to_do();
    g_clear_pointer(&state, state_close);
    state = open_state(STATE_OWN);
    for (guint i = 0; i < 3; i++) {
        g_autoptr(Change) change = lease();

        ck_assert_ptr_nonnull(change);
    }
    assert_nothing_to_do();
}
END_TEST

START_TEST(who_waits_for_work_does_not_wake_for_what_is_put_off)
{
    Stop *stop = stop_new();
    g_autoptr(Change) one = NULL;
    g_autoptr(Change) two = NULL;
    gint64 deadline_us;

    notice_slow();
    one = lease();
    two = lease();
    assert_nothing_to_do();
    deadline_us = g_get_monotonic_time() + G_USEC_PER_SEC / 20;
    queue_wait(state, stop, queue_seen(state), deadline_us);
    ck_assert_int_ge(g_get_monotonic_time(), deadline_us);
    stop_free(stop);
}
END_TEST

START_TEST(many_are_put_off_at_a_time_and_each_is_served_once)
{
    g_autoptr(Change) one = NULL;
    g_autoptr(Change) two = NULL;
    g_autoptr(Change) other = NULL;

    for (guint i = 0; i < MANY; i++) {
        g_autofree char *unique_id = g_strdup_printf("id-%04u", i);

        ck_assert(queue_add(state, SLOW, unique_id, "sweep", false, NULL));
    }
    notice(FAST, "id-9");
    one = lease();
    two = lease();
    other = lease_of(FAST, "id-9");
    assert_nothing_to_do();
    finish(one);
    for (guint i = 2; i < MANY; i++) {
        g_autoptr(Change) next = lease();

        ck_assert_ptr_nonnull(next);
        ck_assert_str_eq(next->domain, SLOW);
        finish(next);
    }
    assert_nothing_to_do();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lease");
    TCase *tests = tcase_create("slow servers");

    tcase_add_checked_fixture(tests, set_up, close_queue);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, others_are_served_although_more_than_its_share_wait_for_a_slow_server);
    tcase_add_test(tests, what_was_put_off_comes_in_its_order_again);
    tcase_add_test(tests, a_server_that_is_not_slow_may_have_all_workers);
    tcase_add_test(tests, workers_that_come_back_together_do_not_go_there_together_again);
    tcase_add_test(tests, who_goes_on_at_a_server_counts_there_or_is_put_off);
    tcase_add_test(tests, nobody_stands_in_its_own_way);
    tcase_add_test(tests, without_a_share_nobody_is_put_off_and_who_was_comes);
    tcase_add_test(tests, a_crash_forgets_nobody_who_was_put_off);
    tcase_add_test(tests, who_waits_for_work_does_not_wake_for_what_is_put_off);
    tcase_add_test(tests, many_are_put_off_at_a_time_and_each_is_served_once);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
