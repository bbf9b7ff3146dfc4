/* pipeline.h - commands that are sent ahead of their answers, and what is awaited until when. Private to this folder.
 *
 * session.h says what a pipeline promises; this is the work: how much is in one write, how far ahead, whose an answer is, and when the
 * server has had time enough. */
#pragma once

#include "imap/command.h"
#include "imap/connection.h"
#include "imap/settings.h"
#include "wait/wait.h"

#include <glib.h>

/* A connection on which somebody is logged in, and what came over it that is still to be used. */
typedef struct {
    const ImapSettings *settings;
    Stop *stop;
    ImapConnection *connection;
    GString *input; /* octets that make no complete reply yet */
    char *bye;      /* text of the server's BYE; NULL: none */
    bool died;      /* see imap_session_died */
} ImapStream;

/* commands[0, answered) are answered, [answered, queued) are sent or in the batch. */
typedef struct {
    ImapStream *stream;
    GPtrArray *commands; /* of ImapCommand*; the caller's */
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
} Pipeline;

/* `first_tag`: the number in the tag of the first command; those of the others follow. */
Pipeline pipeline_begin(ImapStream *stream, GPtrArray *commands, guint64 first_tag);
void pipeline_clear(Pipeline *pipeline);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pipeline, pipeline_clear)

/* Sends and reads what is possible now, and waits when nothing is. FAULT_RETRY as imap_session_run; then the stream is of no use. */
bool pipeline_advance(Pipeline *pipeline, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Reads once, without waiting; *moved becomes true when there was something. Faults as above. */
bool pipeline_receive(Pipeline *pipeline, bool *moved, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* From now on the server has its time for the next answer. */
void pipeline_await_answer(Pipeline *pipeline);
/* Takes what is answered out of `commands`: it is nobody's any more. */
void pipeline_forget_answered(Pipeline *pipeline);
