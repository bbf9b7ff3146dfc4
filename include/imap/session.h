/* session.h - one IMAP connection as administrator or as a user, and commands carried out on it in a pipeline.
 *
 * One thread uses one session. After an error the session is dead: close it. The program must ignore SIGPIPE. */
#pragma once

#include "imap/command.h"
#include "imap/gate.h"
#include "imap/settings.h"
#include "wait/wait.h"

#include <glib.h>

typedef struct ImapSession ImapSession;

/* Connects and authenticates as the administrator; with `authorize_as` (a login name) as that user (proxy
 * authorisation, RFC 4616). FAULT_STOP: the server refuses the administrator's credentials, or the CA file cannot be
 * read. FAULT_RETRY: everything that may heal. The arguments must outlive the session. */
ImapSession *imap_session_open(const ImapSettings *settings, const char *authorize_as, Stop *stop,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same as the user `login`, with a place at the gate (NULL: there is none) for as long as the session is open. Faults also as
 * gate_enter. */
ImapSession *imap_session_open_user(const ImapSettings *settings, Gate *gate, const char *login, Stop *stop,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Says LOGOUT when the session is alive, and does not wait for the answer. */
void imap_session_close(ImapSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSession, imap_session_close)

/* What the server calls itself (Cyrus' servername); NULL: it does not say. Valid as long as the session. */
const char *imap_session_server(const ImapSession *session);

/* Sends all commands as a pipeline and waits for all answers; NO and BAD are answers, not errors. Untagged data belongs
 * to the first command that has no answer yet; untagged OK, NO and BAD are dropped. Answers of an earlier run are
 * forgotten first. The commands' status fields say how far it got also when it fails. FAULT_RETRY: the connection was
 * lost (the message names the command the server did not answer), timed out, or speaks no IMAP, an answer trickles without an
 * end, or the replies together take more than 64 MiB. */
bool imap_session_run(ImapSession *session, GPtrArray *commands, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same piece by piece, for who gets more to send while answers are under way: `command` is sent behind those that are (it must
 * live until it is answered), and its answer comes in their order. Not between imap_session_run and the answers. */
void imap_session_add(ImapSession *session, ImapCommand *command);
/* Sends and reads what is possible. When nothing is, waits for the server, or until `wake_fd` can be read (-1: not for that); not
 * when all have an answer. Faults as above, of the first command that has none. */
bool imap_session_advance(ImapSession *session, int wake_fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Is a session that rested still usable? Looks, without waiting, whether the server has closed it or said BYE (idle
 * time-out, restart). */
bool imap_session_alive(ImapSession *session);

/* Did the last run fail because the server broke off, without BYE or with Cyrus' "BYE Fatal error"? So looks an imapd
 * that died, most likely of the first command that has no answer. */
bool imap_session_died(const ImapSession *session);
