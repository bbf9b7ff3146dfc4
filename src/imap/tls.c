#include "imap/tls.h"

#include "imap/resumption.h"
#include "imap/tcp.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/stat.h>

/* OpenSSL's own groups, but first the one that Cyrus' tls_eccurve names: asked for another one first, a server makes us begin
 * again, which takes a round trip and one more key. */
#define GROUPS "P-256:X25519:P-384:P-521:X448"

/* --- authorities, and what is known of servers that were verified by them */

typedef struct {
    Resumption resumption;
    SSL_SESSION *session; /* the latest; NULL: none */
} Peer;

typedef struct {
    SSL_CTX *context;
    struct stat status; /* of the file, when it was read; all 0 for the system's authorities */
    GHashTable *peers;  /* char* "HOST:PORT" -> Peer* */
} Trust;

G_LOCK_DEFINE_STATIC(known);
static GHashTable *known; /* char* path, "" for the system's authorities -> Trust* */

static void peer_free(Peer *peer)
{
    SSL_SESSION_free(peer->session);
    g_free(peer);
}

static void trust_free(Trust *trust)
{
    SSL_CTX_free(trust->context);
    g_hash_table_unref(trust->peers);
    g_free(trust);
}

static bool is_same_file(const struct stat *one, const struct stat *other)
{
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino && one->st_size == other->st_size
        && one->st_mtim.tv_sec == other->st_mtim.tv_sec && one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

/* OpenSSL's last word about this thread's last call. */
static const char *last_reason(const char *none)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_SYSTEM_ERROR(code) ? g_strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

    ERR_clear_error();
    return reason != NULL ? reason : none;
}

static bool read_authorities(SSL_CTX *context, const char *ca_file)
{
    return ca_file != NULL ? SSL_CTX_load_verify_file(context, ca_file) == 1 : SSL_CTX_set_default_verify_paths(context) == 1;
}

static void fail_read(const char *ca_file, const char *reason, GError **error)
{
    g_set_error(error, FAULT, FAULT_STOP, "cannot read certificates from the CA file %s: %s; check the CA file and who may read it",
                ca_file != NULL ? ca_file : "of the system", reason);
}

/* An intermediate authority in the file is trusted, too. */
static SSL_CTX *make_context(const char *ca_file, GError **error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL || SSL_CTX_set1_groups_list(context, GROUPS) != 1)
        g_error("OpenSSL: %s", last_reason("unusable"));
    if (!read_authorities(context, ca_file)) {
        fail_read(ca_file, last_reason("no certificate"), error);
        SSL_CTX_free(context);
        return NULL;
    }
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_get_min_proto_version(context) < TLS1_2_VERSION) /* openssl.cnf may ask for more */
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* peers have theirs */
    return context;
}

static Trust *learn(const char *ca_file, const struct stat *status, GError **error)
{
    SSL_CTX *context = make_context(ca_file, error);
    Trust *trust;

    if (context == NULL)
        return NULL;
    if (known == NULL)
        known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)trust_free);
    trust = g_new0(Trust, 1);
    trust->context = context;
    trust->status = *status;
    trust->peers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)peer_free);
    g_hash_table_replace(known, g_strdup(ca_file != NULL ? ca_file : ""), trust);
    return trust;
}

/* Under the lock; NULL: none yet. */
static Trust *find_known(const char *ca_file)
{
    return known != NULL ? g_hash_table_lookup(known, ca_file != NULL ? ca_file : "") : NULL;
}

/* Under the lock. A file that was replaced is read again, and what it vouched for is forgotten. */
static Trust *find_trust(const char *ca_file, GError **error)
{
    Trust *trust = find_known(ca_file);
    struct stat status = {0};

    if (ca_file != NULL && stat(ca_file, &status) != 0) {
        fail_read(ca_file, g_strerror(errno), error);
        return NULL;
    }
    return trust != NULL && is_same_file(&trust->status, &status) ? trust : learn(ca_file, &status, error);
}

/* Under the lock. */
static Peer *find_peer(const Trust *trust, const Opening *opening)
{
    g_autofree char *name = g_strdup_printf("%s:%u", opening->host, opening->port);
    Peer *peer = g_hash_table_lookup(trust->peers, name);

    if (peer == NULL) {
        peer = g_new0(Peer, 1);
        g_hash_table_insert(trust->peers, g_steal_pointer(&name), peer);
    }
    return peer;
}

/* --- one connection */

typedef struct {
    SSL *ssl;
    bool resuming; /* held to TLS 1.2 */
    bool offered;  /* an earlier session */
} Handshake;

/* The host's name, or its address where it has none. */
static void expect_host(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return;
    ERR_clear_error();
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1)
        g_error("OpenSSL: %s", last_reason("unusable"));
}

