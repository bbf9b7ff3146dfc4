/* wait.h - the clock, and waiting: every wait has a deadline and ends when the daemon is asked to stop.
 *
 * Stopping has two phases. After stop_gently idle waits end (queue, watch, timers) and work in progress is finished;
 * after stop_now the waits of work in progress end too. Thread-safe; stop_* may be called from anywhere
 * but a signal handler. Deadlines are monotonic microseconds (g_get_monotonic_time). */
#pragma once

#include <glib.h>

typedef struct Stop Stop;

Stop *stop_new(void);
void stop_free(Stop *stop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stop, stop_free)

void stop_gently(Stop *stop);
void stop_now(Stop *stop);
bool stop_asked(const Stop *stop);
bool stop_asked_now(const Stop *stop);

typedef enum {
    WAIT_READY,
    WAIT_DEADLINE,
    WAIT_STOPPED,
} WaitResult;

/* Waits until `fd` is ready for `events` (poll(2)), at the latest until `deadline_us`. `idle` says which phase of
 * stopping ends the wait. `fd` -1: a plain pause. */
WaitResult wait_for(Stop *stop, int fd, short events, gint64 deadline_us, bool idle);

/* The same, also until `wake_fd` can be read (-1: not for that); it is left as it is. */
WaitResult wait_for_either(Stop *stop, int fd, short events, int wake_fd, gint64 deadline_us, bool idle);

/* The same for any of `count` <= WAIT_FDS_MAX; those that are ready have their `revents` set, after WAIT_READY only. A negative one is left
 * out. */
enum { WAIT_FDS_MAX = 8 };
struct pollfd;
WaitResult wait_for_any(Stop *stop, struct pollfd *fds, guint count, gint64 deadline_us, bool idle);

/* A descriptor by which one thread wakes another: eventfd(2), not blocking, closed on exec. Owned by the caller. */
int wait_event_new(void);

/* The exponential back-off of every retry: 1 s doubled by attempt (counted from 1) up to an hour, with a jitter of a
 * quarter so that many do not come back at once. Microseconds. */
gint64 wait_backoff_us(guint attempt);
/* It is never longer than this. */
#define WAIT_BACKOFF_LONGEST_US (G_GINT64_CONSTANT(4500) * G_USEC_PER_SEC)

/* Microseconds since 1970 as ISO 8601 UTC with milliseconds ("2026-11-21T08:05:27.123Z"); earlier times become 1970. Owned by the
 * caller. */
char *wait_format_time(gint64 unix_us);
/* The same of now, shifted by `offset_us`. */
char *wait_timestamp(gint64 offset_us);
