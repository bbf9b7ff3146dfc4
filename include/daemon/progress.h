/* progress.h - counters of a run, and the progress line on a terminal. Thread-safe. */
#pragma once

#include <glib.h>

typedef struct {
    gint found;   /* atomic: changes that a sweep queued */
    gint done;    /* atomic: changes brought to an end, well or badly */
    gint failed;  /* atomic: of these, set aside or given up */
    gint changed; /* atomic: of these, brought in order by at least one step */
    gint64 started_us;
    bool terminal; /* draw the line */
} Progress;

/* `wanted`: a progress line makes sense for this run; it is drawn only when standard error is a terminal. */
void progress_init(Progress *progress, bool wanted);

/* Draws "done/total, rate, time left, failures" in place. `total_known` is false while a sweep still runs. */
void progress_draw(Progress *progress, bool total_known);
/* Removes the line. */
void progress_clear(const Progress *progress);
