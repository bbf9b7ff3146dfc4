#include "daemon/endpoint.h"

#include "daemon/control_socket.h"
#include "daemon/log.h"
#include "daemon/summary.h"
#include "daemon/wire.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS_MAX = 32 };
/* For the one line that a client has to say, and to take what it was told when all is said. */
enum { PATIENCE_S = 5, FAREWELL_S = 60 };
/* Until there may be file descriptors again. */
enum { SCARCITY_S = 1 };

struct Endpoint {
    char *state_file;
    State *state;
    Handovers *handovers;
    int fd;
    guint accept_source;
    guint news_source;
    GPtrArray *clients; /* of Client* */
};

typedef struct {
    Endpoint *endpoint;
    int fd;
    int pid;
    guint source;
    guint timer; /* 0: it may take its time */
    GString *in;
    GString *out;
    bool heard;         /* its line; what comes after it is nothing to us */
    bool silent;        /* nothing more comes */
    bool finished;      /* `out` is all that there is to say */
    Handover *handover; /* NULL: none, or it is over */
} Client;

/* --- telling */

static void say(Client *client, const WireLine *line)
{
    g_autofree char *text = wire_line_format(line);

    g_string_append(client->out, text);
}

static gboolean on_timer(gpointer data);

static void set_timer(Client *client, guint seconds)
{
    if (client->timer != 0)
        g_source_remove(client->timer);
    client->timer = seconds == 0 ? 0 : g_timeout_add_seconds(seconds, on_timer, client);
}

static void finish(Client *client)
{
    client->finished = true;
    set_timer(client, FAREWELL_S);
}

static void say_done(Client *client, int status, const char *problem)
{
    g_autofree char *text = g_strdup_printf("%d", status);
    g_autoptr(WireLine) done = wire_line_new("done");
    g_autoptr(WireLine) log = wire_line_new("log");

    wire_line_add(log, "level", "error");
    wire_line_add(log, "message", problem);
    wire_line_add(done, "status", text);
    if (problem != NULL)
        say(client, log);
    say(client, done);
    finish(client);
}

/* What came of its request so far, unless it has not taken yet what it was told before: so much is kept for it, and no more. */
static void take_news(Client *client)
{
    if (client->handover == NULL || client->out->len > 0 || !handover_take_news(client->handover, client->out))
        return;
    g_clear_pointer(&client->handover, handover_leave);
    finish(client);
}

/* --- hearing */

static void accept_sync(Client *client, const WireLine *line)
{
    static const char *const KEYS[] = {"resync", "domain", "entry", NULL};
    const Asked asked = {.domain = (char *)wire_line_get(line, "domain"), .entry = (char *)wire_line_get(line, "entry"),
                         .resync = g_strcmp0(wire_line_get(line, "resync"), "1") == 0};
    const char *other = wire_line_find_other(line, KEYS);
    g_autofree char *pid = g_strdup_printf("%d", (int)getpid());
    g_autoptr(WireLine) accepted = wire_line_new("accepted");
    g_autoptr(GError) fault = NULL;

    if (other != NULL) {
        g_autofree char *problem = g_strdup_printf("the running kolabd does not know \"%s\": is it an older one?", other);

        say_done(client, EXIT_ERROR, problem);
        return;
    }
    client->handover = handovers_add(client->endpoint->handovers, &asked, client->pid, &fault);
    if (client->handover == NULL) {
        say_done(client, EXIT_ERROR, fault->message);
        return;
    }
    log_entry(G_LOG_LEVEL_INFO, NULL, NULL, "process %d hands over a --sync%s%s%s%s%s", client->pid,
              asked.resync ? " --resync" : "", asked.domain != NULL ? " --domain " : "", asked.domain != NULL ? asked.domain : "",
              asked.entry != NULL ? " --entry " : "", asked.entry != NULL ? asked.entry : "");
    wire_line_add(accepted, "pid", pid);
    say(client, accepted);
}