static void want_resumption(Handshake *handshake, SSL_SESSION *session)
{
    SSL_set_max_proto_version(handshake->ssl, TLS1_2_VERSION);
    SSL_set_options(handshake->ssl, SSL_OP_NO_TICKET);
    handshake->resuming = true;
    handshake->offered = session != NULL && SSL_set_session(handshake->ssl, session) == 1;
}

/* As a user: there are as many of these sessions as people. The administrator has a few, with the newest TLS that both sides know. */
static bool prepare(Handshake *handshake, const Opening *opening, int fd, GError **error)
{
    G_LOCK(known);
    const Trust *trust = find_trust(opening->settings->ca_file, error);
    handshake->ssl = trust != NULL ? SSL_new(trust->context) : NULL;
    if (handshake->ssl != NULL && opening->authorize_as != NULL && opening->settings->tls_resumption && !opening->newest_tls) {
        const Peer *peer = find_peer(trust, opening);

        if (!peer->resumption.off)
            want_resumption(handshake, peer->session);
    }
    G_UNLOCK(known);
    if (trust == NULL) {
        g_prefix_error(error, "%s: cannot connect: ", opening->settings->uri);
        return false;
    }
    if (handshake->ssl == NULL || SSL_set_fd(handshake->ssl, fd) != 1)
        g_error("OpenSSL: %s", last_reason("unusable"));
    expect_host(handshake->ssl, opening->host);
    return true;
}

static void keep_session(const Handshake *handshake, Peer *peer)
{
    SSL_SESSION *session = SSL_get1_session(handshake->ssl);

    resumption_note(&peer->resumption, handshake->offered, SSL_session_reused(handshake->ssl), SSL_SESSION_is_resumable(session));
    SSL_SESSION_free(peer->session);
    peer->session = session;
}

/* What a handshake that was done tells of the server; nothing when the authorities have changed meanwhile. */
static void learn_from(const Handshake *handshake, const Opening *opening)
{
    G_LOCK(known);
    const Trust *trust = find_known(opening->settings->ca_file);
    if (trust != NULL && trust->context == SSL_get_SSL_CTX(handshake->ssl)) {
        Peer *peer = find_peer(trust, opening);

        if (handshake->resuming)
            keep_session(handshake, peer);
        else
            resumption_note_failure(&peer->resumption);
    }
    G_UNLOCK(known);
}

static void fail_handshake(const Opening *opening, const SSL *ssl, int rc, GError **error)
{
    long verdict = SSL_get_verify_result(ssl);
    const char *reason = tls_reason(ssl, rc);

    if (verdict != X509_V_OK)
        opening_fail(opening, FAULT_RETRY, "check the server's certificate, its host name and the CA file", error,
                     "the server's certificate is not accepted: %s", X509_verify_cert_error_string(verdict));
    else
        opening_fail(opening, FAULT_RETRY, "check that the port speaks TLS at once (imaps) or by STARTTLS (imap)", error, "no TLS: %s",
                     reason[0] != '\0' ? reason : "the server closed the connection");
}

/* *refused: the server does not agree, or just hangs up; it is not the certificate. */
static bool shake_hands(const Opening *opening, int fd, SSL *ssl, bool *refused, GError **error)
{
    for (;;) {
        int rc = SSL_connect(ssl), state = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, rc);

        if (rc == 1)
            return true;
        if (state != SSL_ERROR_WANT_READ && state != SSL_ERROR_WANT_WRITE) {
            *refused = SSL_get_verify_result(ssl) == X509_V_OK;
            fail_handshake(opening, ssl, rc, error);
            return false;
        }
        tcp_acknowledge_at_once(fd);
        if (!opening_wait(opening, fd, state == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, error))
            return false;
    }
}

SSL *tls_open(const Opening *opening, int fd, bool *again, GError **error)
{
    Handshake handshake = {0};
    bool refused = false;
    bool done = prepare(&handshake, opening, fd, error) && shake_hands(opening, fd, handshake.ssl, &refused, error);

    *again = handshake.resuming && refused;
    if (done && (handshake.resuming || opening->newest_tls))
        learn_from(&handshake, opening);
    if (!done)
        g_clear_pointer(&handshake.ssl, SSL_free);
    return handshake.ssl;
}

const char *tls_reason(const SSL *ssl, int rc)
{
    switch (SSL_get_error(ssl, rc)) {
    case SSL_ERROR_ZERO_RETURN:
        return "";
    case SSL_ERROR_SYSCALL:
        return errno != 0 ? last_reason(g_strerror(errno)) : last_reason("");
    default:
        return last_reason("TLS error");
    }
}
