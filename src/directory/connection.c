#include "directory/connection.h"

#include "directory/whoami.h"
#include "model/fault.h"

#include <string.h>

/* A watch is silent for hours: a peer that vanished behind a NAT must show within two minutes. */
enum { KEEPALIVE_IDLE_S = 60, KEEPALIVE_INTERVAL_S = 15, KEEPALIVE_PROBES = 4 };

static const char CONNECT[] = "connect (is the server up, and does its certificate fit ldap.ca_file and the host in ldap.uri?)";
static const char NO_ANSWER[] = "no answer within ldap.timeout";

static struct timeval to_timeval(gint64 us)
{
    return (struct timeval){.tv_sec = us / G_USEC_PER_SEC, .tv_usec = us % G_USEC_PER_SEC};
}

/* What only the operator can mend: then there is no use in trying again. */
static Fault fault_of_bind(int result)
{
    switch (result) {
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_STRONG_AUTH_REQUIRED:
    case LDAP_CONFIDENTIALITY_REQUIRED:
    case LDAP_INVALID_DN_SYNTAX:
        return FAULT_STOP;
    default: /* an int of the server, not an enum of ours */
        return FAULT_RETRY;
    }
}

static char *diagnostic(LDAP *ldap)
{
    char *message = NULL;
    char *copy;

    if (ldap == NULL || ldap_get_option(ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE, &message) != LDAP_OPT_SUCCESS)
        return NULL;
    copy = message != NULL && *message != '\0' ? g_utf8_make_valid(message, -1) : NULL;
    ldap_memfree(message);
    return copy;
}

void connection_set_error(GError **error, Fault fault, const Connection *connection, const char *operation, int result,
                          const char *server_text)
{
    const char *between = server_text != NULL && *server_text != '\0' ? ": " : "";

    g_set_error(error, FAULT, (int)fault, "%s: %s: %s%s%s", connection->settings->uri, operation,
                ldap_err2string(result), between, server_text != NULL ? server_text : "");
}

bool connection_fail(Connection *connection, Fault fault, const char *operation, int result, GError **error)
{
    g_autofree char *text = diagnostic(connection->ldap);

    connection_set_error(error, fault, connection, operation, result, text);
    if (LDAP_API_ERROR(result) || result == LDAP_UNAVAILABLE || result == LDAP_BUSY)
        connection_close(connection);
    return false;
}

void connection_init(Connection *connection, const DirectorySettings *settings, Stop *stop)
{
    *connection = (Connection){.settings = settings, .stop = stop};
}

void connection_close(Connection *connection)
{
    if (connection->ldap != NULL)
        ldap_unbind_ext_s(connection->ldap, NULL, NULL);
    connection->ldap = NULL;
}

static bool set_option(Connection *connection, int option, const void *value, const char *name, GError **error)
{
    int result = ldap_set_option(connection->ldap, option, value);

    if (result == LDAP_OPT_SUCCESS)
        return true;
    g_set_error(error, FAULT, FAULT_STOP, "%s: cannot set %s; check ldap.ca_file and the other TLS settings",
                connection->settings->uri, name);
    return false;
}

/* The machine's ldap.conf is made for people who search: its TIMELIMIT would end every persistent search. (A limit of the size each
 * search says itself.) */
static bool set_limits(Connection *connection, GError **error)
{
    int none = LDAP_NO_LIMIT, never = LDAP_DEREF_NEVER;

    return set_option(connection, LDAP_OPT_TIMELIMIT, &none, "no time limit", error)
        && set_option(connection, LDAP_OPT_DEREF, &never, "aliases as they are", error);
}

/* A certificate that names other hosts (subjectAltName) is not believed for its common name, which libldap does (RFC 6125, 6.4.4). */
static bool set_trust(Connection *connection, GError **error)
{
    const char *ca_file = connection->settings->ca_file;
    int demand = LDAP_OPT_X_TLS_DEMAND, client = 0;
#ifdef LDAP_OPT_X_TLS_REQUIRE_SAN /* since OpenLDAP 2.5 */
    int if_any = LDAP_OPT_X_TLS_TRY;

    if (!set_option(connection, LDAP_OPT_X_TLS_REQUIRE_SAN, &if_any, "the check of the certificate's names", error))
        return false;
#endif
    return set_option(connection, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand, "the certificate check", error)
        && (ca_file == NULL || set_option(connection, LDAP_OPT_X_TLS_CACERTFILE, ca_file, "the CA file", error))
        && set_option(connection, LDAP_OPT_X_TLS_NEWCTX, &client, "a TLS context with the CA file", error);
}

