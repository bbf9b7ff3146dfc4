#include "imap/session.h"

#include "imap/login.h"
#include "model/fault.h"

#include <string.h>

/* One TLS record carries 16 KiB: no more goes into one write, or is read at once. */
enum { BATCH_OCTETS_MAX = 16384 };

/* What may be sent before the server answers. Reading goes on while we send, so this bounds memory, not progress. */
enum { UNANSWERED_OCTETS_MAX = 262144 };

/* Memory for the replies of one run: some 80,000 LIST replies. */
enum { REPLIES_OCTETS_MAX = 67108864 };

/* How long an answer that has come waits for the others. The server's Nagle algorithm may wait as long for us, so it is a part of what
 * the pipeline has taken so far. */
#define GATHER_MIN_US ((gint64)G_USEC_PER_SEC / 100)
#define GATHER_MAX_US ((gint64)G_USEC_PER_SEC / 5)

/* An answer that grows by less than this comes from nobody who works on it: it may take so many times as long as a server may be
 * silent, and as long as its octets take at this rate. */
enum { TRICKLE_PATIENCE = 10, TRICKLE_OCTETS_S = 1024 };

typedef struct Run Run;

struct ImapSession {
    const ImapSettings *settings;
    Stop *stop;
    Gate *gate;     /* has a place there; NULL: none */
    ImapConnection *connection;
    char *server;   /* what it calls itself; NULL: it does not say */
    GString *input; /* octets that make no complete reply yet */
    char *bye;      /* text of the server's BYE; NULL: none */
    guint64 next_tag;
    Run *open;      /* the pipeline of imap_session_add; NULL: none yet */
    bool dead;
    bool died;
};

/* One pipeline under way: commands[0, answered) are answered, [answered, queued) are sent or in the batch. */
struct Run {
    ImapSession *session;
    GPtrArray *commands;
    guint64 first_tag;
    guint answered;
    guint queued;
    GString *batch; /* does not move or change before it is sent: TLS may have begun with it */
    gsize batch_sent;
    gsize unanswered_octets;
    gsize replies_octets;
    bool send_failed;
    bool readable; /* there may be octets to read; otherwise only a wait tells */
    gint64 begun_us;
    gint64 answer_us;    /* since when the next answer is awaited */
    gsize answer_octets; /* that came since */
    gint64 deadline_us;
    int wake_fd; /* ends a wait; -1: nothing does */
};

