#include "daemon/client.h"

#include "daemon/control_socket.h"
#include "daemon/hangup.h"
#include "daemon/log.h"
#include "daemon/summary.h"
#include "daemon/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A daemon that does not even accept what it is asked hangs. */
#define ACCEPT_US (10 * (gint64)G_USEC_PER_SEC)
/* Nobody should wait for a daemon to look: it does so by itself in the end. */
#define LOOK_US (2 * (gint64)G_USEC_PER_SEC)
/* A connection, while others are waiting for theirs. */
enum { CONNECT_TRIES = 20, CONNECT_PAUSE_US = 100000 };

typedef enum {
    HEARD_LINE,
    HEARD_NOTHING, /* within the time */
    HEARD_END,     /* the daemon is gone */
    HEARD_SIGNAL,
} Heard;

typedef struct {
    int fd;
    int pid; /* of the daemon */
    GString *in;
    sigset_t waiting; /* signals that are blocked while we wait */
} Client;

static volatile sig_atomic_t signalled;

static void on_signal(int number G_GNUC_UNUSED)
{
    signalled = 1;
}

/* They come only while we wait: then none gets lost. */
static void catch_signals(Client *client)
{
    const struct sigaction action = {.sa_handler = on_signal};
    const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t blocked;

    sigemptyset(&blocked);
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (numbers[i] != SIGHUP || !hangup_is_ignored()) {
            sigaddset(&blocked, numbers[i]);
            sigaction(numbers[i], &action, NULL);
        }
    sigprocmask(SIG_BLOCK, &blocked, &client->waiting);
}

static bool client_open(Client *client, const char *state_file)
{
    *client = (Client){.fd = -1};
    for (int i = 0; i < CONNECT_TRIES; i++) {
        client->fd = control_socket_connect(state_file, &client->pid);
        if (client->fd >= 0 || errno != EAGAIN)
            break;
        g_usleep(CONNECT_PAUSE_US);
    }
    if (client->fd < 0)
        return false;
    client->in = g_string_new(NULL);
    sigprocmask(SIG_BLOCK, NULL, &client->waiting);
    return true;
}

static void client_close(Client *client)
{
    close(client->fd);
    g_string_free(client->in, TRUE);
}

/* The one line fits into the socket's buffer. A daemon that closed the connection may have told why. */
static void say(const Client *client, const WireLine *line)
{
    g_autofree char *text = wire_line_format(line);

    if (send(client->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        log_entry(G_LOG_LEVEL_DEBUG, NULL, NULL, "cannot speak to process %d: %s", client->pid, g_strerror(errno));
}

/* A line that has come completely; NULL: none has, or it is none of ours and passed over. */
static WireLine *take_line(Client *client, bool *taken)
{
    const char *end = memchr(client->in->str, '\n', client->in->len);
    WireLine *line = NULL;
    gsize size;

    *taken = end != NULL;
    if (end == NULL)
        return NULL;
    size = (gsize)(end - client->in->str);
    if (!wire_parse(client->in->str, size, &line, NULL))
        line = NULL;
    g_string_erase(client->in, 0, (gssize)size + 1);
    return line;
}

/* Waits for more to read. `deadline_us`: G_MAXINT64 for ever. */
static Heard wait_for_more(const Client *client, gint64 deadline_us)
{
    struct pollfd fd = {.fd = client->fd, .events = POLLIN};
    gint64 left_us = MAX(deadline_us - g_get_monotonic_time(), 0);
    struct timespec left = {.tv_sec = left_us / G_USEC_PER_SEC, .tv_nsec = left_us % G_USEC_PER_SEC * 1000};
    int ready = ppoll(&fd, 1, deadline_us == G_MAXINT64 ? NULL : &left, &client->waiting);

    if (signalled)
        return HEARD_SIGNAL;
    return ready == 0 ? HEARD_NOTHING : HEARD_LINE;
}

/* The next line; *line is owned by the caller. */
static Heard hear(Client *client, gint64 deadline_us, WireLine **line)
{
    char block[4096];

    for (;;) {
        bool taken;
        Heard heard;
        ssize_t size;

        *line = take_line(client, &taken);
        if (*line != NULL)
            return HEARD_LINE;
        if (taken)
            continue;
        heard = wait_for_more(client, deadline_us);
        if (heard != HEARD_LINE)
            return heard;
        size = recv(client->fd, block, sizeof block, MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR) || client->in->len > WIRE_LINE_MAX_BYTES)
            return HEARD_END;
        g_string_append_len(client->in, block, MAX(size, 0));
    }
}

static void log_line(const WireLine *line)
{
    static const struct {
        const char *name;
        GLogLevelFlags level;
    } LEVELS[] = {{"error", G_LOG_LEVEL_CRITICAL}, {"warning", G_LOG_LEVEL_WARNING}};
    const char *name = wire_line_get(line, "level"), *message = wire_line_get(line, "message");
    GLogLevelFlags level = G_LOG_LEVEL_MESSAGE;

    for (guint i = 0; i < G_N_ELEMENTS(LEVELS); i++)
        if (g_strcmp0(name, LEVELS[i].name) == 0)
            level = LEVELS[i].level;
    log_entry(level, wire_line_get(line, "domain"), wire_line_get(line, "entry"), "%s", message != NULL ? message : "");
}

static int take_status(const WireLine *line)
{
    const char *text = wire_line_get(line, "status");
    guint64 status;

    return text != NULL && g_ascii_string_to_unsigned(text, 10, 0, 255, &status, NULL) ? (int)status : EXIT_ERROR;
}

/* Why there is no outcome. */
static int give_up(const Client *client, Heard heard, bool accepted)
{
    if (heard == HEARD_SIGNAL && accepted)
        log_entry(G_LOG_LEVEL_MESSAGE, NULL, NULL, "detached: kolabd, process %d, goes on with it", client->pid);
    else if (heard == HEARD_SIGNAL)
        log_entry(G_LOG_LEVEL_MESSAGE, NULL, NULL, "interrupted");
    else if (heard == HEARD_END)
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL,
                  "kolabd, process %d, ended before this was done; what is queued waits for its next start", client->pid);
    else
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL, "kolabd, process %d, has the state file and does not answer", client->pid);
    return EXIT_ERROR;
}

