#include "wait/wait.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* First and longest pause between two attempts. */
#define BACKOFF_FIRST_US G_USEC_PER_SEC
#define BACKOFF_LONGEST_US (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)

struct Stop {
    int gently_fd; /* readable once asked */
    int now_fd;
    gint gently; /* atomic */
    gint now;    /* atomic */
};

int wait_event_new(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        g_error("eventfd: %s", g_strerror(errno));
    return fd;
}

Stop *stop_new(void)
{
    Stop *stop = g_new0(Stop, 1);

    stop->gently_fd = wait_event_new();
    stop->now_fd = wait_event_new();
    return stop;
}

void stop_free(Stop *stop)
{
    if (stop == NULL)
        return;
    close(stop->gently_fd);
    close(stop->now_fd);
    g_free(stop);
}

static void raise_flag(gint *flag, int fd)
{
    g_atomic_int_set(flag, 1);
    eventfd_write(fd, 1);
}

void stop_gently(Stop *stop)
{
    raise_flag(&stop->gently, stop->gently_fd);
}

void stop_now(Stop *stop)
{
    stop_gently(stop);
    raise_flag(&stop->now, stop->now_fd);
}

bool stop_asked(const Stop *stop)
{
    return g_atomic_int_get(&stop->gently) != 0;
}

bool stop_asked_now(const Stop *stop)
{
    return g_atomic_int_get(&stop->now) != 0;
}

/* Rounded up, so that a deadline is never met too early by a busy loop. */
static int milliseconds_until(gint64 deadline_us)
{
    gint64 left_us = deadline_us - g_get_monotonic_time();

    return left_us <= 0 ? 0 : (int)MIN((left_us + 999) / 1000, G_MAXINT);
}

WaitResult wait_for(Stop *stop, int fd, short events, gint64 deadline_us, bool idle)
{
    return wait_for_either(stop, fd, events, -1, deadline_us, idle);
}

WaitResult wait_for_either(Stop *stop, int fd, short events, int wake_fd, gint64 deadline_us, bool idle)
{
    struct pollfd fds[] = {{.fd = fd, .events = events}, {.fd = wake_fd, .events = POLLIN}};

    return wait_for_any(stop, fds, G_N_ELEMENTS(fds), deadline_us, idle);
}

WaitResult wait_for_any(Stop *stop, struct pollfd *fds, guint count, gint64 deadline_us, bool idle)
{
    struct pollfd all[WAIT_FDS_MAX + 1] = {{.fd = idle ? stop->gently_fd : stop->now_fd, .events = POLLIN}};

    g_assert(count <= WAIT_FDS_MAX);
    memcpy(all + 1, fds, count * sizeof *fds);
    for (;;) {
        int ready = poll(all, count + 1, milliseconds_until(deadline_us)); /* it leaves out what is negative */

        if (ready < 0 && errno != EINTR)
            g_error("poll: %s", g_strerror(errno));
        if (ready > 0 && all[0].revents != 0)
            return WAIT_STOPPED;
        if (ready > 0) {
            memcpy(fds, all + 1, count * sizeof *fds);
            return WAIT_READY;
        }
        if (g_get_monotonic_time() >= deadline_us)
            return WAIT_DEADLINE;
    }
}

gint64 wait_backoff_us(guint attempt)
{
    gint64 pause_us = BACKOFF_FIRST_US;

    for (guint i = 1; i < attempt && pause_us < BACKOFF_LONGEST_US; i++)
        pause_us *= 2;
    pause_us = MIN(pause_us, BACKOFF_LONGEST_US);
    return pause_us + (gint64)g_random_double_range(-0.25 * (double)pause_us, 0.25 * (double)pause_us);
}

/* Not g_date_time_format: each row of the journal has a time, and it takes ten times as long. */
char *wait_format_time(gint64 unix_us)
{
    gint64 time_us = MAX(unix_us, 0);
    time_t seconds = (time_t)(time_us / G_USEC_PER_SEC);
    struct tm utc;

    gmtime_r(&seconds, &utc);
    return g_strdup_printf("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                           utc.tm_min, utc.tm_sec, (int)(time_us % G_USEC_PER_SEC / 1000));
}

char *wait_timestamp(gint64 offset_us)
{
    return wait_format_time(g_get_real_time() + offset_us);
}
