#include "imap/session.h"

#include "imap/login.h"
#include "imap/pipeline.h"
#include "model/fault.h"

#include <string.h>

struct ImapSession {
    ImapStream stream;
    Gate *gate;     /* has a place there; NULL: none */
    char *server;   /* what it calls itself; NULL: it does not say */
    guint64 next_tag;
    Pipeline *open; /* that of imap_session_add; NULL: none yet */
    bool dead;
};

ImapSession *imap_session_open(const ImapSettings *settings, const char *authorize_as, Stop *stop, GError **error)
{
    g_autoptr(GString) input = g_string_new(NULL);
    char *server = NULL;
    ImapConnection *connection = imap_login(settings, authorize_as, stop, &server, input, error);

    if (connection == NULL)
        return NULL;
    ImapSession *session = g_new0(ImapSession, 1);
    session->stream = (ImapStream){.settings = settings, .stop = stop, .connection = connection, .input = g_steal_pointer(&input)};
    session->server = server;
    session->next_tag = 1;
    return session;
}

ImapSession *imap_session_open_user(const ImapSettings *settings, Gate *gate, const char *login, Stop *stop, GError **error)
{
    ImapSession *session;

    if (gate != NULL && !gate_enter(gate, stop, error))
        return NULL;
    session = imap_session_open(settings, login, stop, error);
    if (session != NULL)
        session->gate = gate;
    else if (gate != NULL)
        gate_leave(gate);
    return session;
}

const char *imap_session_server(const ImapSession *session)
{
    return session->server;
}

static Pipeline begin(ImapSession *session, GPtrArray *commands)
{
    guint64 first_tag = session->next_tag;

    session->next_tag += commands->len;
    return pipeline_begin(&session->stream, commands, first_tag);
}

bool imap_session_run(ImapSession *session, GPtrArray *commands, GError **error)
{
    GateTurn turn = {0};

    if (session->dead) {
        g_set_error(error, FAULT, FAULT_RETRY, "%s: the connection was lost before", session->stream.settings->uri);
        return false;
    }
    if (session->gate != NULL)
        turn = gate_begin(session->gate);
    g_auto(Pipeline) pipeline = begin(session, commands);
    for (guint i = 0; i < commands->len; i++)
        imap_command_reset(g_ptr_array_index(commands, i));
    while (pipeline.answered < commands->len) {
        if (!pipeline_advance(&pipeline, error)) {
            session->dead = true;
            return false;
        }
    }
    if (session->gate != NULL)
        gate_end(session->gate, &turn, commands);
    return true;
}

void imap_session_add(ImapSession *session, ImapCommand *command)
{
    Pipeline *pipeline = session->open;

    if (pipeline == NULL) {
        pipeline = session->open = g_new(Pipeline, 1);
        *pipeline = begin(session, g_ptr_array_new());
    }
    if (pipeline->commands->len == 0) {
        pipeline->first_tag = session->next_tag;
        pipeline_await_answer(pipeline);
    }
    imap_command_reset(command);
    g_ptr_array_add(pipeline->commands, command);
    session->next_tag++;
}

bool imap_session_advance(ImapSession *session, int wake_fd, GError **error)
{
    Pipeline *pipeline = session->open;

    if (pipeline == NULL || pipeline->commands->len == 0)
        return true;
    pipeline->wake_fd = wake_fd;
    session->stream.died = false;
    if (!pipeline_advance(pipeline, error)) {
        session->dead = true;
        return false;
    }
    pipeline_forget_answered(pipeline);
    return true;
}

static void close_pipeline(Pipeline *pipeline)
{
    if (pipeline == NULL)
        return;
    g_ptr_array_unref(pipeline->commands);
    pipeline_clear(pipeline);
    g_free(pipeline);
}

bool imap_session_alive(ImapSession *session)
{
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();
    bool moved = true;

    if (session->dead)
        return false;
    g_auto(Pipeline) pipeline = begin(session, nothing);
    while (moved && !session->dead) {
        moved = false;
        if (!pipeline_receive(&pipeline, &moved, NULL))
            session->dead = true;
    }
    session->stream.died = false;
    session->dead = session->dead || session->stream.bye != NULL;
    return !session->dead;
}

bool imap_session_died(const ImapSession *session)
{
    return session->stream.died;
}

/* A session that just vanished would be a broken connection in the server's log. Its answer would take a round trip, and tell
 * nothing. */
static void log_out(ImapSession *session)
{
    g_autofree char *line = g_strdup_printf("k%" G_GUINT64_FORMAT " LOGOUT\r\n", session->next_tag);
    gsize sent;

    imap_connection_send(session->stream.connection, line, strlen(line), &sent);
}

void imap_session_close(ImapSession *session)
{
    if (session == NULL)
        return;
    if (!session->dead)
        log_out(session);
    imap_connection_close(session->stream.connection);
    if (session->gate != NULL)
        gate_leave(session->gate);
    close_pipeline(session->open);
    g_string_free(session->stream.input, TRUE);
    g_free(session->server);
    g_free(session->stream.bye);
    g_free(session);
}
