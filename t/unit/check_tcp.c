/* Connecting, with a resolver of the test's own in the place of getaddrinfo(). */
#include "imap/tcp.h"
#include "imap_listener.h"
#include "suite.h"

#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>

static int answered_fd; /* readable: the resolver may answer */
static const char *const *answers;
static gint lookups;

/* As getaddrinfo(): a numeric host at once, any other one from `answers`, when it may. */
int getaddrinfo(const char *restrict host, const char *restrict port, const struct addrinfo *restrict wanted, struct addrinfo **restrict found)
{
    struct pollfd fd = {.fd = answered_fd, .events = POLLIN};
    const char *const numeric[] = {host, NULL};
    const char *const *addresses = numeric;
    struct addrinfo **end = found;

    *found = NULL;
    if (!g_ascii_isdigit(*host)) {
        if (wanted->ai_flags & AI_NUMERICHOST)
            return EAI_NONAME;
        poll(&fd, 1, -1);
        g_atomic_int_inc(&lookups);
        addresses = answers;
    }
    for (; *addresses != NULL; addresses++) {
        struct sockaddr_in *address = g_new0(struct sockaddr_in, 1);

        address->sin_family = AF_INET;
        address->sin_port = htons((guint16)g_ascii_strtoull(port, NULL, 10));
        inet_pton(AF_INET, *addresses, &address->sin_addr);
        *end = g_new0(struct addrinfo, 1);
        **end = (struct addrinfo){.ai_family = AF_INET, .ai_addr = (struct sockaddr *)address, .ai_addrlen = sizeof *address};
        end = &(*end)->ai_next;
    }
    return *found == NULL ? EAI_NONAME : 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    while (found != NULL) {
        struct addrinfo *next = found->ai_next;

        g_free(found->ai_addr);
        g_free(found);
        found = next;
    }
}

static void set_up(void)
{
    open_listener(4);
    settings.timeout_us = 20 * G_USEC_PER_SEC;
    answered_fd = eventfd(1, EFD_CLOEXEC);
    lookups = 0;
}

static void tear_down(void)
{
    close_listener();
    close(answered_fd);
}

static guint16 listener_port(void)
{
    return (guint16)g_ascii_strtoull(strrchr(settings.uri, ':') + 1, NULL, 10);
}

static int connect_to(const char *host, GError **error)
{
    g_autofree char *uri = g_strdup_printf("imap://%s:%u", host, listener_port());
    ImapSettings to = settings;
    g_auto(Opening) opening = {0};

    to.uri = uri;
    ck_assert(opening_begin(&opening, &to, NULL, stop, error));
    return tcp_connect(&opening, error);
}

static void assert_fails(const char *host, const char *problem)
{
    g_autoptr(GError) error = NULL;

    ck_assert_int_eq(connect_to(host, &error), -1);
    ck_assert_int_eq(fault_of(error), FAULT_RETRY);
    ck_assert_msg(strstr(error->message, problem) != NULL, "%s", error->message);
}

/* The port of the listener on another address, where nothing is taken: whoever connects after the first two waits. */
static int open_black_hole(const char *at, int *waiting)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(listener_port())};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, at, &address.sin_addr);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    for (guint i = 0; i < 2; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&address, sizeof address);
    }
    return fd;
}

static const char *const the_listener[] = {"127.0.0.1", NULL};
static const char *const one_that_refuses_first[] = {"127.0.0.3", "127.0.0.4", "127.0.0.1", NULL};
static const char *const one_that_is_silent_first[] = {"127.0.0.2", "127.0.0.1", NULL};
static const char *const *const reachable[] = {the_listener, one_that_refuses_first, one_that_is_silent_first};

START_TEST(the_first_address_that_answers_is_taken)
{
    g_autoptr(GError) error = NULL;
    int waiting[2], hole = open_black_hole("127.0.0.2", waiting), fd;
    gint64 begun_us = g_get_monotonic_time();

    answers = reachable[_i];
    fd = connect_to("mail.example.org", &error);
    ck_assert_msg(fd >= 0, "%s", error != NULL ? error->message : "");
    ck_assert_int_lt(g_get_monotonic_time() - begun_us, settings.timeout_us / 2);
    close(fd);
    close(hole);
    close(waiting[0]);
    close(waiting[1]);
}
END_TEST

