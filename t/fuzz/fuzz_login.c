/* Whatever a server says before the login, cut anywhere: somebody is logged in, or an error names the server and not the password.
 *
 * The wire is replaced here (imap/connection.h). The first octet says how: 1 imaps://, 2 insecure, 4 as a user; the second how many octets
 * arrive at a time; then come the server's words. A server that has said all of them has closed the connection. */
#include "imap/login.h"

#include "fake_wire.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PASSWORD "secret-word"
#define LOGIN "AUTHENTICATE PLAIN"

struct ImapConnection {
    const char *at;
    const char *end;
    gsize at_a_time;
    bool secure;
    bool blocked;
    const Opening *opening;
};

static const char *words, *words_end;
static gsize octets_at_a_time;
static guint opened;

ImapConnection *imap_connection_open(const Opening *opening, bool *again, GError **error)
{
    ImapConnection *connection = g_new0(ImapConnection, 1);

    (void)error;
    *again = false;
    *connection = (ImapConnection){words, words_end, octets_at_a_time, opening->tls_at_once, false, opening};
    opened++;
    return connection;
}

bool imap_connection_secure(ImapConnection *connection, const Opening *opening, bool *again, GError **error)
{
    (void)opening, (void)again, (void)error;
    connection->secure = true;
    return true;
}

void imap_connection_close(ImapConnection *connection)
{
    if (connection == NULL)
        return;
    opened--;
    g_free(connection);
}

/* No credentials in clear text, unless that is wanted. */
Transfer imap_connection_send(ImapConnection *connection, const char *data, gsize len, gsize *moved)
{
    connection->blocked = !connection->blocked;
    if (connection->blocked)
        return TRANSFER_BLOCKED;
    *moved = (len + 1) / 2;
    g_assert(connection->secure || connection->opening->settings->insecure || g_strstr_len(data, (gssize)len, LOGIN) == NULL);
    return TRANSFER_MOVED;
}

Transfer imap_connection_receive(ImapConnection *connection, char *buffer, gsize size, gsize *moved)
{
    *moved = MIN(MIN(size, connection->at_a_time), (gsize)(connection->end - connection->at));
    if (*moved == 0)
        return TRANSFER_CLOSED;
    memcpy(buffer, connection->at, *moved);
    connection->at += *moved;
    return TRANSFER_MOVED;
}

static void check_error(const GError *error)
{
    g_assert(error->domain == FAULT);
    g_assert(g_str_has_prefix(error->message, "imap"));
    check_text(error->message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ImapSettings settings = {.admin_login = (char *)"admin", .admin_password = (char *)PASSWORD, .timeout_us = G_USEC_PER_SEC};
    g_autoptr(Stop) stop = stop_new();
    g_autoptr(GString) input = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *server = NULL;
    ImapConnection *connection;

    if (size < 2)
        return 0;
    settings.uri = (char *)(data[0] & 1 ? "imaps://x" : "imap://x");
    settings.insecure = (data[0] & 3) == 2;
    octets_at_a_time = data[1] > 0 ? data[1] : G_MAXSIZE;
    words = (const char *)data + 2;
    words_end = words + (size - 2);
    connection = imap_login(&settings, data[0] & 4 ? "jane@example.org" : NULL, stop, &server, input, &error);
    g_assert((connection == NULL) == (error != NULL));
    if (error != NULL)
        check_error(error);
    else
        g_assert(connection->secure || settings.insecure);
    imap_connection_close(connection);
    g_assert(opened == 0);
    return 0;
}
