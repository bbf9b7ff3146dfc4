#include "daemon/progress.h"

#include <stdio.h>
#include <unistd.h>

void progress_init(Progress *progress, bool wanted)
{
    *progress = (Progress){.started_us = g_get_monotonic_time(), .terminal = wanted && isatty(STDERR_FILENO)};
}

void progress_draw(Progress *progress, bool total_known)
{
    gint found = g_atomic_int_get(&progress->found), done = g_atomic_int_get(&progress->done);
    double seconds = (double)(g_get_monotonic_time() - progress->started_us) / G_USEC_PER_SEC;
    double rate = seconds > 0 ? done / seconds : 0;

    if (!progress->terminal)
        return;
    fprintf(stderr, "\r\033[K%d/%d%s  %.0f/s", done, MAX(found, done), total_known ? "" : "+", rate);
    if (total_known && rate > 0)
        fprintf(stderr, "  %.0f s left", MAX(found - done, 0) / rate);
    fprintf(stderr, "  %d failed", g_atomic_int_get(&progress->failed));
    fflush(stderr);
}

void progress_clear(const Progress *progress)
{
    if (progress->terminal)
        fputs("\r\033[K", stderr);
}