static void obey(Client *client, const char *data, gsize len)
{
    g_autoptr(WireLine) line = NULL;
    g_autoptr(GError) fault = NULL;

    client->heard = true;
    set_timer(client, 0);
    if (!wire_parse(data, len, &line, &fault)) {
        say_done(client, EXIT_ERROR, fault->message);
    } else if (strcmp(wire_line_word(line), "sync") == 0) {
        accept_sync(client, line);
    } else if (strcmp(wire_line_word(line), "look") == 0) {
        queue_wake(client->endpoint->state);
        departure_wake(client->endpoint->state);
        say_done(client, EXIT_IN_ORDER, NULL);
    } else {
        say_done(client, EXIT_ERROR, "not understood: want sync or look");
    }
}

/* False: the connection is broken. */
static bool hear(Client *client)
{
    char block[4096];
    ssize_t size = recv(client->fd, block, sizeof block, MSG_DONTWAIT);
    const char *end;

    if (size < 0)
        return errno == EAGAIN || errno == EINTR;
    client->silent = size == 0;
    if (client->heard)
        return true;
    g_string_append_len(client->in, block, size);
    end = memchr(client->in->str, '\n', client->in->len);
    if (end != NULL)
        obey(client, client->in->str, (gsize)(end - client->in->str));
    else if (client->silent || client->in->len >= WIRE_LINE_MAX_BYTES)
        obey(client, client->in->str, client->in->len);
    return true;
}

/* --- a connection */

static void client_free(Client *client)
{
    if (client->source != 0)
        g_source_remove(client->source);
    set_timer(client, 0);
    if (client->handover != NULL)
        handover_leave(client->handover);
    close(client->fd);
    g_string_free(client->in, TRUE);
    g_string_free(client->out, TRUE);
    g_free(client);
}

static void drop(Client *client)
{
    g_ptr_array_remove_fast(client->endpoint->clients, client);
}

static gboolean on_timer(gpointer data)
{
    Client *client = data;

    client->timer = 0;
    drop(client);
    return G_SOURCE_REMOVE;
}

