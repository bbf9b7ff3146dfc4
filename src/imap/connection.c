#include "imap/connection.h"

#include "imap/greeting.h"
#include "imap/trust.h"
#include "model/fault.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

/* How long what has come waits for the rest of what must come. */
#define GATHER_US ((gint64)G_USEC_PER_SEC / 100)

/* OpenSSL's own groups, but first the one that Cyrus' tls_eccurve names: asked for another one first, a server makes us begin
 * again, which takes a round trip and one more key. */
#define GROUPS "P-256:X25519:P-384:P-521:X448"

struct ImapConnection {
    CURL *curl;
    const ImapSettings *settings;
    Stop *stop;
    GError *distrust;             /* why there are no authorities to verify a server by; NULL: there are, or no TLS */
    curl_socket_t socket;
    int awaited;                  /* octets that must be there before the socket counts as readable */
    bool greeted;
    char *server;                 /* what the server calls itself; NULL: it does not say */
    char *refusal;                /* text of the server's last NO, BAD or BYE while connecting; NULL: none */
    bool temporary;               /* the refusal is the server's own trouble: RFC 5530 UNAVAILABLE */
    bool preauth;                 /* the server took us for somebody without asking */
    char detail[CURL_ERROR_SIZE]; /* libcurl's text of the last failure */
};

static void initialise_curl_once(void)
{
    static gsize done = 0;

    if (g_once_init_enter(&done)) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        g_once_init_leave(&done, 1);
    }
}

/* The server's Nagle algorithm holds back what follows an unacknowledged segment, and our kernel delays the
 * acknowledgement by 40 ms. The option resets itself: before every wait. */
static void acknowledge_at_once(curl_socket_t fd)
{
    const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static int remember_socket(void *data, curl_socket_t fd, curlsocktype purpose)
{
    ImapConnection *connection = data;

    (void)purpose;
    connection->socket = fd;
    return CURL_SOCKOPT_OK;
}

/* libcurl would parse the file of authorities for each connection. */
static CURLcode use_trust(G_GNUC_UNUSED CURL *curl, void *context, void *data)
{
    ImapConnection *connection = data;
    X509_STORE *trust = trust_find(connection->settings->ca_file, &connection->distrust);

    if (trust == NULL)
        return CURLE_SSL_CACERT_BADFILE;
    SSL_CTX_set_cert_store(context, trust);
    return CURLE_OK;
}

/* libcurl calls it before each of its waits, which last a second at the most. */
static int check_stop(void *data, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    ImapConnection *connection = data;

    (void)down_all, (void)down, (void)up_all, (void)up;
    acknowledge_at_once(connection->socket);
    return stop_asked_now(connection->stop);
}

/* Gets each line of the server until it has accepted the login. */
static size_t note_line(char *line, size_t size, size_t count, void *data)
{
    ImapConnection *connection = data;
    g_autoptr(ImapReply) reply = NULL;
    gsize used;

    if (!imap_reply_parse(line, size * count, &reply, &used, NULL) || reply == NULL)
        return size * count;
    if (!connection->greeted && reply->kind == REPLY_UNTAGGED && reply->status == IMAP_OK && reply->text != NULL)
        connection->server = greeting_server(reply->text);
    connection->greeted = true;
    if (reply->status == IMAP_PREAUTH)
        connection->preauth = true;
    if (reply->status == IMAP_NO || reply->status == IMAP_BAD || reply->status == IMAP_BYE) {
        g_free(connection->refusal);
        connection->refusal = g_steal_pointer(&reply->text);
        connection->temporary = reply->code != NULL && g_str_has_prefix(reply->code, "UNAVAILABLE");
    }
    return size * count;
}

static CURLcode first_failure(const CURLcode *codes, gsize count)
{
    gsize i = 0;

    while (i < count && codes[i] == CURLE_OK)
        i++;
    return i < count ? codes[i] : CURLE_OK;
}

static CURLcode set_target(ImapConnection *connection)
{
    const ImapSettings *settings = connection->settings;
    const long timeout_ms = (long)(settings->timeout_us / 1000);
    const long tls = settings->insecure ? CURLUSESSL_NONE : CURLUSESSL_ALL;
    CURL *curl = connection->curl;
    const CURLcode codes[] = {
        curl_easy_setopt(curl, CURLOPT_URL, settings->uri),
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "imap,imaps"),
        curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L),
        curl_easy_setopt(curl, CURLOPT_USE_SSL, tls),
        curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2),
        curl_easy_setopt(curl, CURLOPT_SSL_EC_CURVES, GROUPS),
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L),
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L),
        curl_easy_setopt(curl, CURLOPT_CAINFO, NULL),
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL),
        curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, use_trust),
        curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, connection),
        curl_easy_setopt(curl, CURLOPT_PROXY, ""),
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms),
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms),
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L),
        curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L),
    };

    return first_failure(codes, G_N_ELEMENTS(codes));
}

