#include "state/outcome.h"

/* Times in the queue are as exact as this. */
#define STEP_US ((gint64)1000)

/* The monotonic clock is not set, so the distance tells when the other one was. A thread that is held up between the looks at the two
 * is to be taken for no step, so it is the largest that the distance may be now that is compared with the least of before. */
static bool was_set_back(State *state)
{
    gint64 before_us = g_get_monotonic_time();
    gint64 wall_us = g_get_real_time();
    bool back = state->clock_us == 0 || wall_us - before_us < state->clock_us - STEP_US;

    state->clock_us = wall_us - g_get_monotonic_time();
    return back;
}

/* Only a failure that may pass, an outage of a server and a wait for another entry put a change off. Nothing is put off by a server
 * while the process begins, and in an outage one more try of each is not much. */
static bool mend(State *state, GError **error)
{
    static const char MEND[] = "UPDATE change SET due = ?1 WHERE state = 'queued' AND due > ?1"
                               " AND (due > ?2 OR (waits_for IS NULL AND fault IS NOT 'retry'))";
    g_autofree char *now = wait_timestamp(0);
    g_autofree char *latest = wait_timestamp(WAIT_BACKOFF_LONGEST_US);
    g_autoptr(Query) query = query_begin(state, MEND, error);

    if (query == NULL)
        return false;
    query_bind_text(query, 1, now);
    query_bind_text(query, 2, latest);
    return query_run(state, query, "make due what a step of the clock put off", error);
}

char *queue_now(State *state, GError **error)
{
    if (!was_set_back(state) || mend(state, error))
        return wait_timestamp(0);
    state->clock_us = 0;
    return NULL;
}