/* Sends as much as goes. False: the connection is broken. */
static bool flush(Client *client)
{
    while (client->out->len > 0) {
        ssize_t size = send(client->fd, client->out->str, client->out->len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (size < 0)
            return errno == EAGAIN || errno == EINTR;
        g_string_erase(client->out, 0, size);
        take_news(client);
    }
    return true;
}

static gboolean on_client(gint fd, GIOCondition condition, gpointer data);

/* Tells what there is, then waits for what comes next; or gives the client up. */
static void go_on(Client *client)
{
    GIOCondition condition = G_IO_HUP | G_IO_ERR;

    take_news(client);
    if (!flush(client) || (client->finished && client->out->len == 0)) {
        drop(client);
        return;
    }
    if (!client->silent)
        condition |= G_IO_IN;
    if (client->out->len > 0)
        condition |= G_IO_OUT;
    if (client->source != 0)
        g_source_remove(client->source);
    client->source = g_unix_fd_add(client->fd, condition, on_client, client);
}

static gboolean on_client(gint fd G_GNUC_UNUSED, GIOCondition condition, gpointer data)
{
    Client *client = data;
    bool broken = (condition & G_IO_IN) != 0 ? !hear(client) : (condition & (G_IO_HUP | G_IO_ERR | G_IO_NVAL)) != 0;

    client->source = 0; /* this one ends */
    if (broken || (client->silent && (condition & G_IO_HUP) != 0))
        drop(client);
    else
        go_on(client);
    return G_SOURCE_REMOVE;
}

/* --- all of them */

/* The file's mode lets in nobody else; what somebody made of that meanwhile does not count. */
static bool is_ours(int fd, int *pid)
{
    struct ucred peer = {0};
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return false;
    *pid = peer.pid;
    return peer.uid == 0 || peer.uid == geteuid();
}

static void welcome(Endpoint *endpoint, int fd, int pid)
{
    Client *client = g_new0(Client, 1);

    client->endpoint = endpoint;
    client->fd = fd;
    client->pid = pid;
    client->in = g_string_new(NULL);
    client->out = g_string_new(NULL);
    set_timer(client, PATIENCE_S);
    if (endpoint->clients->len >= CLIENTS_MAX) {
        client->heard = true;
        say_done(client, EXIT_ERROR, "too many speak to the running kolabd already; try again later");
    }
    g_ptr_array_add(endpoint->clients, client);
    go_on(client);
}

static gboolean on_connection(gint fd, GIOCondition condition, gpointer data);

static gboolean on_plenty(gpointer data)
{
    Endpoint *endpoint = data;

    endpoint->accept_source = g_unix_fd_add(endpoint->fd, G_IO_IN, on_connection, endpoint);
    return G_SOURCE_REMOVE;
}

static gboolean on_connection(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    Endpoint *endpoint = data;
    struct sockaddr_un nobody; /* whose sockets have no name */
    socklen_t size = sizeof nobody;
    int pid, accepted = accept4(fd, (struct sockaddr *)&nobody, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (accepted < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        endpoint->accept_source = g_timeout_add_seconds(SCARCITY_S, on_plenty, endpoint);
        return G_SOURCE_REMOVE;
    }
    if (accepted < 0)
        return G_SOURCE_CONTINUE;
    if (is_ours(accepted, &pid))
        welcome(endpoint, accepted, pid);
    else
        close(accepted);
    return G_SOURCE_CONTINUE;
}

/* From the last: who is given up changes places with it. */
static gboolean on_news(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
    Endpoint *endpoint = data;

    handovers_clear_news(endpoint->handovers);
    for (guint i = endpoint->clients->len; i-- > 0;)
        go_on(g_ptr_array_index(endpoint->clients, i));
    return G_SOURCE_CONTINUE;
}

Endpoint *endpoint_open(const char *state_file, State *state, Handovers *handovers, GError **error)
{
    Endpoint *endpoint;
    int fd;

    if (!control_socket_listen(state_file, &fd, error))
        return NULL;
    endpoint = g_new0(Endpoint, 1);
    endpoint->state_file = g_strdup(state_file);
    endpoint->state = state;
    endpoint->handovers = handovers;
    endpoint->fd = fd;
    endpoint->clients = g_ptr_array_new_with_free_func((GDestroyNotify)client_free);
    endpoint->accept_source = g_unix_fd_add(fd, G_IO_IN, on_connection, endpoint);
    endpoint->news_source = g_unix_fd_add(handovers_news_fd(handovers), G_IO_IN, on_news, endpoint);
    return endpoint;
}

void endpoint_listen_again(Endpoint *endpoint)
{
    g_autoptr(GError) fault = NULL;
    int fd;

    if (endpoint == NULL)
        return;
    if (!control_socket_listen(endpoint->state_file, &fd, &fault)) {
        log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "%s", fault->message);
        return;
    }
    g_source_remove(endpoint->accept_source);
    close(endpoint->fd);
    endpoint->fd = fd;
    endpoint->accept_source = g_unix_fd_add(fd, G_IO_IN, on_connection, endpoint);
}

static void say_farewell(Client *client)
{
    g_autofree char *problem = g_strdup_printf("kolabd, process %d, was asked to stop; what is queued waits for its next start",
                                               (int)getpid());

    take_news(client);
    if (client->handover != NULL)
        say_done(client, EXIT_ERROR, problem);
    g_clear_pointer(&client->handover, handover_leave);
    if (!flush(client))
        log_entry(G_LOG_LEVEL_DEBUG, NULL, NULL, "process %d does not listen any more", client->pid);
}

void endpoint_close(Endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    control_socket_remove(endpoint->state_file);
    for (guint i = 0; i < endpoint->clients->len; i++)
        say_farewell(g_ptr_array_index(endpoint->clients, i));
    g_ptr_array_unref(endpoint->clients);
    g_source_remove(endpoint->accept_source);
    g_source_remove(endpoint->news_source);
    close(endpoint->fd);
    g_free(endpoint->state_file);
    g_free(endpoint);
}