START_TEST(an_address_is_asked_of_nobody)
{
    g_autoptr(GError) error = NULL;
    int fd = connect_to("127.0.0.1", &error);

    ck_assert_msg(fd >= 0, "%s", error != NULL ? error->message : "");
    ck_assert_int_eq(g_atomic_int_get(&lookups), 0);
    close(fd);
}
END_TEST

static const char *const nobody[] = {NULL};
static const char *const refusing[] = {"127.0.0.3", "127.0.0.4", NULL};

START_TEST(who_cannot_be_reached_is_named_with_the_reason)
{
    answers = nobody;
    assert_fails("mail.example.org", "cannot resolve mail.example.org: Name or service not known; check the host name");
    answers = refusing;
    assert_fails("mail.example.org", ": Connection refused; check that the server runs");
    assert_fails("127.0.0.3", "cannot connect: 127.0.0.3, port ");
}
END_TEST

START_TEST(a_silent_address_ends_at_the_deadline)
{
    int waiting[2], hole = open_black_hole("127.0.0.2", waiting);

    settings.timeout_us = G_USEC_PER_SEC / 2;
    assert_fails("127.0.0.2", "no answer within 0.5 s; check that the server is reachable");
    close(hole);
    close(waiting[0]);
    close(waiting[1]);
}
END_TEST

static gpointer stop_soon(gpointer data)
{
    g_usleep(G_USEC_PER_SEC / 10);
    stop_now(stop);
    return data;
}

/* The resolver goes on in its own time, and finds nobody who waits for it. */
START_TEST(a_resolver_that_is_silent_holds_nobody)
{
    eventfd_t drained;
    GThread *stopper;

    eventfd_read(answered_fd, &drained);
    answers = the_listener;
    settings.timeout_us = G_USEC_PER_SEC / 4;
    assert_fails("mail.example.org", "no answer within 0.25 s");
    settings.timeout_us = 20 * G_USEC_PER_SEC;
    stopper = g_thread_new("stopper", stop_soon, NULL);
    assert_fails("mail.example.org", "stopped while connecting");
    g_thread_join(stopper);
    eventfd_write(answered_fd, 1);
    while (g_atomic_int_get(&lookups) < 2)
        g_usleep(1000);
    g_usleep(G_USEC_PER_SEC / 20); /* for the leak checkers: the threads end */
}
END_TEST

static const struct {
    const char *uri, *host;
    guint16 port;
    bool tls_at_once;
} uris[] = {
    {"imaps://imap.example.org", "imap.example.org", 993, true},
    {"IMAPS://imap.example.org:1993", "imap.example.org", 1993, true},
    {"imap://imap.example.org", "imap.example.org", 143, false},
    {"imap://[::1]:1143", "::1", 1143, false},
    {"imap://127.0.0.1/", "127.0.0.1", 143, false},
};

START_TEST(a_uri_tells_host_port_and_tls)
{
    ImapSettings to = {.uri = (char *)uris[_i].uri};
    g_auto(Opening) opening = {0};

    ck_assert(opening_begin(&opening, &to, NULL, stop, NULL));
    ck_assert_str_eq(opening.host, uris[_i].host);
    ck_assert_uint_eq(opening.port, uris[_i].port);
    ck_assert_int_eq(opening.tls_at_once, uris[_i].tls_at_once);
}
END_TEST

static const char *const no_uris[] = {"", "imap.example.org", "http://imap.example.org", "imaps:", "imaps://h:99999"};

START_TEST(what_is_no_uri_of_an_imap_server_is_refused)
{
    ImapSettings to = {.uri = (char *)no_uris[_i]};
    g_auto(Opening) opening = {0};
    g_autoptr(GError) error = NULL;

    ck_assert(!opening_begin(&opening, &to, NULL, stop, &error));
    ck_assert_int_eq(fault_of(error), FAULT_STOP);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tcp");
    TCase *tcase = tcase_create("tcp");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, the_first_address_that_answers_is_taken, 0, G_N_ELEMENTS(reachable));
    tcase_add_test(tcase, an_address_is_asked_of_nobody);
    tcase_add_test(tcase, who_cannot_be_reached_is_named_with_the_reason);
    tcase_add_test(tcase, a_silent_address_ends_at_the_deadline);
    tcase_add_test(tcase, a_resolver_that_is_silent_holds_nobody);
    tcase_add_loop_test(tcase, a_uri_tells_host_port_and_tls, 0, G_N_ELEMENTS(uris));
    tcase_add_loop_test(tcase, what_is_no_uri_of_an_imap_server_is_refused, 0, G_N_ELEMENTS(no_uris));
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
