#include "imap/throttle.h"
#include "suite.h"

#include <check.h>

#define SECOND ((gint64)G_USEC_PER_SEC)
#define MINUTE (60 * SECOND)

/* What a server does with so many sessions at work: the time of one unit, in milliseconds. */
typedef double (*Server)(guint at_once);

static double two_processors(guint at_once)
{
    return 10.0 * MAX(1.0, at_once / 2.0);
}

static double one_processor(guint at_once)
{
    return 10.0 * at_once;
}

/* Waits for something else, such as the link. */
static double far_away(guint at_once)
{
    (void)at_once;
    return 50;
}

static double twice_as_slow(guint at_once)
{
    return 2 * two_processors(at_once);
}

static double forty_times_as_slow(guint at_once)
{
    return 40 * two_processors(at_once);
}

static gint64 now_us;
static guint changes;

static void set_up(void)
{
    now_us = SECOND;
    changes = 0;
}

/* One session after the other ends while all that may be are at work. */
static void work(Throttle *throttle, Work kind, Server server, guint times)
{
    for (guint i = 0; i < times; i++) {
        guint at_once = throttle->limit;
        double time_us = 1000 * server(at_once);
        gint64 began_us = now_us;

        now_us += (gint64)time_us;
        changes += throttle_observe(throttle, &(WorkDone){kind, time_us, at_once, began_us, now_us});
    }
}

static const struct {
    const char *title;
    guint sessions;
    Server first, then;
    guint limit; /* at the end, at most; as many as there are: never fewer */
} servers[] = {
    {"one at a time cannot be less", 1, two_processors, forty_times_as_slow, 1},
    {"four on two processors", 4, two_processors, two_processors, 4},
    {"four on one processor", 4, one_processor, one_processor, 4},
    {"64 on two processors", 64, two_processors, two_processors, 64},
    {"a long link", 16, far_away, far_away, 16},
    {"half of the server is somebody else's", 4, two_processors, twice_as_slow, 4},
    {"others need nearly all of it", 4, two_processors, forty_times_as_slow, 1},
    {"others need nearly all of it, and there are many of us", 16, two_processors, forty_times_as_slow, 4},
    {"it gets faster", 4, forty_times_as_slow, two_processors, 4},
};

START_TEST(fewer_sessions_work_at_a_server_that_others_slow_down_and_only_then)
{
    Throttle throttle = throttle_start(servers[_i].sessions);

    work(&throttle, WORK_MAKE, servers[_i].first, 100);
    ck_assert_msg(throttle.limit == servers[_i].sessions && changes == 0, "%s, at first", servers[_i].title);
    work(&throttle, WORK_MAKE, servers[_i].then, 100);
    ck_assert_msg(throttle.limit <= servers[_i].limit, "%s: %u", servers[_i].title, throttle.limit);
    ck_assert_msg((changes == 0) == (servers[_i].limit == servers[_i].sessions), "%s: %u changes", servers[_i].title, changes);
}
END_TEST

START_TEST(what_one_session_took_alone_is_no_measure_for_many)
{
    Throttle throttle = throttle_start(64);

    throttle.limit = 1;
    work(&throttle, WORK_MAKE, one_processor, THROTTLE_WINDOW - 1);
    throttle.limit = 64;
    work(&throttle, WORK_MAKE, one_processor, 1000);
    ck_assert_uint_eq(throttle.limit, 64);
}
END_TEST

START_TEST(sessions_go_down_by_half_and_up_by_one)
{
    Throttle throttle = throttle_start(9);
    const guint down[] = {4, 2, 1, 1}, up[] = {2, 3, 4, 5, 6, 7, 8, 9, 9};

    work(&throttle, WORK_MAKE, two_processors, THROTTLE_WINDOW);
    for (guint i = 0; i < G_N_ELEMENTS(down); i++) {
        work(&throttle, WORK_MAKE, forty_times_as_slow, THROTTLE_WINDOW);
        ck_assert_uint_eq(throttle.limit, down[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(up); i++) {
        work(&throttle, WORK_MAKE, two_processors, THROTTLE_WINDOW);
        ck_assert_uint_eq(throttle.limit, up[i]);
    }
    ck_assert_uint_eq(changes, 3 + 8);
}
END_TEST

START_TEST(what_was_under_way_when_the_limit_changed_is_not_held_against_the_new_one)
{
    Throttle throttle = throttle_start(8);
    gint64 began_us;

    work(&throttle, WORK_MAKE, two_processors, THROTTLE_WINDOW);
    began_us = now_us;
    work(&throttle, WORK_MAKE, forty_times_as_slow, THROTTLE_WINDOW);
    ck_assert_uint_eq(throttle.limit, 4);
    for (guint i = 0; i < 100; i++)
        ck_assert(!throttle_observe(&throttle, &(WorkDone){WORK_MAKE, 1e6, 8, began_us, now_us}));
    ck_assert_uint_eq(throttle.limit, 4);
}
END_TEST

START_TEST(a_few_that_took_long_are_no_slow_server)
{
    Throttle throttle = throttle_start(4);

    for (guint i = 0; i < 50; i++) {
        work(&throttle, WORK_MAKE, two_processors, 4);
        work(&throttle, WORK_MAKE, forty_times_as_slow, 3);
    }
    ck_assert_uint_eq(throttle.limit, 4);
    ck_assert_uint_eq(changes, 0);
}
END_TEST

START_TEST(each_kind_of_work_is_compared_with_itself)
{
    Throttle throttle = throttle_start(4);

    work(&throttle, WORK_LOOK, two_processors, 20);
    work(&throttle, WORK_MAKE, forty_times_as_slow, 5 * THROTTLE_WINDOW);
    work(&throttle, WORK_LOOK, two_processors, 20);
    ck_assert_uint_eq(throttle.limit, 4);
    work(&throttle, WORK_LOOK, forty_times_as_slow, 5 * THROTTLE_WINDOW);
    ck_assert_uint_eq(throttle.limit, 1);
}
END_TEST

START_TEST(a_server_that_stays_slow_becomes_its_own_measure)
{
    Throttle throttle = throttle_start(4);

    work(&throttle, WORK_MAKE, two_processors, 20);
    work(&throttle, WORK_MAKE, forty_times_as_slow, 5 * THROTTLE_WINDOW);
    ck_assert_uint_eq(throttle.limit, 1);
    now_us += 200 * MINUTE;
    work(&throttle, WORK_MAKE, forty_times_as_slow, 5 * THROTTLE_WINDOW);
    ck_assert_uint_eq(throttle.limit, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("throttle");
    TCase *tcase = tcase_create("throttle");

    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_loop_test(tcase, fewer_sessions_work_at_a_server_that_others_slow_down_and_only_then, 0, G_N_ELEMENTS(servers));
    tcase_add_test(tcase, what_one_session_took_alone_is_no_measure_for_many);
    tcase_add_test(tcase, sessions_go_down_by_half_and_up_by_one);
    tcase_add_test(tcase, what_was_under_way_when_the_limit_changed_is_not_held_against_the_new_one);
    tcase_add_test(tcase, a_few_that_took_long_are_no_slow_server);
    tcase_add_test(tcase, each_kind_of_work_is_compared_with_itself);
    tcase_add_test(tcase, a_server_that_stays_slow_becomes_its_own_measure);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
