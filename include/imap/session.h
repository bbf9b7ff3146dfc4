/* session.h - one IMAP connection: connected, TLS verified and authenticated by libcurl, then commands in a pipeline.
 *
 * All of libcurl is in session.c. One thread uses one session. After an error of the connection the session is dead:
 * close it. */
#pragma once

#include "imap/reply.h"
#include "wait/wait.h"

#include <glib.h>

typedef struct {
    char *uri;            /* imaps://host[:port] or imap://host[:port] (STARTTLS is then demanded) */
    char *admin_login;
    char *admin_password; /* secret: never in a message */
    char *ca_file;        /* NULL: the system's */
    bool insecure;        /* no TLS over loopback */
    gint64 timeout_us;    /* without any progress */
    guint window;         /* commands in flight */
} ImapSettings;

void imap_settings_free(ImapSettings *settings);

/* A command under way: built, sent, answered. */
typedef struct {
    GString *line;      /* without tag and CRLF */
    ImapStatus status;  /* IMAP_NONE: not answered */
    char *code;         /* response code of the tagged reply */
    char *text;         /* human text of the tagged reply */
    GPtrArray *replies; /* of ImapReply*: untagged data that came for it */
} ImapCommand;

/* `verb` is sent as it is: "CREATE". */
ImapCommand *imap_command_new(const char *verb);
void imap_command_free(ImapCommand *command);
/* A blank and `word` as it is: numbers, parentheses, names of ours. Never a value from outside. */
void imap_command_add_word(ImapCommand *command, const char *word);
/* A blank (not after "(") and a string: quoted, or a non-synchronising literal (RFC 7888) where quoting cannot carry it.
 * NUL cannot occur; CR and LF force the literal. */
void imap_command_add_string(ImapCommand *command, const char *text);

typedef struct ImapSession ImapSession;

/* Connects and authenticates as the administrator; with `authorize_as` (a login name) as that user (proxy
 * authorisation, RFC 4616). FAULT_STOP: the server refuses the administrator's credentials, or the CA file cannot be read.
 * FAULT_RETRY: everything that may heal. The arguments must outlive the session. */
ImapSession *imap_session_open(const ImapSettings *settings, const char *authorize_as, Stop *stop,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
void imap_session_close(ImapSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSession, imap_session_close)

/* Sends all commands as a pipeline and waits for all answers; NO and BAD are answers, not errors. The commands' status
 * fields say how far it got also when it fails. FAULT_RETRY: the connection was lost (the message names the command the
 * server did not answer), timed out, or speaks no IMAP. */
bool imap_session_run(ImapSession *session, GPtrArray *commands, GError **error) G_GNUC_WARN_UNUSED_RESULT;