static bool set_options(Connection *connection, GError **error)
{
    struct timeval timeout = to_timeval(connection->settings->timeout_us);
    int version = LDAP_VERSION3;
    int idle_s = KEEPALIVE_IDLE_S, interval_s = KEEPALIVE_INTERVAL_S, probes = KEEPALIVE_PROBES;

    if (wire_attach(&connection->wire, connection->ldap, connection->settings->timeout_us, connection->stop) != LDAP_OPT_SUCCESS) {
        g_set_error(error, FAULT, FAULT_STOP, "%s: libldap takes no wire of ours", connection->settings->uri);
        return false;
    }
    return set_option(connection, LDAP_OPT_PROTOCOL_VERSION, &version, "the protocol version", error)
        && set_option(connection, LDAP_OPT_REFERRALS, LDAP_OPT_OFF, "referrals off", error)
        && set_option(connection, LDAP_OPT_RESTART, LDAP_OPT_ON, "restart", error)
        && set_option(connection, LDAP_OPT_NETWORK_TIMEOUT, &timeout, "the time-out", error)
        && set_option(connection, LDAP_OPT_X_KEEPALIVE_IDLE, &idle_s, "keep-alive", error)
        && set_option(connection, LDAP_OPT_X_KEEPALIVE_INTERVAL, &interval_s, "keep-alive", error)
        && set_option(connection, LDAP_OPT_X_KEEPALIVE_PROBES, &probes, "keep-alive", error)
        && set_limits(connection, error) && set_trust(connection, error);
}

/* A CA file that cannot be read makes libldap fail with a riddle: look first. */
static bool check_ca_file(const Connection *connection, GError **error)
{
    const char *ca_file = connection->settings->ca_file;
    g_autofree char *content = NULL;
    g_autoptr(GError) problem = NULL;

    if (ca_file == NULL || g_file_get_contents(ca_file, &content, NULL, &problem))
        return true;
    g_set_error(error, FAULT, FAULT_STOP, "%s: cannot read ldap.ca_file: %s", connection->settings->uri,
                problem->message);
    return false;
}

/* As connection_fail, for what goes wrong before there is a session. */
static bool fail_connect(Connection *connection, const char *operation, int result, GError **error)
{
    g_autofree char *text = connection->wire.late ? g_strdup(NO_ANSWER) : diagnostic(connection->ldap);

    connection_set_error(error, FAULT_RETRY, connection, operation, result, text);
    return false;
}

static bool start_tls(Connection *connection, GError **error)
{
    static const char OPERATION[] =
        "StartTLS (check the server's certificate and its host name against ldap.ca_file and ldap.uri)";
    g_autoptr(LDAPMessage) message = NULL;
    int result, id;

    /* ldaps has TLS already, ldapi needs none. */
    if (!connection->settings->starttls || g_ascii_strncasecmp(connection->settings->uri, "ldap:", 5) != 0)
        return true;
    result = ldap_start_tls(connection->ldap, NULL, NULL, &id);
    if (result != LDAP_SUCCESS)
        return fail_connect(connection, CONNECT, result, error);
    if (!connection_wait(connection, id, LDAP_MSG_ALL, OPERATION, &message, error))
        return false;
    if (ldap_parse_result(connection->ldap, message, &result, NULL, NULL, NULL, NULL, 0) != LDAP_SUCCESS)
        result = LDAP_DECODING_ERROR;
    if (result == LDAP_SUCCESS)
        result = ldap_install_tls(connection->ldap);
    return result == LDAP_SUCCESS || fail_connect(connection, OPERATION, result, error);
}

