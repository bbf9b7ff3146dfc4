/* TLS with a server in a thread of the test: what versions and sessions are agreed on, and whom kolabd does not trust. */
#include "imap/connection.h"
#include "imap_listener.h"
#include "suite.h"

#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#define HOST "127.0.0.1"

typedef struct {
    EVP_PKEY *key;
    X509 *certificate;
} Identity;

static SSL_CTX *server_context;
static GThread *server;
static GString *handshakes; /* of the server, a word each: "1.2" or "1.3", with "+" when a session was resumed, or "failed" */
static guint hang_ups;      /* so many connections are closed at once */
static char *ca_file;
static Identity identity, stranger;

/* A self-signed one: it is its own authority. */
static Identity make_identity(void)
{
    Identity new = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
    X509_NAME *name = X509_get_subject_name(new.certificate);
    X509_EXTENSION *alternative = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:" HOST);

    X509_set_version(new.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(new.certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(new.certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(new.certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"server", -1, -1, 0);
    X509_set_issuer_name(new.certificate, name);
    X509_set_pubkey(new.certificate, new.key);
    X509_add_ext(new.certificate, alternative, -1);
    X509_EXTENSION_free(alternative);
    ck_assert_int_gt(X509_sign(new.certificate, new.key, EVP_sha256()), 0);
    return new;
}

static void clear_identity(const Identity *old)
{
    EVP_PKEY_free(old->key);
    X509_free(old->certificate);
}

static void write_authority(const Identity *authority)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    long len;

    ck_assert_int_eq(PEM_write_bio_X509(out, authority->certificate), 1);
    len = BIO_get_mem_data(out, &text);
    ck_assert(g_file_set_contents(ca_file, text, len, NULL)); /* by rename: another file each time */
    BIO_free(out);
}

static SSL_CTX *make_context(int min_version, bool caches)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    SSL_CTX_use_certificate(context, identity.certificate);
    SSL_CTX_use_PrivateKey(context, identity.key);
    SSL_CTX_set_min_proto_version(context, min_version);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"imap", 4);
    SSL_CTX_set_session_cache_mode(context, caches ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
    return context;
}

static void echo(SSL *ssl)
{
    char octets[4096];
    int len;

    while ((len = SSL_read(ssl, octets, sizeof octets)) > 0)
        SSL_write(ssl, octets, len);
    if (SSL_shutdown(ssl) == 0)
        SSL_shutdown(ssl);
}

static gpointer serve(gpointer data)
{
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        SSL *ssl = SSL_new(server_context);

        SSL_set_fd(ssl, fd);
        if (hang_ups > 0) {
            hang_ups--;
        } else if (SSL_accept(ssl) == 1) {
            g_string_append_printf(handshakes, "%s%s ", SSL_version(ssl) == TLS1_3_VERSION ? "1.3" : "1.2", SSL_session_reused(ssl) ? "+" : "");
            echo(ssl);
        } else
            g_string_append(handshakes, "failed ");
        ERR_clear_error();
        SSL_free(ssl);
        close(fd);
    }
    return data;
}

static void set_up(void)
{
    int fd = g_file_open_tmp("kolabd-check-tls-XXXXXX", &ca_file, NULL);

    close(fd);
    signal(SIGPIPE, SIG_IGN);
    open_listener(8);
    g_free(settings.uri);
    settings.uri = NULL;
    settings.insecure = false;
    settings.tls_resumption = true;
    settings.ca_file = ca_file;
    identity = make_identity();
    stranger = make_identity();
    write_authority(&identity);
    handshakes = g_string_new(NULL);
}

static void begin(int min_version, bool caches)
{
    server_context = make_context(min_version, caches);
    server = g_thread_new("server", serve, NULL);
}

static void end(void)
{
    shut_listener();
    g_clear_pointer(&server, g_thread_join);
}

static void tear_down(void)
{
    end();
    close_listener();
    g_string_free(handshakes, TRUE);
    g_unlink(ca_file);
    g_clear_pointer(&ca_file, g_free);
    g_clear_pointer(&server_context, SSL_CTX_free);
    clear_identity(&identity);
    clear_identity(&stranger);
}

