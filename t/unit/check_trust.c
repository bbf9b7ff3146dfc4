/* Which certificates of a directory server are believed, with a server in a thread of the test. */
#include "directory/directory.h"
#include "suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "127.0.0.1"

static SSL_CTX *context;
static int listener;
static bool believed; /* the client had something to say after the handshake */
static DirectorySettings settings;

static const struct {
    const char *common_name;
    const char *alternative; /* NULL: none */
    bool good;
} certificates[] = {
    {"server", "IP:" HOST, true},
    {HOST, NULL, true},
    {HOST, "IP:127.0.0.2", false},
    {HOST, "DNS:other.example.org", false},
    {"server", NULL, false},
};

static void add_alternative(X509 *certificate, const char *alternative)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);

    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* A self-signed one: it is its own authority. */
static X509 *make_certificate(EVP_PKEY *key, const char *common_name, const char *alternative)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);

    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    if (alternative != NULL)
        add_alternative(certificate, alternative);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    return certificate;
}

static void write_certificate(X509 *certificate)
{
    int fd = g_file_open_tmp("kolabd-check-trust-XXXXXX", &settings.ca_file, NULL);
    FILE *file = fdopen(fd, "w");

    ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
    fclose(file);
}

static void make_context(const char *common_name, const char *alternative)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key, common_name, alternative);

    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, certificate);
    SSL_CTX_use_PrivateKey(context, key);
    write_certificate(certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* One session. */
static gpointer serve(gpointer data)
{
    int fd = accept(listener, NULL, NULL);
    SSL *ssl = SSL_new(context);
    char octet;

    SSL_set_fd(ssl, fd);
    believed = SSL_accept(ssl) == 1 && SSL_read(ssl, &octet, 1) == 1;
    SSL_free(ssl);
    close(fd);
    return data;
}

static GThread *start_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    settings.uri = g_strdup_printf("ldaps://" HOST ":%d", ntohs(address.sin_port));
    return g_thread_new("server", serve, NULL);
}

static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    settings = (DirectorySettings){
        .bind_dn = g_strdup("cn=kolabd"),
        .bind_password = g_strdup("secret-word"),
        .timeout_us = 10 * G_USEC_PER_SEC,
    };
}

static void tear_down(void)
{
    close(listener);
    SSL_CTX_free(context);
    g_unlink(settings.ca_file);
    g_free(settings.uri);
    g_free(settings.bind_dn);
    g_free(settings.bind_password);
    g_free(settings.ca_file);
}

/* The password is sent to nobody else. */
START_TEST(a_certificate_is_believed_for_the_names_it_is_made_for)
{
    Stop *stop = stop_new();
    Directory *directory = directory_new(&settings, stop);
    g_autoptr(GError) error = NULL;
    GThread *server;
    bool anew;

    make_context(certificates[_i].common_name, certificates[_i].alternative);
    server = start_server();
    ck_assert(!directory_connect(directory, &anew, &error)); /* nobody answers the bind */
    g_thread_join(server);
    ck_assert_msg(believed == certificates[_i].good, "%s", error->message);
    directory_free(directory);
    stop_free(stop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trust");
    TCase *tests = tcase_create("trust");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_certificate_is_believed_for_the_names_it_is_made_for, 0, G_N_ELEMENTS(certificates));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
