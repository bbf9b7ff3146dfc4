/* connection.h - the wire under a session: octets that go both ways, by TCP or by TLS over it. Private to this folder.
 *
 * One thread uses one connection. The program must ignore SIGPIPE. */
#pragma once

#include "imap/opening.h"
#include "wait/wait.h"

#include <glib.h>

typedef struct ImapConnection ImapConnection;

/* Connects, and to imaps:// begins TLS. Faults as tcp_connect and tls_open; *again as there. `opening->stop` must outlive it. */
ImapConnection *imap_connection_open(const Opening *opening, bool *again, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* TLS from here on (STARTTLS). Faults as tls_open. */
bool imap_connection_secure(ImapConnection *connection, const Opening *opening, bool *again, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Says that TLS ends here, without waiting: a server whose client just vanishes forbids to resume the session, and so does OpenSSL here
 * (RFC 5246, 7.2.1). */
void imap_connection_close(ImapConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapConnection, imap_connection_close)

typedef enum {
    TRANSFER_MOVED,   /* *moved octets, at least one */
    TRANSFER_BLOCKED, /* nothing now: wait */
    TRANSFER_CLOSED,  /* never again: imap_connection_loss tells why */
} Transfer;

/* Neither waits. After TRANSFER_BLOCKED the same octets must be offered again, and no fewer: TLS has begun a record of them. */
Transfer imap_connection_send(ImapConnection *connection, const char *data, gsize len, gsize *moved);
Transfer imap_connection_receive(ImapConnection *connection, char *buffer, gsize size, gsize *moved);

/* TLS has read octets from the socket that it has not handed on: a record, or a part of one. */
bool imap_connection_has_pending(const ImapConnection *connection);

/* Waits for octets from the server, with `to_send` also for room, and until `wake_fd` can be read (-1: not for that). `expected`: at
 * least so many must come, so that to be woken for each few of them is not worth it; what comes is not kept waiting for more than
 * `gather_us` all the same. A connection that ends is seen at once. Only when nothing is pending, or imap_connection_receive was
 * TRANSFER_BLOCKED: TLS may hold octets that the socket no longer shows. */
WaitResult imap_connection_wait(ImapConnection *connection, gsize expected, gint64 gather_us, bool to_send, int wake_fd,
                                gint64 deadline_us);

/* Why the connection is lost; "" when the server just closed it. */
const char *imap_connection_loss(const ImapConnection *connection);
