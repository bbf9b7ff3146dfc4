#include "imap/connection.h"

#include "imap/tcp.h"
#include "imap/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

struct ImapConnection {
    Stop *stop;
    int fd;
    SSL *ssl;        /* NULL: no TLS, or none yet */
    bool read_sends; /* TLS has something to say before it can go on reading */
    int awaited;     /* octets that must be there before the socket counts as readable */
    char *loss;      /* NULL: it is not lost */
};

ImapConnection *imap_connection_open(const Opening *opening, bool *again, GError **error)
{
    g_autoptr(ImapConnection) connection = NULL;
    int fd = tcp_connect(opening, error);

    *again = false;
    if (fd < 0)
        return NULL;
    connection = g_new0(ImapConnection, 1);
    connection->stop = opening->stop;
    connection->fd = fd;
    connection->awaited = 1;
    if (opening->tls_at_once && !imap_connection_secure(connection, opening, again, error))
        return NULL;
    return g_steal_pointer(&connection);
}

bool imap_connection_secure(ImapConnection *connection, const Opening *opening, bool *again, GError **error)
{
    connection->ssl = tls_open(opening, connection->fd, again, error);
    return connection->ssl != NULL;
}

void imap_connection_close(ImapConnection *connection)
{
    if (connection == NULL)
        return;
    if (connection->ssl != NULL)
        SSL_shutdown(connection->ssl);
    ERR_clear_error();
    SSL_free(connection->ssl);
    close(connection->fd);
    g_free(connection->loss);
    g_free(connection);
}

static Transfer lose(ImapConnection *connection, const char *reason)
{
    g_free(connection->loss);
    connection->loss = g_strdup(reason);
    return TRANSFER_CLOSED;
}

static Transfer judge_tls(ImapConnection *connection, int rc, bool reading)
{
    switch (SSL_get_error(connection->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TRANSFER_BLOCKED;
    case SSL_ERROR_WANT_WRITE:
        connection->read_sends = reading;
        return TRANSFER_BLOCKED;
    default:
        return lose(connection, tls_reason(connection->ssl, rc));
    }
}

static Transfer judge_plain(ImapConnection *connection, ssize_t rc)
{
    if (rc < 0 && (errno == EAGAIN || errno == EINTR))
        return TRANSFER_BLOCKED;
    return lose(connection, rc < 0 ? g_strerror(errno) : "");
}

/* `rc`: octets, as the call says that was just made. */
static Transfer judge(ImapConnection *connection, ssize_t rc, bool reading, gsize *moved)
{
    *moved = rc > 0 ? (gsize)rc : 0;
    if (rc > 0)
        return TRANSFER_MOVED;
    return connection->ssl != NULL ? judge_tls(connection, (int)rc, reading) : judge_plain(connection, rc);
}

/* What is asked afterwards is why this call failed, and not an earlier one of this thread (SSL_get_error(3)). */
static void forget_errors(void)
{
    ERR_clear_error();
    errno = 0;
}

Transfer imap_connection_send(ImapConnection *connection, const char *data, gsize len, gsize *moved)
{
    int asked = (int)MIN(len, G_MAXINT);

    *moved = 0;
    if (connection->loss != NULL)
        return TRANSFER_CLOSED;
    forget_errors();
    ssize_t rc = connection->ssl != NULL ? SSL_write(connection->ssl, data, asked) : send(connection->fd, data, len, MSG_NOSIGNAL);
    return judge(connection, rc, false, moved);
}

Transfer imap_connection_receive(ImapConnection *connection, char *buffer, gsize size, gsize *moved)
{
    int asked = (int)MIN(size, G_MAXINT);

    connection->read_sends = false;
    forget_errors();
    ssize_t rc = connection->ssl != NULL ? SSL_read(connection->ssl, buffer, asked) : recv(connection->fd, buffer, size, 0);
    return judge(connection, rc, true, moved);
}

bool imap_connection_has_pending(const ImapConnection *connection)
{
    return connection->ssl != NULL && SSL_has_pending(connection->ssl);
}

/* An error here costs no more than that we are woken for less. */
static void await(ImapConnection *connection, int octets)
{
    if (connection->awaited != octets)
        setsockopt(connection->fd, SOL_SOCKET, SO_RCVLOWAT, &octets, sizeof octets);
    connection->awaited = octets;
}

WaitResult imap_connection_wait(ImapConnection *connection, gsize expected, gint64 gather_us, bool to_send, int wake_fd,
                                gint64 deadline_us)
{
    gint64 until_us = g_get_monotonic_time() + gather_us;
    bool writes = to_send || connection->read_sends;
    bool has_part = imap_connection_has_pending(connection); /* of a record: the socket will not show it */

    tcp_acknowledge_at_once(connection->fd);
    if (expected > 1 && !writes && !has_part && until_us < deadline_us) {
        await(connection, (int)MIN(expected, G_MAXINT));
        WaitResult result = wait_for_either(connection->stop, connection->fd, POLLIN, wake_fd, until_us, false);
        if (result != WAIT_DEADLINE)
            return result;
        tcp_acknowledge_at_once(connection->fd);
    }
    await(connection, 1);
    return wait_for_either(connection->stop, connection->fd, writes ? POLLIN | POLLOUT : POLLIN, wake_fd, deadline_us, false);
}

const char *imap_connection_loss(const ImapConnection *connection)
{
    return connection->loss != NULL ? connection->loss : "";
}