static int listener_port(void)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static ImapConnection *connect_as(const char *host, const char *user, bool newest_tls, bool *again, GError **error)
{
    g_autofree char *uri = g_strdup_printf("imaps://%s:%d", host, listener_port());
    ImapSettings to = settings;
    g_auto(Opening) opening = {0};

    to.uri = uri;
    ck_assert(opening_begin(&opening, &to, user, stop, NULL));
    opening.newest_tls = newest_tls;
    return imap_connection_open(&opening, again, error);
}

/* Connects and closes, a letter each: u as a user, a as administrator; as who logs in: once more when that may help. */
static void connect_times(const char *who)
{
    for (; *who != '\0'; who++) {
        bool again = false;
        ImapConnection *connection = connect_as(HOST, *who == 'u' ? "jane" : NULL, false, &again, NULL);

        if (connection == NULL && again)
            connection = connect_as(HOST, "jane", true, &again, NULL);
        ck_assert_ptr_nonnull(connection);
        imap_connection_close(connection);
    }
    end();
}

static void assert_refused(const char *host, const char *user, Fault fault, const char *problem)
{
    g_autoptr(GError) error = NULL;
    bool again;

    ck_assert_ptr_null(connect_as(host, user, false, &again, &error));
    ck_assert_msg(fault_of(error) == fault, "%s", error->message);
    ck_assert_msg(strstr(error->message, problem) != NULL, "%s", error->message);
    if (g_getenv("SHOW") != NULL)
        g_printerr("%s\n", error->message);
}

static const struct {
    int min_version;
    bool caches, resumption;
    const char *who, *handshakes;
} agreements[] = {
    {TLS1_2_VERSION, true, true, "uuuu", "1.2 1.2+ 1.2+ 1.2+ "},
    {TLS1_2_VERSION, true, true, "auau", "1.3 1.2 1.3 1.2+ "},
    {TLS1_2_VERSION, true, false, "uuau", "1.3 1.3 1.3 1.3 "},
    {TLS1_2_VERSION, false, true, "uuau", "1.2 1.3 1.3 1.3 "},
    {TLS1_3_VERSION, true, true, "uuuuau", "failed 1.3 failed 1.3 failed 1.3 1.3 1.3 1.3 "},
};

START_TEST(users_resume_with_a_server_that_can_and_all_others_have_the_newest_tls)
{
    settings.tls_resumption = agreements[_i].resumption;
    begin(agreements[_i].min_version, agreements[_i].caches);
    connect_times(agreements[_i].who);
    ck_assert_str_eq(handshakes->str, agreements[_i].handshakes);
}
END_TEST

START_TEST(a_server_that_just_hung_up_is_resumed_with_all_the_same)
{
    bool again;

    hang_ups = 2;
    begin(TLS1_2_VERSION, true);
    ck_assert_ptr_null(connect_as(HOST, "jane", false, &again, NULL));
    ck_assert(again);
    ck_assert_ptr_null(connect_as(HOST, "jane", true, &again, NULL));
    ck_assert(!again);
    connect_times("uu");
    ck_assert_str_eq(handshakes->str, "1.2 1.2+ ");
}
END_TEST

START_TEST(what_another_authority_vouched_for_is_not_resumed)
{
    begin(TLS1_2_VERSION, true);
    for (guint i = 0; i < 2; i++) {
        bool again;
        ImapConnection *connection = connect_as(HOST, "jane", false, &again, NULL);

        ck_assert_ptr_nonnull(connection);
        imap_connection_close(connection);
    }
    write_authority(&stranger);
    assert_refused(HOST, "jane", FAULT_RETRY, "the server's certificate is not accepted: self-signed certificate; check");
    write_authority(&identity);
    connect_times("u");
    ck_assert_str_eq(handshakes->str, "1.2 1.2+ failed 1.2 ");
}
END_TEST

