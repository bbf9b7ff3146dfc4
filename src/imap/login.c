#include "imap/login.h"

#include "imap/capability.h"
#include "imap/greeting.h"

#include <string.h>

/* Greeting, capabilities and a login are a few hundred octets. */
enum { BUFFER_OCTETS = 4096, DIALOGUE_OCTETS_MAX = 65536 };

typedef struct {
    const Opening *opening;
    ImapConnection *connection;
    GString *input;     /* octets that make no complete reply yet; not owned */
    gsize heard;        /* octets so far */
    guint commands;
    char *server;       /* as it calls itself; NULL: it does not */
    GStrv capabilities; /* NULL: it has not told, or not since TLS began */
} Login;

static void login_clear(Login *login)
{
    imap_connection_close(login->connection);
    g_free(login->server);
    g_strfreev(login->capabilities);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Login, login_clear)

/* --- what goes over the wire */

static bool fail_lost(const Login *login, GError **error)
{
    const char *loss = imap_connection_loss(login->connection);

    opening_fail(login->opening, FAULT_RETRY, "see its log", error, "the server hung up before the login%s%s", loss[0] != '\0' ? ": " : "",
                 loss);
    return false;
}

/* Always false: what answers here is no IMAP server as we know them. */
static bool fail_strange(const Login *login, const char *what, GError **error)
{
    opening_fail(login->opening, FAULT_RETRY, "check that an IMAP server answers on this port", error, "%s", what);
    return false;
}

static bool wait_for_server(const Login *login, bool to_send, GError **error)
{
    WaitResult result = imap_connection_wait(login->connection, 1, 0, to_send, -1, login->opening->deadline_us);

    return opening_judge_wait(login->opening, result, error);
}

static bool send_all(const Login *login, const char *data, gsize len, GError **error)
{
    gsize moved;

    while (len > 0) {
        switch (imap_connection_send(login->connection, data, len, &moved)) {
        case TRANSFER_MOVED:
            data += moved;
            len -= moved;
            break;
        case TRANSFER_BLOCKED:
            if (!wait_for_server(login, true, error))
                return false;
            break;
        case TRANSFER_CLOSED:
            return fail_lost(login, error);
        }
    }
    return true;
}

static bool receive(Login *login, GError **error)
{
    char buffer[BUFFER_OCTETS];
    gsize len;

    switch (imap_connection_receive(login->connection, buffer, sizeof buffer, &len)) {
    case TRANSFER_MOVED:
        g_string_append_len(login->input, buffer, (gssize)len);
        login->heard += len;
        return login->heard <= DIALOGUE_OCTETS_MAX || fail_strange(login, "the server says too much before the login", error);
    case TRANSFER_BLOCKED:
        return wait_for_server(login, false, error);
    case TRANSFER_CLOSED:
        return fail_lost(login, error);
    }
    g_assert_not_reached();
}

/* --- replies */

/* What the server tells of itself, whenever it does. */
static void note_reply(Login *login, const ImapReply *reply)
{
    GStrv names = capability_names(reply);

    if (names == NULL)
        return;
    g_strfreev(login->capabilities);
    login->capabilities = names;
}

/* The next reply; NULL: there is none, and why. BYE is none. */
static ImapReply *read_reply(Login *login, GError **error)
{
    ImapReply *reply;
    gsize used;

    for (;;) {
        g_autoptr(GError) nonsense = NULL;

        if (!imap_reply_parse(login->input->str, login->input->len, &reply, &used, &nonsense)) {
            fail_strange(login, nonsense->message, error);
            return NULL;
        }
        g_string_erase(login->input, 0, (gssize)used);
        if (reply != NULL)
            break;
        if (!receive(login, error))
            return NULL;
    }
    note_reply(login, reply);
    if (reply->kind != REPLY_UNTAGGED || reply->status != IMAP_BYE)
        return reply;
    opening_fail(login->opening, FAULT_RETRY, "see its log", error, "the server said BYE: %s", reply->text != NULL ? reply->text : "");
    imap_reply_free(reply);
    return NULL;
}

/* Sends a command and reads its tagged reply; with `more`, a continuation in between is answered by that. NULL: as above. */
static ImapReply *run(Login *login, const char *line, const char *more, GError **error)
{
    g_autofree char *tag = g_strdup_printf("l%u", ++login->commands);
    g_autofree char *command = g_strconcat(tag, " ", line, "\r\n", NULL);
    bool sent = send_all(login, command, strlen(command), error);

    explicit_bzero(command, strlen(command));
    while (sent) {
        g_autoptr(ImapReply) reply = read_reply(login, error);

        if (reply == NULL)
            return NULL;
        if (reply->kind == REPLY_TAGGED && strcmp(reply->tag, tag) == 0)
            return g_steal_pointer(&reply);
        if (reply->kind == REPLY_UNTAGGED)
            continue;
        if (reply->kind == REPLY_TAGGED || more == NULL) {
            fail_strange(login, "the server answers what was not asked", error);
            return NULL;
        }
        sent = send_all(login, more, strlen(more), error) && send_all(login, "\r\n", strlen("\r\n"), error);
        more = NULL;
    }
    return NULL;
}

/* --- the dialogue */

static bool read_greeting(Login *login, GError **error)
{
    g_autoptr(ImapReply) reply = read_reply(login, error);

    if (reply == NULL)
        return false;
    if (reply->kind == REPLY_UNTAGGED && reply->status == IMAP_OK) {
        login->server = reply->text != NULL ? greeting_server(reply->text) : NULL;
        return true;
    }
    if (reply->kind == REPLY_UNTAGGED && reply->status == IMAP_PREAUTH)
        g_set_error(error, FAULT, FAULT_RETRY, "%s: the server asks for no login (PREAUTH): whose session is this?",
                    login->opening->settings->uri);
    else
        fail_strange(login, "the server does not greet", error);
    return false;
}

