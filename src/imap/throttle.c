#include "imap/throttle.h"

#include <string.h>

/* Beside what the sessions do to each other, a server may take so many times its best: caches get cold, a disk has its moments, and
 * a client or two of its own are no reason to hold back. */
#define SLOW 4.0
/* In this time what was the best grows by as much as it was. */
#define FORGET_US (600.0 * G_USEC_PER_SEC)

Throttle throttle_start(guint ceiling)
{
    g_assert(ceiling > 0);
    return (Throttle){.ceiling = ceiling, .limit = ceiling};
}

static int compare_times(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;

    return (one > other) - (one < other);
}

static double find_middle(const ThrottleTimes *times)
{
    double sorted[THROTTLE_WINDOW];

    memcpy(sorted, times->times_us, sizeof sorted);
    qsort(sorted, THROTTLE_WINDOW, sizeof *sorted, compare_times);
    return sorted[THROTTLE_WINDOW / 2];
}

/* What the server would take by its best, if all its sessions shared one processor of it. */
static double expect(const ThrottleTimes *times, gint64 now_us)
{
    double best_us = times->best_us * (1.0 + (double)(now_us - times->best_at_us) / FORGET_US);

    return times->most > times->best_at_once ? best_us * times->most / times->best_at_once : best_us;
}

static bool is_slow(ThrottleTimes *times, gint64 now_us)
{
    double middle_us = find_middle(times);

    if (times->best_us > 0 && middle_us > expect(times, now_us))
        return middle_us > SLOW * expect(times, now_us);
    times->best_us = middle_us;
    times->best_at_once = times->least;
    times->best_at_us = now_us;
    return false;
}

static void note(ThrottleTimes *times, const WorkDone *done)
{
    times->least = times->count == 0 ? done->least : MIN(times->least, done->least);
    times->most = times->count == 0 ? done->most : MAX(times->most, done->most);
    times->times_us[times->count++] = done->time_us;
}

bool throttle_observe(Throttle *throttle, const WorkDone *done)
{
    ThrottleTimes *times = &throttle->times[done->kind];
    guint before = throttle->limit;

    if (done->began_us < throttle->changed_us)
        return false;
    note(times, done);
    if (times->count < THROTTLE_WINDOW)
        return false;
    throttle->limit = is_slow(times, done->ended_us) ? MAX(before / 2, 1) : MIN(before + 1, throttle->ceiling);
    times->count = 0;
    if (throttle->limit == before)
        return false;
    throttle->changed_us = done->ended_us;
    for (guint kind = 0; kind < WORK_KINDS; kind++)
        throttle->times[kind].count = 0;
    return true;
}