START_TEST(a_server_that_cannot_be_trusted_is_refused)
{
    begin(TLS1_2_VERSION, true);
    assert_refused("localhost", NULL, FAULT_RETRY, "hostname mismatch; check the server's certificate, its host name and the CA file");
    assert_refused("127.1", NULL, FAULT_RETRY, "mismatch");
    write_authority(&stranger);
    assert_refused(HOST, NULL, FAULT_RETRY, "self-signed certificate");
    settings.ca_file = NULL;
    assert_refused(HOST, "jane", FAULT_RETRY, "self-signed certificate");
}
END_TEST

START_TEST(authorities_that_cannot_be_read_stop_everything)
{
    begin(TLS1_2_VERSION, true);
    ck_assert(g_file_set_contents(ca_file, "no certificate\n", -1, NULL));
    assert_refused(HOST, NULL, FAULT_STOP, "cannot read certificates from the CA file");
    settings.ca_file = (char *)"/nonexistent/ca.pem";
    assert_refused(HOST, "jane", FAULT_STOP, "/nonexistent/ca.pem: No such file or directory; check the CA file");
}
END_TEST

static gpointer speak_in_clear_text(gpointer data)
{
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        if (data != NULL)
            say(fd, data);
        close(fd);
    }
    return NULL;
}

static const struct {
    const char *said, *problem;
} no_tls[] = {
    {NULL, "no TLS: "},
    {"* OK [CAPABILITY IMAP4rev1] ready\r\n", "no TLS: wrong version number; check that the port speaks TLS at once"},
};

START_TEST(a_port_without_tls_is_told)
{
    server = g_thread_new("server", speak_in_clear_text, (gpointer)no_tls[_i].said);
    assert_refused(HOST, NULL, FAULT_RETRY, no_tls[_i].problem);
}
END_TEST

/* More than all buffers of both sides hold: parts are taken, and what comes back is read meanwhile. */
START_TEST(octets_go_both_ways_in_any_number)
{
    enum { OCTETS = 8 * 1024 * 1024 };
    g_autofree char *data = g_malloc(OCTETS);
    bool again;
    ImapConnection *connection;
    gsize sent = 0, received = 0, moved;

    for (gsize i = 0; i < OCTETS; i++)
        data[i] = (char)(i * 31 / 7);
    begin(TLS1_2_VERSION, true);
    connection = connect_as(HOST, "jane", false, &again, NULL);
    ck_assert_ptr_nonnull(connection);
    while (received < OCTETS) {
        char buffer[16384];
        bool stuck = true;

        if (sent < OCTETS && imap_connection_send(connection, data + sent, MIN(OCTETS - sent, 70000), &moved) == TRANSFER_MOVED) {
            sent += moved;
            stuck = false;
        }
        switch (imap_connection_receive(connection, buffer, sizeof buffer, &moved)) {
        case TRANSFER_MOVED:
            ck_assert_uint_le(received + moved, OCTETS);
            ck_assert_mem_eq(buffer, data + received, moved);
            received += moved;
            stuck = false;
            break;
        case TRANSFER_BLOCKED:
            break;
        case TRANSFER_CLOSED:
            ck_abort_msg("%s", imap_connection_loss(connection));
        }
        if (stuck)
            ck_assert_int_eq(imap_connection_wait(connection, MIN(OCTETS - received, 100000), G_USEC_PER_SEC / 100, sent < OCTETS, -1,
                                                  g_get_monotonic_time() + 20 * G_USEC_PER_SEC), WAIT_READY);
    }
    imap_connection_close(connection);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls");
    TCase *tcase = tcase_create("tls");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, users_resume_with_a_server_that_can_and_all_others_have_the_newest_tls, 0, G_N_ELEMENTS(agreements));
    tcase_add_test(tcase, a_server_that_just_hung_up_is_resumed_with_all_the_same);
    tcase_add_test(tcase, what_another_authority_vouched_for_is_not_resumed);
    tcase_add_test(tcase, a_server_that_cannot_be_trusted_is_refused);
    tcase_add_test(tcase, authorities_that_cannot_be_read_stop_everything);
    tcase_add_loop_test(tcase, a_port_without_tls_is_told, 0, G_N_ELEMENTS(no_tls));
    tcase_add_test(tcase, octets_go_both_ways_in_any_number);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