static void run_clear(Run *run)
{
    g_string_free(run->batch, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

ImapSession *imap_session_open(const ImapSettings *settings, const char *authorize_as, Stop *stop, GError **error)
{
    g_autoptr(GString) input = g_string_new(NULL);
    char *server = NULL;
    ImapConnection *connection = imap_login(settings, authorize_as, stop, &server, input, error);

    if (connection == NULL)
        return NULL;
    ImapSession *session = g_new0(ImapSession, 1);
    session->settings = settings;
    session->stop = stop;
    session->connection = connection;
    session->server = server;
    session->input = g_steal_pointer(&input);
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

/* The first command that has no answer; NULL: all have. */
static ImapCommand *find_current(const Run *run)
{
    return run->answered < run->commands->len ? g_ptr_array_index(run->commands, run->answered) : NULL;
}

/* `command` NULL: the server, whatever is asked. */
static gint64 timeout_us(const Run *run, const ImapCommand *command)
{
    return MAX(run->session->settings->timeout_us, command != NULL ? command->timeout_us : 0);
}

/* Who began an answer goes on with it, or never: a frontend whose backend died in the middle says half a line and waits. */
static gint64 patience_us(const Run *run)
{
    return timeout_us(run, run->session->input->len > 0 ? NULL : find_current(run));
}

/* When the next answer must be there, though octets come. */
static gint64 trickle_end_us(const Run *run)
{
    return run->answer_us + TRICKLE_PATIENCE * timeout_us(run, find_current(run))
        + (gint64)(run->answer_octets / TRICKLE_OCTETS_S) * G_USEC_PER_SEC;
}

static void set_deadline(Run *run)
{
    run->deadline_us = MIN(g_get_monotonic_time() + patience_us(run), trickle_end_us(run));
}

static void await_answer(Run *run)
{
    run->answer_us = g_get_monotonic_time();
    run->answer_octets = 0;
    set_deadline(run);
}

/* Always false: "URI: PROBLEM COMMAND ENDING". */
static bool fail(const Run *run, const char *problem, const char *ending, GError **error)
{
    ImapCommand *current = find_current(run);
    g_autofree char *shown = current != NULL ? imap_command_show(current) : g_strdup("nothing");

    g_set_error(error, FAULT, FAULT_RETRY, "%s: %s %s%s", run->session->settings->uri, problem, shown, ending);
    return false;
}

static bool fail_closed(const Run *run, GError **error)
{
    ImapSession *session = run->session;
    const char *loss = imap_connection_loss(session->connection);
    g_autoptr(GString) ending = g_string_new(NULL);

    /* Cyrus' imapd, when it aborts, has time for "BYE Fatal error: " and its reason. */
    session->died = session->bye == NULL || g_str_has_prefix(session->bye, "Fatal error");
    if (session->bye != NULL)
        g_string_append_printf(ending, ", after BYE: %s", session->bye);
    else if (loss[0] != '\0')
        g_string_append_printf(ending, " (%s)", loss);
    return fail(run, "the server closed the connection instead of answering", ending->str, error);
}

/* One write for as many commands as the window and a TLS record take. Half the window must be free, or the pipeline
 * would decay into one small write an answer. */
static void fill_batch(Run *run)
{
    const guint window = run->session->settings->window;

    if (run->batch_sent < run->batch->len || run->queued - run->answered > window / 2)
        return;
    g_string_truncate(run->batch, 0);
    run->batch_sent = 0;
    while (run->queued < run->commands->len && run->queued - run->answered < MAX(window, 1) &&
           run->batch->len < BATCH_OCTETS_MAX && run->unanswered_octets < UNANSWERED_OCTETS_MAX) {
        ImapCommand *command = g_ptr_array_index(run->commands, run->queued);

        g_snprintf(command->tag, sizeof command->tag, "k%" G_GUINT64_FORMAT, run->first_tag + run->queued);
        g_string_append(run->batch, command->tag);
        g_string_append_c(run->batch, ' ');
        g_string_append_len(run->batch, command->line->str, (gssize)command->line->len);
        g_string_append(run->batch, "\r\n");
        run->unanswered_octets += command->line->len;
        run->queued++;
    }
}

static bool has_to_send(const Run *run)
{
    return run->batch_sent < run->batch->len && !run->send_failed;
}

/* A failure is not reported here: the server's last words may still be there to be read. */
static void send_batch(Run *run, bool *moved)
{
    const char *rest = run->batch->str + run->batch_sent;
    gsize sent;

    if (!has_to_send(run))
        return;
    switch (imap_connection_send(run->session->connection, rest, run->batch->len - run->batch_sent, &sent)) {
    case TRANSFER_MOVED:
        run->batch_sent += sent;
        *moved = true;
        break;
    case TRANSFER_BLOCKED:
        break;
    case TRANSFER_CLOSED:
        run->send_failed = true;
        break;
    }
}

static bool take_tagged(Run *run, ImapReply *reply, GError **error)
{
    ImapCommand *current = find_current(run);

    if (current == NULL || run->answered == run->queued || g_strcmp0(reply->tag, current->tag) != 0)
        return fail(run, "the server answers what was not asked instead of answering", "", error);
    current->status = reply->status;
    current->code = g_steal_pointer(&reply->code);
    current->text = g_steal_pointer(&reply->text);
    run->unanswered_octets -= current->line->len;
    run->answered++;
    return true;
}

static bool take_reply(Run *run, ImapReply *owned, GError **error)
{
    g_autoptr(ImapReply) reply = owned;
    ImapCommand *current = find_current(run);

    switch (reply->kind) {
    case REPLY_TAGGED:
        return take_tagged(run, reply, error);
    case REPLY_CONTINUATION:
        return fail(run, "the server asks for more data instead of answering", "", error);
    case REPLY_UNTAGGED:
        if (reply->status == IMAP_BYE) {
            g_free(run->session->bye);
            run->session->bye = g_steal_pointer(&reply->text);
        } else if (reply->status == IMAP_NONE && current != NULL && current->take != NULL) {
            run->replies_octets -= reply->weight;
            current->take(reply, current->take_data);
        } else if (reply->status == IMAP_NONE && current != NULL)
            g_ptr_array_add(current->replies, g_steal_pointer(&reply));
        return true;
    }
    g_assert_not_reached();
}

static bool take_replies(Run *run, GError **error)
{
    GString *input = run->session->input;
    ImapReply *reply;
    gsize at = 0, used;

    do {
        if (!imap_reply_parse(input->str + at, input->len - at, &reply, &used, error)) {
            g_prefix_error(error, "%s: ", run->session->settings->uri);
            return false;
        }
        at += used;
        run->replies_octets += reply != NULL ? reply->weight : used;
        if (reply != NULL && !take_reply(run, reply, error))
            return false;
        if (run->replies_octets > REPLIES_OCTETS_MAX)
            return fail(run, "the server sends too much in answer to", "", error);
    } while (reply != NULL);
    g_string_erase(input, 0, (gssize)at);
    return true;
}

static bool receive(Run *run, bool *moved, GError **error)
{
    char buffer[BATCH_OCTETS_MAX];
    gsize len;

    switch (imap_connection_receive(run->session->connection, buffer, sizeof buffer, &len)) {
    case TRANSFER_MOVED:
        *moved = true;
        run->readable = imap_connection_has_pending(run->session->connection);
        run->answer_octets += len;
        g_string_append_len(run->session->input, buffer, (gssize)len);
        return take_replies(run, error);
    case TRANSFER_BLOCKED:
        run->readable = false;
        return true;
    case TRANSFER_CLOSED:
        return fail_closed(run, error);
    }
    g_assert_not_reached();
}

/* What must come before there is something to do: of the answers under way all, or as many as make room for more commands. An answer is
 * a tag, " OK" and CRLF at the least, and tags do not get shorter. Where several threads use the session in turn each wants its own
 * answers at once. */
static gsize expected_octets(const Run *run)
{
    const ImapCommand *current = find_current(run);
    const guint under_way = run->queued - run->answered, half = run->session->settings->window / 2;
    const guint wanted = run->queued < run->commands->len && under_way > half ? under_way - half : under_way;
    gsize octets;

    if (run->wake_fd >= 0 || under_way == 0)
        return 0;
    octets = wanted * (strlen(current->tag) + strlen(" OK\r\n"));
    return octets - MIN(octets, run->session->input->len);
}

static bool wait_for_server(Run *run, GError **error)
{
    gint64 gather_us = CLAMP((g_get_monotonic_time() - run->begun_us) / 2, GATHER_MIN_US, GATHER_MAX_US);
    g_autofree char *ending = NULL;

    switch (imap_connection_wait(run->session->connection, expected_octets(run), gather_us, has_to_send(run), run->wake_fd,
                                 run->deadline_us)) {
    case WAIT_READY:
        run->readable = true;
        return true;
    case WAIT_STOPPED:
        return fail(run, "stopped while waiting for the answer to", "", error);
    case WAIT_DEADLINE:
        if (run->deadline_us == trickle_end_us(run))
            return fail(run, "the server sends next to nothing, and does not come to an end, in answer to", "", error);
        ending = g_strdup_printf(" within %.3g s", (double)patience_us(run) / G_USEC_PER_SEC);
        return fail(run, "the server does not answer", ending, error);
    }
    g_assert_not_reached();
}

/* Sends and reads what is possible now, and waits when nothing is. */
static bool advance(Run *run, GError **error)
{
    const guint answered = run->answered;
    bool moved = false;

    if (stop_asked_now(run->session->stop))
        return fail(run, "stopped before the answer to", "", error);
    fill_batch(run);
    send_batch(run, &moved);
    if (run->readable && !receive(run, &moved, error))
        return false;
    if (!moved)
        return wait_for_server(run, error);
    if (run->answered > answered)
        await_answer(run);
    else
        set_deadline(run);
    return true;
}

static Run begin(ImapSession *session, GPtrArray *commands)
{
    Run run = {
        .session = session,
        .commands = commands,
        .first_tag = session->next_tag,
        .readable = true,
        .begun_us = g_get_monotonic_time(),
        .batch = g_string_new(NULL),
        .wake_fd = -1,
    };

    await_answer(&run);
    session->next_tag += commands->len;
    session->died = false;
    return run;
}

bool imap_session_run(ImapSession *session, GPtrArray *commands, GError **error)
{
    GateTurn turn = {0};

    if (session->dead) {
        g_set_error(error, FAULT, FAULT_RETRY, "%s: the connection was lost before", session->settings->uri);
        return false;
    }
    if (session->gate != NULL)
        turn = gate_begin(session->gate);
    g_auto(Run) run = begin(session, commands);
    for (guint i = 0; i < commands->len; i++)
        imap_command_reset(g_ptr_array_index(commands, i));
    while (run.answered < commands->len) {
        if (!advance(&run, error)) {
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
    Run *run = session->open;

    if (run == NULL) {
        run = session->open = g_new(Run, 1);
        *run = begin(session, g_ptr_array_new());
    }
    if (run->commands->len == 0) {
        run->first_tag = session->next_tag;
        await_answer(run);
    }
    imap_command_reset(command);
    g_ptr_array_add(run->commands, command);
    session->next_tag++;
}

/* What is answered is nobody's any more. */
static void forget_answered(Run *run)
{
    if (run->answered == 0)
        return;
    g_ptr_array_remove_range(run->commands, 0, run->answered);
    run->first_tag += run->answered;
    run->queued -= run->answered;
    run->answered = 0;
    run->replies_octets = 0;
}

bool imap_session_advance(ImapSession *session, int wake_fd, GError **error)
{
    Run *run = session->open;

    if (run == NULL || run->commands->len == 0)
        return true;
    run->wake_fd = wake_fd;
    session->died = false;
    if (!advance(run, error)) {
        session->dead = true;
        return false;
    }
    forget_answered(run);
    return true;
}

static void close_run(Run *run)
{
    if (run == NULL)
        return;
    g_ptr_array_unref(run->commands);
    run_clear(run);
    g_free(run);
}

bool imap_session_alive(ImapSession *session)
{
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();
    bool moved = true;

    if (session->dead)
        return false;
    g_auto(Run) run = begin(session, nothing);
    while (moved && !session->dead) {
        moved = false;
        if (!receive(&run, &moved, NULL))
            session->dead = true;
    }
    session->died = false;
    session->dead = session->dead || session->bye != NULL;
    return !session->dead;
}

bool imap_session_died(const ImapSession *session)
{
    return session->died;
}

/* A session that just vanished would be a broken connection in the server's log. Its answer would take a round trip, and tell
 * nothing. */
static void log_out(ImapSession *session)
{
    g_autofree char *line = g_strdup_printf("k%" G_GUINT64_FORMAT " LOGOUT\r\n", session->next_tag);
    gsize sent;

    imap_connection_send(session->connection, line, strlen(line), &sent);
}

void imap_session_close(ImapSession *session)
{
    if (session == NULL)
        return;
    if (!session->dead)
        log_out(session);
    imap_connection_close(session->connection);
    if (session->gate != NULL)
        gate_leave(session->gate);
    close_run(session->open);
    g_string_free(session->input, TRUE);
    g_free(session->server);
    g_free(session->bye);
    g_free(session);
}
