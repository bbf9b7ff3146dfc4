#include "imap/pipeline.h"

#include "model/fault.h"

#include <string.h>

/* One TLS record carries 16 KiB: no more goes into one write, or is read at once. */
enum { BATCH_OCTETS_MAX = 16384 };

/* What may be sent before the server answers. Reading goes on while we send, so this bounds memory, not progress. */
enum { UNANSWERED_OCTETS_MAX = 262144 };

/* Memory for the replies of one pipeline: some 80,000 LIST replies. */
enum { REPLIES_OCTETS_MAX = 67108864 };

/* How long an answer that has come waits for the others. The server's Nagle algorithm may wait as long for us, so it is a part of what
 * the pipeline has taken so far. */
#define GATHER_MIN_US ((gint64)G_USEC_PER_SEC / 100)
#define GATHER_MAX_US ((gint64)G_USEC_PER_SEC / 5)

/* An answer that grows by less than this comes from nobody who works on it: it may take so many times as long as a server may be
 * silent, and as long as its octets take at this rate. */
enum { TRICKLE_PATIENCE = 10, TRICKLE_OCTETS_S = 1024 };

void pipeline_clear(Pipeline *pipeline)
{
    g_string_free(pipeline->batch, TRUE);
}

/* The first command that has no answer; NULL: all have. */
static ImapCommand *find_current(const Pipeline *pipeline)
{
    return pipeline->answered < pipeline->commands->len ? g_ptr_array_index(pipeline->commands, pipeline->answered) : NULL;
}

/* `command` NULL: the server, whatever is asked. */
static gint64 timeout_us(const Pipeline *pipeline, const ImapCommand *command)
{
    return MAX(pipeline->stream->settings->timeout_us, command != NULL ? command->timeout_us : 0);
}

/* Who began an answer goes on with it, or never: a frontend whose backend died in the middle says half a line and waits. */
static gint64 patience_us(const Pipeline *pipeline)
{
    return timeout_us(pipeline, pipeline->stream->input->len > 0 ? NULL : find_current(pipeline));
}

/* When the next answer must be there, though octets come. */
static gint64 trickle_end_us(const Pipeline *pipeline)
{
    return pipeline->answer_us + TRICKLE_PATIENCE * timeout_us(pipeline, find_current(pipeline))
        + (gint64)(pipeline->answer_octets / TRICKLE_OCTETS_S) * G_USEC_PER_SEC;
}

static void set_deadline(Pipeline *pipeline)
{
    pipeline->deadline_us = MIN(g_get_monotonic_time() + patience_us(pipeline), trickle_end_us(pipeline));
}

void pipeline_await_answer(Pipeline *pipeline)
{
    pipeline->answer_us = g_get_monotonic_time();
    pipeline->answer_octets = 0;
    set_deadline(pipeline);
}

/* Always false: "URI: PROBLEM COMMAND ENDING". */
static bool fail(const Pipeline *pipeline, const char *problem, const char *ending, GError **error)
{
    ImapCommand *current = find_current(pipeline);
    g_autofree char *shown = current != NULL ? imap_command_show(current) : g_strdup("nothing");

    g_set_error(error, FAULT, FAULT_RETRY, "%s: %s %s%s", pipeline->stream->settings->uri, problem, shown, ending);
    return false;
}

static bool fail_closed(const Pipeline *pipeline, GError **error)
{
    ImapStream *stream = pipeline->stream;
    const char *loss = imap_connection_loss(stream->connection);
    g_autoptr(GString) ending = g_string_new(NULL);

    /* Cyrus' imapd, when it aborts, has time for "BYE Fatal error: " and its reason. */
    stream->died = stream->bye == NULL || g_str_has_prefix(stream->bye, "Fatal error");
    if (stream->bye != NULL)
        g_string_append_printf(ending, ", after BYE: %s", stream->bye);
    else if (loss[0] != '\0')
        g_string_append_printf(ending, " (%s)", loss);
    return fail(pipeline, "the server closed the connection instead of answering", ending->str, error);
}

/* One write for as many commands as the window and a TLS record take. Half the window must be free, or the pipeline
 * would decay into one small write an answer. */
