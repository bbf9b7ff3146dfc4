/* connection.h - the wire under a session: libcurl connects, verifies TLS and authenticates; then octets go both ways.
 *
 * All of libcurl is in connection.c. One thread uses one connection. */
#pragma once

#include "imap/session.h"
#include "wait/wait.h"

#include <glib.h>

typedef struct ImapConnection ImapConnection;

/* As imap_session_open. */
ImapConnection *imap_connection_open(const ImapSettings *settings, const char *authorize_as, Stop *stop,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
void imap_connection_close(ImapConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapConnection, imap_connection_close)

/* What the server calls itself (Cyrus' servername); NULL: it does not say. */
const char *imap_connection_server(const ImapConnection *connection);

typedef enum {
    TRANSFER_MOVED,   /* *moved octets, at least one */
    TRANSFER_BLOCKED, /* nothing now: wait */
    TRANSFER_CLOSED,  /* never again: imap_connection_loss tells why */
} Transfer;

/* Neither waits. After TRANSFER_BLOCKED the same octets at the same address must be offered again: TLS has begun a
 * record of them. */
Transfer imap_connection_send(ImapConnection *connection, const char *data, gsize len, gsize *moved);
Transfer imap_connection_receive(ImapConnection *connection, char *buffer, gsize size, gsize *moved);

/* Waits for octets from the server, with `to_send` also for room, and until `wake_fd` can be read (-1: not for that). `expected`: at
 * least so many must come, so that to be woken for each few of them is not worth it; what comes is not kept waiting for more than
 * some milliseconds all the same. Only after imap_connection_receive was TRANSFER_BLOCKED: TLS may hold octets that the socket no
 * longer shows. */
WaitResult imap_connection_wait(ImapConnection *connection, gsize expected, bool to_send, int wake_fd, gint64 deadline_us);

/* Why the connection is lost, as libcurl says it; "" when the server just closed it. */
const char *imap_connection_loss(const ImapConnection *connection);
