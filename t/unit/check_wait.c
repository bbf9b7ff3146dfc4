#include "wait/wait.h"
#include "suite.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Long enough to be told from none, short enough for a test. */
#define SHORT_US (20 * (gint64)1000)
/* A wait that lasts so long hangs. */
#define FOREVER_US (60 * (gint64)G_USEC_PER_SEC)

static gint64 in(gint64 pause_us)
{
    return g_get_monotonic_time() + pause_us;
}

static const struct {
    void (*ask)(Stop *stop);
    bool idle;
    bool asked;
    bool asked_now;
    WaitResult result;
} phases[] = {
    {NULL, true, false, false, WAIT_DEADLINE},
    {NULL, false, false, false, WAIT_DEADLINE},
    {stop_gently, true, true, false, WAIT_STOPPED},
    {stop_gently, false, true, false, WAIT_DEADLINE},
    {stop_now, true, true, true, WAIT_STOPPED},
    {stop_now, false, true, true, WAIT_STOPPED},
};

START_TEST(stopping_ends_idle_waits_first_and_work_later)
{
    g_autoptr(Stop) stop = stop_new();

    if (phases[_i].ask != NULL)
        phases[_i].ask(stop);
    ck_assert(stop_asked(stop) == phases[_i].asked);
    ck_assert(stop_asked_now(stop) == phases[_i].asked_now);
    ck_assert_int_eq(wait_for(stop, -1, 0, in(SHORT_US), phases[_i].idle), phases[_i].result);
    /* Asked once is asked for ever. */
    ck_assert_int_eq(wait_for(stop, -1, 0, in(0), phases[_i].idle), phases[_i].result);
}
END_TEST

START_TEST(a_deadline_is_never_met_early)
{
    g_autoptr(Stop) stop = stop_new();

    for (gint64 pause_us = -1000; pause_us < 5000; pause_us += 333) {
        gint64 deadline_us = in(pause_us);

        ck_assert_int_eq(wait_for(stop, -1, 0, deadline_us, true), WAIT_DEADLINE);
        ck_assert(g_get_monotonic_time() >= deadline_us);
    }
}
END_TEST

START_TEST(a_descriptor_that_is_ready_ends_the_wait)
{
    g_autoptr(Stop) stop = stop_new();
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(wait_for(stop, ends[0], POLLIN, in(SHORT_US), false), WAIT_DEADLINE);
    ck_assert_int_eq(wait_for(stop, ends[1], POLLOUT, in(FOREVER_US), false), WAIT_READY);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert_int_eq(wait_for(stop, ends[0], POLLIN, in(FOREVER_US), false), WAIT_READY);
    /* What is there already is taken, however late it is. */
    ck_assert_int_eq(wait_for(stop, ends[0], POLLIN, in(-1), false), WAIT_READY);
    stop_now(stop);
    ck_assert_int_eq(wait_for(stop, ends[0], POLLIN, in(FOREVER_US), false), WAIT_STOPPED);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(a_peer_that_is_gone_ends_the_wait)
{
    g_autoptr(Stop) stop = stop_new();
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    close(ends[1]);
    ck_assert_int_eq(wait_for(stop, ends[0], POLLIN, in(FOREVER_US), false), WAIT_READY);
    close(ends[0]);
}
END_TEST

static gpointer wait_idle(gpointer stop)
{
    return GINT_TO_POINTER(wait_for(stop, -1, 0, in(FOREVER_US), true));
}

START_TEST(a_wait_in_progress_ends_when_stopping_is_asked_for)
{
    g_autoptr(Stop) stop = stop_new();
    GThread *threads[3];
    gint64 start_us = g_get_monotonic_time();

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("wait", wait_idle, stop);
    g_usleep(SHORT_US);
    stop_gently(stop);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        ck_assert_int_eq(GPOINTER_TO_INT(g_thread_join(threads[i])), WAIT_STOPPED);
    ck_assert(g_get_monotonic_time() - start_us < FOREVER_US / 2);
}
END_TEST

static const struct {
    guint attempt;
    gint64 seconds;
} pauses[] = {
    {0, 1}, {1, 1}, {2, 2}, {3, 4}, {4, 8}, {12, 2048}, {13, 3600}, {14, 3600}, {1000, 3600}, {G_MAXUINT, 3600},
};

START_TEST(a_pause_doubles_up_to_an_hour_give_or_take_a_quarter)
{
    const gint64 middle_us = pauses[_i].seconds * G_USEC_PER_SEC;
    gint64 shortest_us = G_MAXINT64, longest_us = 0;

    for (int i = 0; i < 500; i++) {
        gint64 pause_us = wait_backoff_us(pauses[_i].attempt);

        shortest_us = MIN(shortest_us, pause_us);
        longest_us = MAX(longest_us, pause_us);
    }
    ck_assert(shortest_us >= middle_us * 3 / 4 && longest_us <= middle_us * 5 / 4);
    ck_assert_int_le(longest_us, WAIT_BACKOFF_LONGEST_US);
    /* Many that failed together do not come back together. */
    ck_assert(longest_us - shortest_us > middle_us / 8);
}
END_TEST

START_TEST(a_timestamp_is_utc_with_milliseconds)
{
    g_autofree char *text = wait_timestamp(0);

    ck_assert(g_regex_match_simple("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$", text, 0, 0));
}
END_TEST

static gint64 timestamp_us(gint64 offset_us)
{
    g_autofree char *text = wait_timestamp(offset_us);
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);

    ck_assert_ptr_nonnull(time);
    return g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time);
}

/* A local time zone must not matter, nor on which side of a second an offset ends. */
static const gint64 offsets_us[] = {0,
                                    1,
                                    -1,
                                    999999,
                                    -999999,
                                    3600 * (gint64)G_USEC_PER_SEC,
                                    -86400 * (gint64)G_USEC_PER_SEC,
                                    366 * 86400 * (gint64)G_USEC_PER_SEC};

START_TEST(a_timestamp_is_shifted_by_its_offset)
{
    const gint64 offset_us = offsets_us[_i];
    gint64 before_us, shown_us, after_us;

    g_setenv("TZ", "America/St_Johns", TRUE);
    before_us = g_get_real_time() + offset_us;
    shown_us = timestamp_us(offset_us);
    after_us = g_get_real_time() + offset_us;
    ck_assert(shown_us > before_us - 1000 && shown_us <= after_us);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wait");
    TCase *waits = tcase_create("wait"), *times = tcase_create("time");

    tcase_add_loop_test(waits, stopping_ends_idle_waits_first_and_work_later, 0, G_N_ELEMENTS(phases));
    tcase_add_test(waits, a_deadline_is_never_met_early);
    tcase_add_test(waits, a_descriptor_that_is_ready_ends_the_wait);
    tcase_add_test(waits, a_peer_that_is_gone_ends_the_wait);
    tcase_add_test(waits, a_wait_in_progress_ends_when_stopping_is_asked_for);
    tcase_add_loop_test(times, a_pause_doubles_up_to_an_hour_give_or_take_a_quarter, 0, G_N_ELEMENTS(pauses));
    tcase_add_test(times, a_timestamp_is_utc_with_milliseconds);
    tcase_add_loop_test(times, a_timestamp_is_shifted_by_its_offset, 0, G_N_ELEMENTS(offsets_us));
    suite_add_tcase(suite, waits);
    suite_add_tcase(suite, times);
    return run_suite(suite);
}