static void fill_batch(Pipeline *pipeline)
{
    const guint window = pipeline->stream->settings->window;

    if (pipeline->batch_sent < pipeline->batch->len || pipeline->queued - pipeline->answered > window / 2)
        return;
    g_string_truncate(pipeline->batch, 0);
    pipeline->batch_sent = 0;
    while (pipeline->queued < pipeline->commands->len && pipeline->queued - pipeline->answered < MAX(window, 1) &&
           pipeline->batch->len < BATCH_OCTETS_MAX && pipeline->unanswered_octets < UNANSWERED_OCTETS_MAX) {
        ImapCommand *command = g_ptr_array_index(pipeline->commands, pipeline->queued);

        g_snprintf(command->tag, sizeof command->tag, "k%" G_GUINT64_FORMAT, pipeline->first_tag + pipeline->queued);
        g_string_append(pipeline->batch, command->tag);
        g_string_append_c(pipeline->batch, ' ');
        g_string_append_len(pipeline->batch, command->line->str, (gssize)command->line->len);
        g_string_append(pipeline->batch, "\r\n");
        pipeline->unanswered_octets += command->line->len;
        pipeline->queued++;
    }
}

static bool has_to_send(const Pipeline *pipeline)
{
    return pipeline->batch_sent < pipeline->batch->len && !pipeline->send_failed;
}

/* A failure is not reported here: the server's last words may still be there to be read. */
static void send_batch(Pipeline *pipeline, bool *moved)
{
    const char *rest = pipeline->batch->str + pipeline->batch_sent;
    gsize sent;

    if (!has_to_send(pipeline))
        return;
    switch (imap_connection_send(pipeline->stream->connection, rest, pipeline->batch->len - pipeline->batch_sent, &sent)) {
    case TRANSFER_MOVED:
        pipeline->batch_sent += sent;
        *moved = true;
        break;
    case TRANSFER_BLOCKED:
        break;
    case TRANSFER_CLOSED:
        pipeline->send_failed = true;
        break;
    }
}

static bool take_tagged(Pipeline *pipeline, ImapReply *reply, GError **error)
{
    ImapCommand *current = find_current(pipeline);

    if (current == NULL || pipeline->answered == pipeline->queued || g_strcmp0(reply->tag, current->tag) != 0)
        return fail(pipeline, "the server answers what was not asked instead of answering", "", error);
    current->status = reply->status;
    current->code = g_steal_pointer(&reply->code);
    current->text = g_steal_pointer(&reply->text);
    pipeline->unanswered_octets -= current->line->len;
    pipeline->answered++;
    return true;
}

static bool take_reply(Pipeline *pipeline, ImapReply *owned, GError **error)
{
    g_autoptr(ImapReply) reply = owned;
    ImapCommand *current = find_current(pipeline);

    switch (reply->kind) {
    case REPLY_TAGGED:
        return take_tagged(pipeline, reply, error);
    case REPLY_CONTINUATION:
        return fail(pipeline, "the server asks for more data instead of answering", "", error);
    case REPLY_UNTAGGED:
        if (reply->status == IMAP_BYE) {
            g_free(pipeline->stream->bye);
            pipeline->stream->bye = g_steal_pointer(&reply->text);
        } else if (reply->status == IMAP_NONE && current != NULL && current->take != NULL) {
            pipeline->replies_octets -= reply->weight;
            current->take(reply, current->take_data);
        } else if (reply->status == IMAP_NONE && current != NULL)
            g_ptr_array_add(current->replies, g_steal_pointer(&reply));
        return true;
    }
    g_assert_not_reached();
}

static bool take_replies(Pipeline *pipeline, GError **error)
{
    GString *input = pipeline->stream->input;
    ImapReply *reply;
    gsize at = 0, used;

    do {
        if (!imap_reply_parse(input->str + at, input->len - at, &reply, &used, error)) {
            g_prefix_error(error, "%s: ", pipeline->stream->settings->uri);
            return false;
        }
        at += used;
        pipeline->replies_octets += reply != NULL ? reply->weight : used;
        if (reply != NULL && !take_reply(pipeline, reply, error))
            return false;
        if (pipeline->replies_octets > REPLIES_OCTETS_MAX)
            return fail(pipeline, "the server sends too much in answer to", "", error);
    } while (reply != NULL);
    g_string_erase(input, 0, (gssize)at);
    return true;
}

