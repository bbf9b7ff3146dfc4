#include "imap/admin.h"
#include "imap/backend.h"
#include "imap/backends.h"
#include "imap_listener.h"
#include "model/fault.h"
#include "suite.h"

#define BACKEND "imap1"

/* Whom the server refuses from now on. */
typedef enum {
    NOBODY,
    USERS,
    ONE_USER, /* the next one only */
    EVERYBODY,
} Refused;

static gint refused;
static gint admins; /* logins of theirs that were accepted */
static const char *volatile prefix = "INBOX/"; /* of users' mailboxes */

static bool is_refused(bool user)
{
    switch ((Refused)g_atomic_int_get(&refused)) {
    case NOBODY:
        return false;
    case USERS:
        return user;
    case ONE_USER:
        return user && g_atomic_int_compare_and_exchange(&refused, ONE_USER, NOBODY);
    case EVERYBODY:
        return true;
    }
    return true;
}

/* Who wants to be somebody else names that one first (RFC 4616). */
static bool acts_for_user(const char *line)
{
    g_autofree guchar *secret = NULL;
    gsize len;

    secret = g_base64_decode(strrchr(line, ' ') + 1, &len);
    return len > 0 && secret[0] != '\0';
}

static void log_in(int fd, const char *line)
{
    bool user = acts_for_user(line);

    if (is_refused(user)) {
        answer(fd, line, "NO authentication failure");
        return;
    }
    if (!user)
        g_atomic_int_inc(&admins);
    answer(fd, line, "OK Completed");
}

static void name_spaces(int fd, const char *line)
{
    g_autofree char *reply = g_strdup_printf("* NAMESPACE ((\"%s\" \"/\")) ((\"user/\" \"/\")) NIL\r\n", prefix);

    say(fd, reply);
    answer(fd, line, "OK Completed");
}

/* Dies of SETMETADATA. */
static gpointer serve_one(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);

    say(fd, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n");
    for (;;) {
        g_autofree char *line = hear(fd);

        if (line == NULL || strstr(line, "SETMETADATA") != NULL)
            break;
        if (strstr(line, "AUTHENTICATE") != NULL)
            log_in(fd, line);
        else if (strstr(line, "NAMESPACE") != NULL)
            name_spaces(fd, line);
        else
            answer(fd, line, "OK Completed");
    }
    close(fd);
    return NULL;
}

static gpointer serve(gpointer data G_GNUC_UNUSED)
{
    g_autoptr(GPtrArray) threads = g_ptr_array_new();

    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;)
        g_ptr_array_add(threads, g_thread_new("session", serve_one, GINT_TO_POINTER(fd)));
    for (guint i = 0; i < threads->len; i++)
        g_thread_join(g_ptr_array_index(threads, i));
    return NULL;
}

/* --- a server for one test */

static GThread *server;

static void set_up(void)
{
    ImapBackend *backend = imap_backend_new(BACKEND);

    g_atomic_int_set(&refused, NOBODY);
    g_atomic_int_set(&admins, 0);
    prefix = "INBOX/";
    open_listener(8);
    g_ptr_array_add(backend->uris, g_strdup(settings.uri));
    settings.backends = g_ptr_array_new_with_free_func((GDestroyNotify)imap_backend_free);
    g_ptr_array_add(settings.backends, backend);
    server = g_thread_new("server", serve, NULL);
}

static void end_server(void)
{
    shut_listener();
    g_thread_join(server);
}

static void tear_down(void)
{
    g_ptr_array_unref(settings.backends);
    close_listener();
}

static const struct {
    Refused refused;
    bool opened;
    Fault fault;
    int admins; /* that logged in after the first one */
} rows[] = {
    {NOBODY, true, FAULT_RETRY, 0},
    {USERS, false, FAULT_PARK, 1},
    {ONE_USER, true, FAULT_RETRY, 1},
    {EVERYBODY, false, FAULT_RETRY, 0},
};

/* The administrator's session that stands since before proves nothing. */
START_TEST(a_refused_user_is_that_users_fault_only_when_the_administrator_is_let_in_anew)
{
    Backends *backends = backends_new(&settings, NULL, stop);
    ImapSession *session;
    g_autoptr(GError) error = NULL;

    ck_assert(backends_reach(backends, BACKEND, NULL));
    g_atomic_int_set(&refused, (gint)rows[_i].refused);
    session = backends_open_user(backends, BACKEND, "jane@example.org", &error);
    ck_assert((session != NULL) == rows[_i].opened);
    ck_assert(rows[_i].opened || fault_of(error) == rows[_i].fault);
    ck_assert_int_eq(g_atomic_int_get(&admins), 1 + rows[_i].admins);
    imap_session_close(session);
    backends_free(backends);
    end_server();
}
END_TEST

/* Two deaths in a row condemn a server: one that is just being started again has died once. */
START_TEST(a_connection_that_cannot_be_made_is_no_death)
{
    g_autoptr(Mailstore) mailstore = mailstore_new(&settings, NULL, NULL, stop);
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    g_ptr_array_add(commands, imap_command_new("SETMETADATA \"shared/Crew\" (/shared/x NIL)"));
    ck_assert(mailstore_connect(mailstore, NULL, NULL));
    ck_assert(!mailstore_run_admin(mailstore, commands, NULL));
    ck_assert(mailstore_died(mailstore));
    end_server();
    ck_assert(!mailstore_connect(mailstore, NULL, NULL));
    ck_assert(!mailstore_died(mailstore));
}
END_TEST

START_TEST(how_users_write_names_is_learned_again_from_a_server_that_was_restarted)
{
    g_autoptr(Mailstore) mailstore = mailstore_new(&settings, NULL, NULL, stop);
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    for (guint i = 0; i < 2; i++) {
        ImapSession *session = mailstore_open_user(mailstore, NULL, "jane@example.org", NULL);

        ck_assert_ptr_nonnull(session);
        ck_assert_str_eq(mailstore_user_names(mailstore)->prefix, i == 0 ? "INBOX/" : "");
        imap_session_close(session);
        g_ptr_array_add(commands, imap_command_new("SETMETADATA \"shared/Crew\" (/shared/x NIL)"));
        ck_assert(!mailstore_run_admin(mailstore, commands, NULL));
        prefix = "";
    }
    end_server();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mailstore");
    TCase *tests = tcase_create("mailstore");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_refused_user_is_that_users_fault_only_when_the_administrator_is_let_in_anew, 0, G_N_ELEMENTS(rows));
    tcase_add_test(tests, a_connection_that_cannot_be_made_is_no_death);
    tcase_add_test(tests, how_users_write_names_is_learned_again_from_a_server_that_was_restarted);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