/* Listens to the end of what was handed over. */
static int follow(Client *client)
{
    gint64 deadline_us = g_get_monotonic_time() + ACCEPT_US;
    bool accepted = false;

    for (;;) {
        g_autoptr(WireLine) line = NULL;
        Heard heard = hear(client, deadline_us, &line);

        if (heard != HEARD_LINE)
            return give_up(client, heard, accepted);
        if (strcmp(wire_line_word(line), "done") == 0)
            return take_status(line);
        if (strcmp(wire_line_word(line), "log") == 0)
            log_line(line);
        if (strcmp(wire_line_word(line), "accepted") != 0)
            continue;
        accepted = true;
        deadline_us = G_MAXINT64;
        log_entry(G_LOG_LEVEL_MESSAGE, NULL, NULL, "handed to the running kolabd, process %d", client->pid);
    }
}

/* False: it would be cut on the wire. */
static bool fits(const char *value)
{
    return value == NULL || strlen(value) <= WIRE_VALUE_MAX_BYTES;
}

bool client_sync(const char *state_file, const Asked *asked, int *status)
{
    g_autoptr(WireLine) line = wire_line_new("sync");
    Client client;

    if (!client_open(&client, state_file))
        return false;
    wire_line_add(line, "resync", asked->resync ? "1" : NULL);
    wire_line_add(line, "domain", asked->domain);
    wire_line_add(line, "entry", asked->entry);
    catch_signals(&client);
    if (!fits(asked->domain) || !fits(asked->entry)) {
        log_entry(G_LOG_LEVEL_CRITICAL, NULL, NULL, "--domain and --entry: want at most %d bytes", WIRE_VALUE_MAX_BYTES);
        *status = EXIT_ERROR;
    } else {
        say(&client, line);
        *status = follow(&client);
    }
    client_close(&client);
    return true;
}

bool client_look(const char *state_file)
{
    g_autoptr(WireLine) question = wire_line_new("look");
    g_autoptr(WireLine) answer = NULL;
    Client client;
    bool heard;

    if (!client_open(&client, state_file))
        return false;
    say(&client, question);
    heard = hear(&client, g_get_monotonic_time() + LOOK_US, &answer) == HEARD_LINE;
    client_close(&client);
    return heard;
}
