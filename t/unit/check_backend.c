#include "imap/backend.h"
#include "suite.h"

#include <check.h>

static ImapSettings *make_settings(const char *uri, bool insecure)
{
    ImapSettings *settings = imap_settings_new();
    ImapBackend *one = imap_backend_new("imap1.example.org"), *two = imap_backend_new("127.0.0.1:24143");

    settings->uri = g_strdup(uri);
    settings->admin_login = g_strdup("cyrus-admin");
    settings->admin_password = g_strdup("secret");
    settings->ca_file = g_strdup("/ca");
    settings->insecure = insecure;
    settings->timeout_us = 7;
    settings->window = 9;
    g_ptr_array_add(one->uris, g_strdup("imaps://service1.example.org"));
    g_ptr_array_add(one->uris, g_strdup("imaps://standby.example.org:1993"));
    g_ptr_array_add(two->uris, g_strdup("imaps://127.0.0.1:24993"));
    g_ptr_array_add(settings->backends, one);
    g_ptr_array_add(settings->backends, two);
    return settings;
}

static const struct {
    const char *frontend;
    const char *server;
    const char *uris;
} rows[] = {
    {"imaps://imap.example.org", "imap1.example.org", "imaps://service1.example.org imaps://standby.example.org:1993"},
    {"imaps://imap.example.org", "IMAP1.Example.ORG", "imaps://service1.example.org imaps://standby.example.org:1993"},
    {"imaps://imap.example.org", "127.0.0.1:24143", "imaps://127.0.0.1:24993"},
    {"imaps://imap.example.org", "imap2.example.org", "imaps://imap2.example.org"},
    {"IMAPS://imap.example.org:1993", "imap2.example.org", "imaps://imap2.example.org"},
    {"imap://imap.example.org", "imap2.example.org", "imap://imap2.example.org"},
    {"imaps://imap.example.org", "imap2.example.org:1143", "imap://imap2.example.org:1143"},
    {"imap://imap.example.org", "127.0.0.1:25143", "imap://127.0.0.1:25143"},
    {"imaps://imap.example.org", "127.0.0.1", "imaps://127.0.0.1"},
    {"imaps://imap.example.org", "2001:db8::1", "imaps://[2001:db8::1]"},
    {"imaps://imap.example.org", "[::1]:1143", "imap://[::1]:1143"},
};

START_TEST(a_backend_is_reached_as_configured_or_by_its_own_name)
{
    g_autoptr(ImapSettings) settings = make_settings(rows[_i].frontend, false);
    g_autoptr(GPtrArray) uris = imap_backend_uris(settings, rows[_i].server);
    g_autofree char *all = NULL;

    g_ptr_array_add(uris, NULL);
    all = g_strjoinv(" ", (char **)uris->pdata);
    ck_assert_str_eq(all, rows[_i].uris);
}
END_TEST

static const struct {
    bool frontend;
    const char *uri;
    bool insecure;
} transports[] = {
    {true, "imap://127.0.0.1:25143", true},
    {true, "imap://[::1]", true},
    {true, "imap://imap2.example.org", false},
    {true, "imap://imap2.example.org:1143", false},
    {false, "imap://127.0.0.1:25143", false},
};

START_TEST(the_password_travels_without_tls_over_loopback_only)
{
    g_autoptr(ImapSettings) settings = make_settings("imap://127.0.0.1", transports[_i].frontend);
    g_autoptr(ImapSettings) backend = imap_backend_settings(settings, transports[_i].uri);

    ck_assert(backend->insecure == transports[_i].insecure);
    ck_assert_str_eq(backend->uri, transports[_i].uri);
}
END_TEST

START_TEST(only_the_uri_tells_a_backends_settings_from_the_frontends)
{
    g_autoptr(ImapSettings) settings = make_settings("imaps://imap.example.org", false);
    g_autoptr(ImapSettings) backend = imap_backend_settings(settings, "imaps://imap2.example.org");

    ck_assert(!imap_settings_equal(backend, settings));
    g_free(backend->uri);
    backend->uri = g_strdup(settings->uri);
    ck_assert(imap_settings_equal(backend, settings));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backend");
    TCase *tests = tcase_create("backend");

    tcase_add_loop_test(tests, a_backend_is_reached_as_configured_or_by_its_own_name, 0, G_N_ELEMENTS(rows));
    tcase_add_loop_test(tests, the_password_travels_without_tls_over_loopback_only, 0, G_N_ELEMENTS(transports));
    tcase_add_test(tests, only_the_uri_tells_a_backends_settings_from_the_frontends);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