static CURLcode set_login(ImapConnection *connection, const char *authorize_as)
{
    CURL *curl = connection->curl;
    const CURLcode codes[] = {
        curl_easy_setopt(curl, CURLOPT_USERNAME, connection->settings->admin_login),
        curl_easy_setopt(curl, CURLOPT_PASSWORD, connection->settings->admin_password),
        authorize_as == NULL ? CURLE_OK : curl_easy_setopt(curl, CURLOPT_SASL_AUTHZID, authorize_as),
        curl_easy_setopt(curl, CURLOPT_SASL_IR, 1L),
        curl_easy_setopt(curl, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN"),
    };

    return first_failure(codes, G_N_ELEMENTS(codes));
}

static CURLcode set_callbacks(ImapConnection *connection)
{
    CURL *curl = connection->curl;
    const CURLcode codes[] = {
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, connection->detail),
        curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, remember_socket),
        curl_easy_setopt(curl, CURLOPT_SOCKOPTDATA, connection),
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L),
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, check_stop),
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, connection),
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, note_line),
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, connection),
    };

    return first_failure(codes, G_N_ELEMENTS(codes));
}

/* What the queue does about libcurl's failure, and what the operator can check. */
static Fault judge(CURLcode code, const char **hint)
{
    static const struct {
        CURLcode code;
        Fault fault;
        const char *hint;
    } known[] = {
        {CURLE_LOGIN_DENIED, FAULT_STOP, NULL},
        {CURLE_SSL_CACERT_BADFILE, FAULT_STOP, NULL},
        {CURLE_URL_MALFORMAT, FAULT_STOP, "check the URI"},
        {CURLE_UNSUPPORTED_PROTOCOL, FAULT_STOP, "the URI must be imaps:// or imap://"},
        {CURLE_PEER_FAILED_VERIFICATION, FAULT_RETRY, "check the server's certificate, its host name and the CA file"},
        {CURLE_COULDNT_RESOLVE_HOST, FAULT_RETRY, "check the host name and the name server"},
        {CURLE_COULDNT_CONNECT, FAULT_RETRY, "check that the server runs, its port, and the firewall"},
        {CURLE_OPERATION_TIMEDOUT, FAULT_RETRY, "check that the server is reachable, and the port and scheme of the URI"},
        {CURLE_USE_SSL_FAILED, FAULT_RETRY, "the server must offer STARTTLS, or use imaps://"},
        {CURLE_SSL_CONNECT_ERROR, FAULT_RETRY, "check that the port speaks TLS at once (imaps) or by STARTTLS (imap)"},
        {CURLE_RECV_ERROR, FAULT_RETRY, "the server hung up before the login: see its log"},
        {CURLE_WEIRD_SERVER_REPLY, FAULT_RETRY, "check that an IMAP server answers on this port"},
    };

    *hint = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (known[i].code == code) {
            *hint = known[i].hint;
            return known[i].fault;
        }
    return FAULT_RETRY;
}

/* Who is refused what, or that we cannot connect, and libcurl's or the server's reason. */
static char *describe(const ImapConnection *connection, CURLcode code, const char *authorize_as)
{
    const char *login = connection->settings->admin_login;
    const char *reason = connection->refusal;

    if (code != CURLE_LOGIN_DENIED) {
        const char *detail = connection->distrust != NULL    ? connection->distrust->message
                           : connection->detail[0] != '\0' ? connection->detail
                                                             : curl_easy_strerror(code);
        return g_strdup_printf("cannot connect: %s%s%s", detail, reason != NULL ? "; the server said: " : "",
                               reason != NULL ? reason : "");
    }
    /* libcurl calls it a denied login, too, when there is no mechanism to log in with. */
    if (reason == NULL)
        return g_strdup("the server does not offer AUTH=PLAIN; check its SASL mechanisms, and whether it needs TLS");
    if (authorize_as == NULL)
        return g_strdup_printf("the server refuses the administrator's login as %s: %s; check login and password", login,
                               reason);
    return g_strdup_printf("the server refuses the administrator %s proxy authorisation as %s: %s; check the password and "
                           "the server's admins and proxyservers", login, authorize_as, reason);
}

