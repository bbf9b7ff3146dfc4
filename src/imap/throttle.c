#include "imap/throttle.h"

#include <stdlib.h>

/* Beside what the sessions do to each other, a server may take so many times its best: caches get cold, a disk has its moments, and
 * a client or two of its own are no reason to hold back. */
#define SLOW 5.0
/* In this time what was the best grows by as much as it was. */
#define FORGET_US (600.0 * G_USEC_PER_SEC)

Throttle throttle_start(guint ceiling)
{
    g_assert(ceiling > 0);
    return (Throttle){.ceiling = ceiling, .limit = ceiling};
}

static int compare_times(const void *a, const void *b)
{
    double one = ((const WorkDone *)a)->time_us, other = ((const WorkDone *)b)->time_us;

    return (one > other) - (one < other);
}

/* What the server would take by its best, if all its sessions shared one processor of it. */
static double expect_us(const WorkDone *best, const WorkDone *done)
{
    double best_us = best->time_us * (1.0 + (double)(done->ended_us - best->ended_us) / FORGET_US);

    return best_us * MAX(1.0, done->at_once / best->at_once);
}

static bool is_slow(ThrottleWork *work)
{
    const WorkDone *middle = &work->done[THROTTLE_WINDOW / 2];

    qsort(work->done, THROTTLE_WINDOW, sizeof *work->done, compare_times);
    if (work->best.time_us > 0 && middle->time_us > expect_us(&work->best, middle))
        return middle->time_us > SLOW * expect_us(&work->best, middle);
    work->best = *middle;
    return false;
}

bool throttle_observe(Throttle *throttle, const WorkDone *done)
{
    ThrottleWork *work = &throttle->work[done->kind];
    guint before = throttle->limit;

    if (done->began_us < throttle->changed_us)
        return false;
    work->done[work->count++] = *done;
    if (work->count < THROTTLE_WINDOW)
        return false;
    throttle->limit = is_slow(work) ? MAX(before / 2, 1) : MIN(before + 1, throttle->ceiling);
    work->count = 0;
    if (throttle->limit == before)
        return false;
    throttle->changed_us = done->ended_us;
    for (guint kind = 0; kind < WORK_KINDS; kind++)
        throttle->work[kind].count = 0;
    return true;
}
