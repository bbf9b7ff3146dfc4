#include "imap/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long an address has for itself (RFC 8305, 5: 250 ms). */
#define HEAD_START_US ((gint64)G_USEC_PER_SEC / 4)

/* --- addresses */

/* Shared by who waits and the thread that asks: nothing interrupts getaddrinfo(), so who waits no longer leaves it behind. */
typedef struct {
    char *host;
    char *port;
    int answered_fd; /* readable once there is a result; -1: nobody asks apart */
    gint answered;   /* atomic */
    int result;
    struct addrinfo *found;
} Lookup;

static void lookup_clear(Lookup *lookup)
{
    if (lookup->found != NULL)
        freeaddrinfo(lookup->found);
    if (lookup->answered_fd >= 0)
        close(lookup->answered_fd);
    g_free(lookup->host);
    g_free(lookup->port);
}

static void lookup_release(Lookup *lookup)
{
    g_atomic_rc_box_release_full(lookup, (GDestroyNotify)lookup_clear);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lookup, lookup_release)

static int ask(Lookup *lookup, int flags)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};

    return getaddrinfo(lookup->host, lookup->port, &wanted, &lookup->found);
}

static gpointer ask_apart(gpointer data)
{
    g_autoptr(Lookup) lookup = data;

    lookup->result = ask(lookup, 0);
    g_atomic_int_set(&lookup->answered, 1);
    eventfd_write(lookup->answered_fd, 1);
    return NULL;
}

static Lookup *lookup_new(const char *host, guint16 port)
{
    Lookup *lookup = g_atomic_rc_box_new0(Lookup);

    lookup->host = g_strdup(host);
    lookup->port = g_strdup_printf("%u", port);
    lookup->answered_fd = -1;
    return lookup;
}

/* NULL, FAULT_RETRY: there are none, or nobody tells in time. */
static Lookup *find_addresses(const Opening *opening, GError **error)
{
    g_autoptr(Lookup) lookup = lookup_new(opening->host, opening->port);

    if (ask(lookup, AI_NUMERICHOST) == 0)
        return g_steal_pointer(&lookup);
    lookup->answered_fd = wait_event_new();
    g_thread_unref(g_thread_new("addresses", ask_apart, g_atomic_rc_box_acquire(lookup)));
    if (!opening_wait(opening, lookup->answered_fd, POLLIN, error))
        return NULL;
    if (g_atomic_int_get(&lookup->answered) && lookup->result == 0)
        return g_steal_pointer(&lookup);
    opening_fail(opening, FAULT_RETRY, "check the host name and the name server", error, "cannot resolve %s: %s", opening->host,
                 gai_strerror(lookup->result));
    return NULL;
}

/* --- connecting */

/* fds[0, begun) are under way, or over where they are -1. */
typedef struct {
    const Opening *opening;
    const struct addrinfo *next; /* not tried yet; NULL: all are */
    gint64 next_us;              /* when that is tried also beside another */
    struct pollfd fds[WAIT_FDS_MAX];
    guint begun;
    int reason; /* errno of the last that failed */
} Race;

static bool is_running(const Race *race)
{
    for (guint i = 0; i < race->begun; i++)
        if (race->fds[i].fd >= 0)
            return true;
    return false;
}

/* A socket under way; -1, errno: it cannot go there. */
static int begin(const struct addrinfo *to)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), reason;

    if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) == 0 || errno == EINPROGRESS)
        return fd;
    reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static void begin_next(Race *race)
{
    int fd = begin(race->next);

    if (fd >= 0)
        race->fds[race->begun++] = (struct pollfd){.fd = fd, .events = POLLOUT};
    else
        race->reason = errno;
    race->next = race->begun < G_N_ELEMENTS(race->fds) ? race->next->ai_next : NULL;
    race->next_us = g_get_monotonic_time() + HEAD_START_US;
}

/* A connected one, which is taken out of the race; -1: none yet. */
static int take_winner(Race *race)
{
    for (guint i = 0; i < race->begun; i++) {
        int fd = race->fds[i].fd, reason = 0;
        socklen_t size = sizeof reason;

        if (fd < 0 || race->fds[i].revents == 0)
            continue;
        race->fds[i].fd = -1;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &size) == 0 && reason == 0)
            return fd;
        close(fd);
        race->reason = reason;
        race->next_us = 0;
    }
    return -1;
}

static int fail(const Race *race, GError **error)
{
    opening_fail(race->opening, FAULT_RETRY, "check that the server runs, its port, and the firewall", error, "%s, port %u: %s",
                 race->opening->host, race->opening->port, g_strerror(race->reason));
    return -1;
}

static int run(Race *race, GError **error)
{
    for (;;) {
        gint64 until_us = race->next != NULL ? MIN(race->next_us, race->opening->deadline_us) : race->opening->deadline_us;
        int winner;

        if (!is_running(race) && race->next == NULL)
            return fail(race, error);
        if (race->next != NULL && (!is_running(race) || g_get_monotonic_time() >= race->next_us)) {
            begin_next(race);
            continue;
        }
        WaitResult result = wait_for_any(race->opening->stop, race->fds, race->begun, until_us, false);
        if (result == WAIT_READY && (winner = take_winner(race)) >= 0)
            return winner;
        if (result == WAIT_DEADLINE && until_us < race->opening->deadline_us)
            continue;
        if (!opening_judge_wait(race->opening, result, error))
            return -1;
    }
}

int tcp_connect(const Opening *opening, GError **error)
{
    g_autoptr(Lookup) lookup = find_addresses(opening, error);
    const int on = 1;
    int fd;

    if (lookup == NULL)
        return -1;
    Race race = {.opening = opening, .next = lookup->found};
    fd = run(&race, error);
    for (guint i = 0; i < race.begun; i++)
        if (race.fds[i].fd >= 0)
            close(race.fds[i].fd);
    if (fd >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    return fd;
}

void tcp_acknowledge_at_once(int fd)
{
    const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}