/* A server that does not tell in its greeting is asked (RFC 3501, 7.1 and 6.1.1). */
static bool learn_capabilities(Login *login, GError **error)
{
    g_autoptr(ImapReply) reply = login->capabilities == NULL ? run(login, "CAPABILITY", NULL, error) : NULL;

    if (login->capabilities != NULL)
        return true;
    return reply != NULL && fail_strange(login, "the server does not tell its capabilities", error);
}

static bool begin_tls(Login *login, bool *again, GError **error)
{
    g_autoptr(ImapReply) reply = NULL;

    if (!capability_offered(login->capabilities, "STARTTLS")) {
        opening_fail(login->opening, FAULT_RETRY, "the server must offer it, or use imaps://", error, "the server offers no STARTTLS");
        return false;
    }
    reply = run(login, "STARTTLS", NULL, error);
    if (reply == NULL)
        return false;
    if (reply->status != IMAP_OK) {
        opening_fail(login->opening, FAULT_RETRY, "see its log", error, "the server refuses STARTTLS: %s",
                     reply->text != NULL ? reply->text : "");
        return false;
    }
    /* What was said in clear text may be anybody's (RFC 3501, 6.2.1). */
    g_string_truncate(login->input, 0);
    g_clear_pointer(&login->capabilities, g_strfreev);
    return imap_connection_secure(login->connection, login->opening, again, error) && learn_capabilities(login, error);
}

static bool fail_refused(const Login *login, const ImapReply *reply, GError **error)
{
    const Opening *opening = login->opening;
    const char *admin = opening->settings->admin_login, *reason = reply->text != NULL ? reply->text : "";
    bool temporary = reply->code != NULL && g_str_has_prefix(reply->code, "UNAVAILABLE"); /* RFC 5530 */
    Fault fault = temporary ? FAULT_RETRY : FAULT_STOP;

    if (opening->authorize_as == NULL)
        g_set_error(error, FAULT, (gint)fault, "%s: the server refuses the administrator's login as %s: %s; check login and password",
                    opening->settings->uri, admin, reason);
    else
        g_set_error(error, FAULT, (gint)fault,
                    "%s: the server refuses the administrator %s proxy authorisation as %s: %s; check the password and the server's "
                    "admins and proxyservers",
                    opening->settings->uri, admin, opening->authorize_as, reason);
    return false;
}

/* The message of the mechanism PLAIN: authorisation identity, NUL, authentication identity, NUL, password (RFC 4616, 2). */
static char *encode_secret(const Opening *opening)
{
    const char *as = opening->authorize_as != NULL ? opening->authorize_as : "", *admin = opening->settings->admin_login;
    const char *password = opening->settings->admin_password;
    /* Long enough from the start: what grows leaves copies behind. */
    g_autoptr(GString) message = g_string_sized_new(strlen(as) + strlen(admin) + strlen(password) + 3);
    char *encoded;

    g_string_append(message, as);
    g_string_append_c(message, '\0');
    g_string_append(message, admin);
    g_string_append_c(message, '\0');
    g_string_append(message, password);
    encoded = g_base64_encode((const guchar *)message->str, message->len);
    explicit_bzero(message->str, message->len);
    return encoded;
}

/* With SASL-IR (RFC 4959) in one round trip. */
static bool authenticate(Login *login, GError **error)
{
    g_autoptr(ImapReply) reply = NULL;

    if (!capability_offered(login->capabilities, "AUTH=PLAIN")) {
        g_set_error(error, FAULT, FAULT_STOP,
                    "%s: the server does not offer AUTH=PLAIN; check its SASL mechanisms, and whether it needs TLS",
                    login->opening->settings->uri);
        return false;
    }
    g_autofree char *secret = encode_secret(login->opening);
    if (capability_offered(login->capabilities, "SASL-IR")) {
        g_autofree char *line = g_strconcat("AUTHENTICATE PLAIN ", secret, NULL);

        reply = run(login, line, NULL, error);
        explicit_bzero(line, strlen(line));
    } else
        reply = run(login, "AUTHENTICATE PLAIN", secret, error);
    explicit_bzero(secret, strlen(secret));
    return reply != NULL && (reply->status == IMAP_OK || fail_refused(login, reply, error));
}

static ImapConnection *try_login(const Opening *opening, char **server, GString *input, bool *again, GError **error)
{
    g_auto(Login) login = {.opening = opening, .input = g_string_truncate(input, 0)};
    bool with_tls = !opening->tls_at_once && !opening->settings->insecure;

    login.connection = imap_connection_open(opening, again, error);
    if (login.connection == NULL || !read_greeting(&login, error) || !learn_capabilities(&login, error))
        return NULL;
    if (with_tls && !begin_tls(&login, again, error))
        return NULL;
    if (!authenticate(&login, error))
        return NULL;
    *server = g_steal_pointer(&login.server);
    return g_steal_pointer(&login.connection);
}

ImapConnection *imap_login(const ImapSettings *settings, const char *authorize_as, Stop *stop, char **server, GString *input,
                           GError **error)
{
    g_auto(Opening) opening = {0};
    g_autoptr(GError) first = NULL;
    ImapConnection *connection;
    bool again = false;

    if (!opening_begin(&opening, settings, authorize_as, stop, error))
        return NULL;
    connection = try_login(&opening, server, input, &again, &first);
    if (connection != NULL)
        return connection;
    if (!again) {
        g_propagate_error(error, g_steal_pointer(&first));
        return NULL;
    }
    opening.newest_tls = true;
    return try_login(&opening, server, input, &again, error);
}
