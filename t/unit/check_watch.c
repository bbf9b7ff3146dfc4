#include "directory/watch.h"
#include "suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <lber.h>
#include <ldap.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* So many notices are there when somebody begins to watch. */
enum { NOTICES = 3 };

static int listener;
static Stop *stop;
static DirectorySettings settings;
static GThread *server;

/* --- a directory server for one session */

typedef struct {
    Sockbuf *socket;
    ber_int_t watch; /* the message id of the persistent search; 0: none, or its notices are told */
} Session;

static void send_message(const Session *session, BerElement *ber)
{
    ck_assert_int_eq(ber_flush2(session->socket, ber, LBER_FLUSH_FREE_ALWAYS), 0);
}

static void send_entry(const Session *session, ber_int_t id, const char *dn, const char *attribute, const char *value)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);

    ck_assert_int_ge(ber_printf(ber, "{it{s{{s[s]}}}}", id, LDAP_RES_SEARCH_ENTRY, dn, attribute, value), 0);
    send_message(session, ber);
}

static void send_success(const Session *session, ber_int_t id, ber_tag_t answer)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);

    ck_assert_int_ge(ber_printf(ber, "{it{ess", id, answer, LDAP_SUCCESS, "", ""), 0);
    if (answer == LDAP_RES_EXTENDED) /* who am I */
        ck_assert_int_ge(ber_printf(ber, "ts", LDAP_TAG_EXOP_RES_VALUE, "dn:cn=kolabd"), 0);
    ck_assert_int_ge(ber_printf(ber, "}}"), 0);
    send_message(session, ber);
}

/* The notices are told before what follows the beginning of the watch is answered, so that they are there already when it is. */
static void answer_search(Session *session, ber_int_t id, BerElement *request)
{
    ber_int_t scope;
    char *base = NULL;

    ck_assert(ber_scanf(request, "{ae", &base, &scope) != LBER_ERROR);
    ber_memfree(base);
    if (scope != LDAP_SCOPE_BASE) {
        session->watch = id;
        return;
    }
    for (int i = 0; i < NOTICES && session->watch != 0; i++) {
        g_autofree char *unique_id = g_strdup_printf("id-%d", i);

        send_entry(session, session->watch, "uid=jane,dc=example,dc=org", "nsUniqueId", unique_id);
    }
    session->watch = 0;
    send_entry(session, id, "", "supportedControl", LDAP_CONTROL_PERSIST_REQUEST);
    send_success(session, id, LDAP_RES_SEARCH_RESULT);
}

static void answer(Session *session, BerElement *request)
{
    ber_int_t id;
    ber_len_t size;

    ck_assert(ber_scanf(request, "i", &id) != LBER_ERROR);
    switch (ber_peek_tag(request, &size)) {
    case LDAP_REQ_BIND:
        send_success(session, id, LDAP_RES_BIND);
        break;
    case LDAP_REQ_EXTENDED:
        send_success(session, id, LDAP_RES_EXTENDED);
        break;
    case LDAP_REQ_SEARCH:
        answer_search(session, id, request);
        break;
    }
}

static gpointer serve(G_GNUC_UNUSED gpointer data)
{
    Session session = {.socket = ber_sockbuf_alloc()};
    ber_socket_t fd = accept(listener, NULL, NULL);
    ber_tag_t tag;

    ber_sockbuf_ctrl(session.socket, LBER_SB_OPT_SET_FD, &fd);
    ber_sockbuf_add_io(session.socket, &ber_sockbuf_io_tcp, LBER_SBIOD_LEVEL_PROVIDER, &fd);
    do {
        BerElement *request = ber_alloc_t(LBER_USE_DER);
        ber_len_t size;

        tag = ber_get_next(session.socket, &size, request);
        if (tag == LDAP_TAG_MESSAGE)
            answer(&session, request);
        ber_free(request, 1);
    } while (tag == LDAP_TAG_MESSAGE);
    ber_sockbuf_free(session.socket); /* closes fd */
    return NULL;
}

static void setup(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    stop = stop_new();
    settings = (DirectorySettings){.uri = g_strdup_printf("ldap://127.0.0.1:%d", ntohs(address.sin_port)),
                                   .bind_dn = g_strdup("cn=kolabd"), .bind_password = g_strdup("secret-word"), .insecure = true,
                                   .timeout_us = 10 * G_USEC_PER_SEC};
    server = g_thread_new("server", serve, NULL);
}

static void teardown(void)
{
    shutdown(listener, SHUT_RDWR);
    g_thread_join(server);
    close(listener);
    stop_free(stop);
    g_free(settings.uri);
    g_free(settings.bind_dn);
    g_free(settings.bind_password);
}

/* --- who watches */

static Watch *begin(void)
{
    g_autoptr(GError) error = NULL;
    Watch *watch = watch_open(&settings, "nsUniqueId", stop, &error);

    ck_assert_msg(watch != NULL, "%s", error != NULL ? error->message : "");
    ck_assert(watch_add(watch, "example.org", "dc=example,dc=org", true, NULL));
    return watch;
}

static void assert_entry(Watch *watch, const char *unique_id)
{
    g_auto(Notice) notice = {0};

    ck_assert(watch_next(watch, G_MAXINT64, &notice, NULL));
    ck_assert_int_eq(notice.kind, NOTICE_ENTRY);
    ck_assert_str_eq(notice.name, "example.org");
    ck_assert_str_eq(notice.unique_id, unique_id);
}

static void assert_none(Watch *watch, gint64 deadline_us)
{
    g_auto(Notice) notice = {0};

    ck_assert(watch_next(watch, deadline_us, &notice, NULL));
    ck_assert_int_eq(notice.kind, NOTICE_NONE);
}

START_TEST(notices_that_are_there_come_one_after_the_other_whatever_the_deadline)
{
    g_autoptr(Watch) watch = begin();

    assert_entry(watch, "id-0");
    assert_entry(watch, "id-1");
    assert_entry(watch, "id-2");
    assert_none(watch, 0);
}
END_TEST

START_TEST(a_stop_is_seen_while_notices_are_there)
{
    g_autoptr(Watch) watch = begin();

    assert_entry(watch, "id-0");
    stop_gently(stop);
    assert_none(watch, G_MAXINT64);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch");
    TCase *cases = tcase_create("watch");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, notices_that_are_there_come_one_after_the_other_whatever_the_deadline);
    tcase_add_test(cases, a_stop_is_seen_while_notices_are_there);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