static void explain(const ImapConnection *connection, CURLcode code, const char *authorize_as, GError **error)
{
    const char *hint;
    Fault fault = judge(code, &hint);
    g_autofree char *what = describe(connection, code, authorize_as);

    if (code == CURLE_ABORTED_BY_CALLBACK)
        g_set_error(error, FAULT, FAULT_RETRY, "%s: stopped while connecting", connection->settings->uri);
    else
        g_set_error(error, FAULT, (gint)(connection->temporary ? FAULT_RETRY : fault), "%s: %s%s%s",
                    connection->settings->uri, what, hint != NULL ? "; " : "", hint != NULL ? hint : "");
}

ImapConnection *imap_connection_open(const ImapSettings *settings, const char *authorize_as, Stop *stop,
                                     GError **error)
{
    g_autoptr(ImapConnection) connection = g_new0(ImapConnection, 1);
    CURLcode code;

    initialise_curl_once();
    connection->settings = settings;
    connection->stop = stop;
    connection->socket = CURL_SOCKET_BAD;
    connection->awaited = 1;
    connection->curl = curl_easy_init();
    code = connection->curl == NULL ? CURLE_FAILED_INIT : set_callbacks(connection);
    if (code == CURLE_OK)
        code = set_target(connection);
    if (code == CURLE_OK)
        code = set_login(connection, authorize_as);
    if (code == CURLE_OK)
        code = curl_easy_perform(connection->curl);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(connection->curl, CURLINFO_ACTIVESOCKET, &connection->socket);
    if (code != CURLE_OK) {
        explain(connection, code, authorize_as, error);
        return NULL;
    }
    if (connection->preauth) {
        g_set_error(error, FAULT, FAULT_RETRY, "%s: the server asks for no login (PREAUTH): whose session is this?",
                    settings->uri);
        return NULL;
    }
    return g_steal_pointer(&connection);
}

void imap_connection_close(ImapConnection *connection)
{
    if (connection == NULL)
        return;
    curl_easy_cleanup(connection->curl);
    g_clear_error(&connection->distrust);
    g_free(connection->server);
    g_free(connection->refusal);
    g_free(connection);
}

const char *imap_connection_server(const ImapConnection *connection)
{
    return connection->server;
}

static Transfer judge_transfer(ImapConnection *connection, CURLcode code, gsize moved)
{
    if (code == CURLE_AGAIN)
        return TRANSFER_BLOCKED;
    if (code == CURLE_OK && moved > 0)
        return TRANSFER_MOVED;
    if (code != CURLE_OK && connection->detail[0] == '\0')
        g_strlcpy(connection->detail, curl_easy_strerror(code), sizeof connection->detail);
    return TRANSFER_CLOSED;
}

Transfer imap_connection_send(ImapConnection *connection, const char *data, gsize len, gsize *moved)
{
    connection->detail[0] = '\0';
    *moved = 0;
    CURLcode code = curl_easy_send(connection->curl, data, len, moved);
    return judge_transfer(connection, code, *moved);
}

Transfer imap_connection_receive(ImapConnection *connection, char *buffer, gsize size, gsize *moved)
{
    connection->detail[0] = '\0';
    *moved = 0;
    CURLcode code = curl_easy_recv(connection->curl, buffer, size, moved);
    return judge_transfer(connection, code, *moved);
}

/* An error here costs no more than that we are woken for less. */
static void await(ImapConnection *connection, int octets)
{
    if (connection->awaited != octets)
        setsockopt(connection->socket, SOL_SOCKET, SO_RCVLOWAT, &octets, sizeof octets);
    connection->awaited = octets;
}

WaitResult imap_connection_wait(ImapConnection *connection, gsize expected, bool to_send, int wake_fd, gint64 deadline_us)
{
    gint64 gather_us = g_get_monotonic_time() + GATHER_US;

    acknowledge_at_once(connection->socket);
    if (expected > 1 && !to_send && gather_us < deadline_us) {
        await(connection, (int)MIN(expected, G_MAXINT));
        WaitResult result = wait_for_either(connection->stop, connection->socket, POLLIN, wake_fd, gather_us, false);
        if (result != WAIT_DEADLINE)
            return result;
        acknowledge_at_once(connection->socket);
    }
    await(connection, 1);
    return wait_for_either(connection->stop, connection->socket, to_send ? POLLIN | POLLOUT : POLLIN, wake_fd, deadline_us, false);
}

const char *imap_connection_loss(const ImapConnection *connection)
{
    return connection->detail;
}
