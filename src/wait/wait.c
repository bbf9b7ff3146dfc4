#include "wait/wait.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
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

static int eventfd_new(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        g_error("eventfd: %s", g_strerror(errno));
    return fd;
}

Stop *stop_new(void)
{
    Stop *stop = g_new0(Stop, 1);

    stop->gently_fd = eventfd_new();
    stop->now_fd = eventfd_new();
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
    struct pollfd fds[] = {
        {.fd = idle ? stop->gently_fd : stop->now_fd, .events = POLLIN},
        {.fd = fd, .events = events}, /* poll leaves out what is negative */
        {.fd = wake_fd, .events = POLLIN},
    };

    for (;;) {
        int ready = poll(fds, G_N_ELEMENTS(fds), milliseconds_until(deadline_us));

        if (ready < 0 && errno != EINTR)
            g_error("poll: %s", g_strerror(errno));
        if (ready > 0 && fds[0].revents != 0)
            return WAIT_STOPPED;
        if (ready > 0)
            return WAIT_READY;
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

char *wait_format_time(gint64 unix_us)
{
    gint64 time_us = MAX(unix_us, 0);
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
    g_autofree char *seconds = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");

    return g_strdup_printf("%s.%03dZ", seconds, (int)(time_us % G_USEC_PER_SEC / 1000));
}

char *wait_timestamp(gint64 offset_us)
{
    return wait_format_time(g_get_real_time() + offset_us);
}