static bool bind_simple(Connection *connection, GError **error)
{
    const DirectorySettings *settings = connection->settings;
    struct berval password = {.bv_val = settings->bind_password, .bv_len = strlen(settings->bind_password)};
    g_autofree char *operation = g_strdup_printf("bind as \"%s\"", settings->bind_dn);
    g_autoptr(LDAPMessage) message = NULL;
    g_autofree char *text = NULL;
    int result, id;

    if (password.bv_len == 0) {
        g_set_error(error, FAULT, FAULT_STOP, "%s: no password for \"%s\": the session would be anonymous (RFC 4513, 5.1.2); check "
                    "ldap.bind_password_file", settings->uri, settings->bind_dn);
        return false;
    }
    result = ldap_sasl_bind(connection->ldap, settings->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, &id);
    if (result != LDAP_SUCCESS)
        return fail_connect(connection, CONNECT, result, error);
    if (!connection_wait(connection, id, LDAP_MSG_ALL, operation, &message, error))
        return false;
    if (ldap_parse_result(connection->ldap, message, &result, NULL, NULL, NULL, NULL, 0) != LDAP_SUCCESS)
        result = LDAP_DECODING_ERROR;
    if (result == LDAP_SUCCESS)
        return true;
    text = diagnostic(connection->ldap);
    connection_set_error(error, fault_of_bind(result), connection, operation, result, text);
    if (result == LDAP_INVALID_CREDENTIALS)
        g_prefix_error(error, "check ldap.bind_dn and ldap.bind_password_file: ");
    return false;
}

static bool start_session(Connection *connection, GError **error)
{
    connection->wire.patient_until_us = g_get_monotonic_time() + connection->settings->timeout_us;
    if (!start_tls(connection, error) || !bind_simple(connection, error) || !whoami_check(connection, false, error))
        return false;
    connection->wire.patient_until_us = 0;
    connection->sessions++;
    return true;
}

/* With no operation under way nothing may arrive: what does is the server's good-bye (idle time-out, restart). */
static bool is_stale(const Connection *connection)
{
    int fd = -1;

    ldap_get_option(connection->ldap, LDAP_OPT_DESC, &fd);
    return fd < 0 || wait_for(connection->stop, fd, POLLIN, g_get_monotonic_time(), false) == WAIT_READY;
}

bool connection_open(Connection *connection, GError **error)
{
    int result;

    if (connection->ldap != NULL && is_stale(connection))
        connection_close(connection);
    if (connection->ldap != NULL)
        return true;
    if (!check_ca_file(connection, error))
        return false;
    result = ldap_initialize(&connection->ldap, connection->settings->uri);
    if (result != LDAP_SUCCESS) {
        connection_set_error(error, FAULT_STOP, connection, "ldap.uri", result, NULL);
        return false;
    }
    if (set_options(connection, error) && start_session(connection, error))
        return true;
    connection_close(connection);
    return false;
}

/* ldap_result with a short look, then a wait for the socket: so that a stop ends it. TLS may hold a message back that
 * the socket does not show, hence the look first. */
bool connection_wait(Connection *connection, int id, int all, const char *operation, LDAPMessage **message, GError **error)
{
    gint64 deadline_us = g_get_monotonic_time() + connection->settings->timeout_us;

    for (;;) {
        struct timeval no_time = {0};
        LDAPMessage *received = NULL;
        int type = ldap_result(connection->ldap, id, all, &no_time, &received);
        int fd = -1;
        WaitResult wait;

        if (type > 0) {
            *message = received;
            return true;
        }
        if (type < 0) {
            int result = LDAP_SERVER_DOWN;

            ldap_get_option(connection->ldap, LDAP_OPT_RESULT_CODE, &result);
            return connection_fail(connection, FAULT_RETRY, operation, result, error);
        }
        ldap_get_option(connection->ldap, LDAP_OPT_DESC, &fd);
        wait = wait_for(connection->stop, fd, POLLIN, deadline_us, false);
        if (wait != WAIT_READY) {
            connection_set_error(error, FAULT_RETRY, connection, operation, LDAP_TIMEOUT,
                                 wait == WAIT_STOPPED ? "the daemon stops" : NO_ANSWER);
            connection_close(connection);
            return false;
        }
    }
}