bool pipeline_receive(Pipeline *pipeline, bool *moved, GError **error)
{
    char buffer[BATCH_OCTETS_MAX];
    gsize len;

    switch (imap_connection_receive(pipeline->stream->connection, buffer, sizeof buffer, &len)) {
    case TRANSFER_MOVED:
        *moved = true;
        pipeline->readable = imap_connection_has_pending(pipeline->stream->connection);
        pipeline->answer_octets += len;
        g_string_append_len(pipeline->stream->input, buffer, (gssize)len);
        return take_replies(pipeline, error);
    case TRANSFER_BLOCKED:
        pipeline->readable = false;
        return true;
    case TRANSFER_CLOSED:
        return fail_closed(pipeline, error);
    }
    g_assert_not_reached();
}

/* What must come before there is something to do: of the answers under way all, or as many as make room for more commands. An answer is
 * a tag, " OK" and CRLF at the least, and tags do not get shorter. Where several threads use the session in turn each wants its own
 * answers at once. */
static gsize expected_octets(const Pipeline *pipeline)
{
    const ImapCommand *current = find_current(pipeline);
    const guint under_way = pipeline->queued - pipeline->answered, half = pipeline->stream->settings->window / 2;
    const guint wanted = pipeline->queued < pipeline->commands->len && under_way > half ? under_way - half : under_way;
    gsize octets;

    if (pipeline->wake_fd >= 0 || under_way == 0)
        return 0;
    octets = wanted * (strlen(current->tag) + strlen(" OK\r\n"));
    return octets - MIN(octets, pipeline->stream->input->len);
}

static bool wait_for_server(Pipeline *pipeline, GError **error)
{
    gint64 gather_us = CLAMP((g_get_monotonic_time() - pipeline->begun_us) / 2, GATHER_MIN_US, GATHER_MAX_US);
    g_autofree char *ending = NULL;

    switch (imap_connection_wait(pipeline->stream->connection, expected_octets(pipeline), gather_us, has_to_send(pipeline),
                                 pipeline->wake_fd, pipeline->deadline_us)) {
    case WAIT_READY:
        pipeline->readable = true;
        return true;
    case WAIT_STOPPED:
        return fail(pipeline, "stopped while waiting for the answer to", "", error);
    case WAIT_DEADLINE:
        if (pipeline->deadline_us == trickle_end_us(pipeline))
            return fail(pipeline, "the server sends next to nothing, and does not come to an end, in answer to", "", error);
        ending = g_strdup_printf(" within %.3g s", (double)patience_us(pipeline) / G_USEC_PER_SEC);
        return fail(pipeline, "the server does not answer", ending, error);
    }
    g_assert_not_reached();
}

/* Sends and reads what is possible now, and waits when nothing is. */
bool pipeline_advance(Pipeline *pipeline, GError **error)
{
    const guint answered = pipeline->answered;
    bool moved = false;

    if (stop_asked_now(pipeline->stream->stop))
        return fail(pipeline, "stopped before the answer to", "", error);
    fill_batch(pipeline);
    send_batch(pipeline, &moved);
    if (pipeline->readable && !pipeline_receive(pipeline, &moved, error))
        return false;
    if (!moved)
        return wait_for_server(pipeline, error);
    if (pipeline->answered > answered)
        pipeline_await_answer(pipeline);
    else
        set_deadline(pipeline);
    return true;
}

Pipeline pipeline_begin(ImapStream *stream, GPtrArray *commands, guint64 first_tag)
{
    Pipeline pipeline = {
        .stream = stream,
        .commands = commands,
        .first_tag = first_tag,
        .readable = true,
        .begun_us = g_get_monotonic_time(),
        .batch = g_string_new(NULL),
        .wake_fd = -1,
    };

    pipeline_await_answer(&pipeline);
    stream->died = false;
    return pipeline;
}

/* What is answered is nobody's any more. */
void pipeline_forget_answered(Pipeline *pipeline)
{
    if (pipeline->answered == 0)
        return;
    g_ptr_array_remove_range(pipeline->commands, 0, pipeline->answered);
    pipeline->first_tag += pipeline->answered;
    pipeline->queued -= pipeline->answered;
    pipeline->answered = 0;
    pipeline->replies_octets = 0;
}
