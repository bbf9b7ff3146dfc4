/* A session against a server in a thread of the test, plain TCP on loopback: what no real one does on command. */
#include "imap/session.h"
#include "imap_listener.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>
#include <poll.h>
#include <signal.h>

static GThread *server;
static guint most_in_flight;
static gint logged_out;

static void greet_and_hear(int fd)
{
    greet(fd);
    g_free(hear(fd));
}

static gpointer serve(gpointer data)
{
    int fd = accept(listener, NULL, NULL);

    ((Script)data)(fd);
    close(fd);
    return NULL;
}

static void set_up(void)
{
    open_listener(1);
    logged_out = 0;
}

static void tear_down(void)
{
    shut_listener();
    g_clear_pointer(&server, g_thread_join);
    close_listener();
}

static ImapSession *connect_to(Script script)
{
    g_autoptr(GError) error = NULL;

    server = g_thread_new("server", serve, (gpointer)script);
    ImapSession *session = imap_session_open(&settings, NULL, stop, &error);
    ck_assert_msg(session != NULL, "%s", error != NULL ? error->message : "");
    return session;
}

static GPtrArray *make_commands(guint count)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    for (guint i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("user/%u@example.org", i);
        ImapCommand *command = imap_command_new("CREATE");

        imap_command_add_string(command, name);
        g_ptr_array_add(commands, command);
    }
    return commands;
}

static const ImapCommand *command_at(const GPtrArray *commands, guint i)
{
    return g_ptr_array_index(commands, i);
}

/* Runs `count` commands, which must fail with a message that names the server and `problem`. */
static void assert_run_fails(ImapSession *session, guint count, guint answered, const char *problem)
{
    g_autoptr(GPtrArray) commands = make_commands(count);
    g_autoptr(GError) error = NULL;

    ck_assert(!imap_session_run(session, commands, &error));
    ck_assert_int_eq(fault_of(error), FAULT_RETRY);
    ck_assert_msg(g_str_has_prefix(error->message, settings.uri), "%s", error->message);
    ck_assert_msg(strstr(error->message, problem) != NULL, "%s", error->message);
    ck_assert_ptr_null(strstr(error->message, settings.admin_password));
    for (guint i = 0; i < count; i++)
        ck_assert_int_eq(command_at(commands, i)->status, i < answered ? IMAP_OK : IMAP_NONE);
    g_clear_error(&error);
    ck_assert(!imap_session_run(session, commands, &error));
    ck_assert(!imap_session_alive(session));
}

/* --- commands */

static const struct {
    const char *value;
    const char *line;
} strings[] = {
    {"", "X \"\""},
    {"user/jane@example.org", "X \"user/jane@example.org\""},
    {"with space", "X \"with space\""},
    {"a\"b\\c", "X \"a\\\"b\\\\c\""},
    {"{5}", "X \"{5}\""},
    {"line\r\nk2 DELETE user/x", "X {22+}\r\nline\r\nk2 DELETE user/x"},
    {"tab\t", "X {4+}\r\ntab\t"},
    {"del\x7f", "X {4+}\r\ndel\x7f"},
    {"Entw\xc3\xbcrfe", "X {9+}\r\nEntw\xc3\xbcrfe"},
};

START_TEST(a_string_is_quoted_or_sent_as_a_literal)
{
    g_autoptr(ImapCommand) command = imap_command_new("X");

    imap_command_add_string(command, strings[_i].value);
    ck_assert_str_eq(command->line->str, strings[_i].line);
    ck_assert_str_eq(command->argument, strings[_i].value);
}
END_TEST

START_TEST(no_blank_follows_or_precedes_a_parenthesis)
{
    g_autoptr(ImapCommand) command = imap_command_new("SETMETADATA");

    imap_command_add_string(command, "\xc3\xa4(");
    imap_command_add_word(command, "(");
    imap_command_add_word(command, "/shared/comment");
    imap_command_add_string(command, "(");
    imap_command_add_word(command, "/private/comment");
    imap_command_add_word(command, "NIL");
    imap_command_add_word(command, ")");
    imap_command_add_word(command, "(");
    imap_command_add_string(command, "x");
    imap_command_add_word(command, ")");
    ck_assert_str_eq(command->line->str,
                     "SETMETADATA {3+}\r\n\xc3\xa4( (/shared/comment \"(\" /private/comment NIL) (\"x\")");
}
END_TEST

START_TEST(a_command_is_shown_without_credentials)
{
    g_autoptr(ImapCommand) quota = imap_command_new("SETQUOTA");
    g_autoptr(ImapCommand) login = imap_command_new("Login");
    g_autoptr(ImapCommand) noop = imap_command_new("NOOP");

    imap_command_add_string(quota, "user/\r\"x\"@d");
    imap_command_add_word(quota, "(STORAGE 5)");
    imap_command_add_string(login, "secret");
    g_autofree char *shown_quota = imap_command_show(quota);
    g_autofree char *shown_login = imap_command_show(login);
    g_autofree char *shown_noop = imap_command_show(noop);
    ck_assert_str_eq(shown_quota, "SETQUOTA \"user/\\x0d\\x22x\\x22@d\"");
    ck_assert_str_eq(shown_login, "Login");
    ck_assert_str_eq(shown_noop, "NOOP");
}
END_TEST

/* --- answers */

static void take_turns(int fd)
{
    static const char *const texts[] = {"OK [MAILBOXID (a)] Done", "NO Mailbox already exists", "BAD What?"};

    for (guint i = 0;; i++) {
        g_autofree char *line = hear(fd);

        if (line == NULL)
            return;
        if (strstr(line, "LOGOUT") != NULL) {
            g_atomic_int_set(&logged_out, 1);
            say(fd, "* BYE\r\n");
        }
        if (i % 3 == 1)
            say(fd, "* ACL x\r\n* OK not data\r\n* ACL y\r\n");
        answer(fd, line, texts[i % 3]);
    }
}

static void answer_by_turns(int fd)
{
    greet(fd);
    take_turns(fd);
}

START_TEST(answers_and_untagged_data_come_to_their_command)
{
    g_autoptr(ImapSession) session = connect_to(answer_by_turns);
    g_autoptr(GPtrArray) commands = make_commands(6);

    for (guint again = 0; again < 2; again++) {
        ck_assert(imap_session_run(session, commands, NULL));
        ck_assert_int_eq(command_at(commands, 0)->status, IMAP_OK);
        ck_assert_str_eq(command_at(commands, 0)->code, "MAILBOXID (a)");
        ck_assert_str_eq(command_at(commands, 0)->text, "Done");
        ck_assert_uint_eq(command_at(commands, 0)->replies->len, 0);
        ck_assert_int_eq(command_at(commands, 4)->status, IMAP_NO);
        ck_assert_uint_eq(command_at(commands, 4)->replies->len, 2);
        ck_assert_int_eq(command_at(commands, 5)->status, IMAP_BAD);
        ck_assert_str_eq(command_at(commands, 5)->text, "What?");
    }
    ck_assert(imap_session_alive(session));
    ck_assert(!imap_session_died(session));
}
END_TEST

START_TEST(an_empty_run_succeeds)
{
    g_autoptr(ImapSession) session = connect_to(answer_by_turns);
    g_autoptr(GPtrArray) commands = make_commands(0);

    ck_assert(imap_session_run(session, commands, NULL));
}
END_TEST

START_TEST(closing_says_logout)
{
    imap_session_close(connect_to(answer_by_turns));
    g_clear_pointer(&server, g_thread_join);
    ck_assert_int_eq(g_atomic_int_get(&logged_out), 1);
}
END_TEST

static bool has_more(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 5) > 0;
}

/* Reads as long as something comes, and only then answers all. */
static void answer_late(int fd)
{
    g_autoptr(GPtrArray) waiting = g_ptr_array_new_with_free_func(g_free);
    char *line;

    greet(fd);
    while ((line = hear(fd)) != NULL) {
        g_ptr_array_add(waiting, line);
        if (has_more(fd))
            continue;
        most_in_flight = MAX(most_in_flight, waiting->len);
        for (guint i = 0; i < waiting->len; i++)
            answer(fd, g_ptr_array_index(waiting, i), "OK Completed");
        g_ptr_array_set_size(waiting, 0);
    }
}

START_TEST(a_thousand_commands_keep_to_the_window)
{
    g_autoptr(GPtrArray) commands = make_commands(1000);

    most_in_flight = 0;
    settings.window = (guint)_i;
    ImapSession *session = connect_to(answer_late);
    ck_assert(imap_session_run(session, commands, NULL));
    for (guint i = 0; i < commands->len; i++)
        ck_assert_int_eq(command_at(commands, i)->status, IMAP_OK);
    imap_session_close(session);
    g_clear_pointer(&server, g_thread_join);
    ck_assert_uint_eq(most_in_flight, settings.window);
}
END_TEST

/* Answers each line at length before it reads the next, with blocking writes. */
static void answer_at_length(int fd)
{
    g_autofree char *value = g_strnfill(60000, 'v');
    g_autofree char *data = g_strdup_printf("* METADATA x (/shared/comment {60000}\r\n%s)\r\n", value);

    greet(fd);
    for (;;) {
        g_autofree char *line = hear(fd);

        if (line == NULL)
            return;
        say(fd, data);
        answer(fd, line, "OK Completed");
    }
}

START_TEST(long_commands_and_long_answers_do_not_block_each_other)
{
    g_autoptr(ImapSession) session = connect_to(answer_at_length);
    g_autoptr(GPtrArray) commands = make_commands(100);
    g_autofree char *value = g_strnfill(60000, 'v');

    for (guint i = 0; i < commands->len; i++)
        imap_command_add_string(g_ptr_array_index(commands, i), value);
    ck_assert(imap_session_run(session, commands, NULL));
    for (guint i = 0; i < commands->len; i++)
        ck_assert_uint_eq(command_at(commands, i)->replies->len, 1);
}
END_TEST

static void answer_byte_by_byte(int fd)
{
    static const char reply[] = "* METADATA x (/a {5}\r\n1\r\n23)\r\n\r\nk1 OK Completed\r\n";

    greet_and_hear(fd);
    for (const char *at = reply; *at != '\0'; at++) {
        char byte[2] = {*at, '\0'};

        say(fd, byte);
        g_usleep(1000);
    }
    g_free(hear(fd));
}

START_TEST(an_answer_may_come_byte_by_byte)
{
    g_autoptr(ImapSession) session = connect_to(answer_byte_by_byte);
    g_autoptr(GPtrArray) commands = make_commands(1);

    ck_assert(imap_session_run(session, commands, NULL));
    ck_assert_uint_eq(command_at(commands, 0)->replies->len, 1);
}
END_TEST

/* --- faults. Each script reads the first command, does its evil, and waits for the end. */

static void close_at_third(int fd)
{
    greet_and_hear(fd);
    say(fd, "k1 OK x\r\nk2 OK x\r\n* ACL half");
}

START_TEST(a_closed_connection_names_the_unanswered_command)
{
    g_autoptr(ImapSession) session = connect_to(close_at_third);

    assert_run_fails(session, 5, 2, "closed the connection instead of answering CREATE \"user/2@example.org\"");
    ck_assert(imap_session_died(session));
}
END_TEST

static void say_bye(int fd)
{
    greet_and_hear(fd);
    say(fd, "k1 OK x\r\n* BYE Server shutting down\r\n");
}

START_TEST(a_bye_is_told_and_is_no_death)
{
    g_autoptr(ImapSession) session = connect_to(say_bye);

    assert_run_fails(session, 3, 1, "CREATE \"user/1@example.org\", after BYE: Server shutting down");
    ck_assert(!imap_session_died(session));
}
END_TEST

static void abort_at_first(int fd)
{
    greet_and_hear(fd);
    say(fd, "* BYE Fatal error: Internal error: assertion failed\r\n");
}

START_TEST(a_fatal_bye_is_a_death)
{
    g_autoptr(ImapSession) session = connect_to(abort_at_first);

    assert_run_fails(session, 3, 0, "CREATE \"user/0@example.org\", after BYE: Fatal error: Internal error");
    ck_assert(imap_session_died(session));
}
END_TEST

static void close_at_rest(int fd)
{
    greet(fd);
    say(fd, "* BYE idle for too long\r\n");
}

START_TEST(a_session_closed_at_rest_is_not_alive)
{
    g_autoptr(ImapSession) session = connect_to(close_at_rest);

    g_clear_pointer(&server, g_thread_join);
    ck_assert(!imap_session_alive(session));
    ck_assert(!imap_session_died(session));
}
END_TEST

static void hear_out(int fd)
{
    g_autofree char *line = hear(fd);

    while (line != NULL) {
        g_free(line);
        line = hear(fd);
    }
}

static void never_answer(int fd)
{
    greet(fd);
    hear_out(fd);
}

START_TEST(silence_ends_at_the_deadline)
{
    settings.timeout_us = G_USEC_PER_SEC / 4;
    g_autoptr(ImapSession) session = connect_to(never_answer);
    gint64 start = g_get_monotonic_time();

    assert_run_fails(session, 2, 0, "does not answer CREATE \"user/0@example.org\" within 0.25 s");
    ck_assert_int_ge(g_get_monotonic_time() - start, settings.timeout_us);
    ck_assert(!imap_session_died(session));
}
END_TEST

/* So many octets each time, as a reply that tells nothing; false: the other end is gone. */
static bool say_something(int fd, int octets)
{
    g_autofree char *line = g_strdup_printf("* OK %*s\r\n", octets - (int)strlen("* OK \r\n"), "still at it");

    g_usleep(50000);
    return send(fd, line, strlen(line), MSG_NOSIGNAL) > 0;
}

static void trickle(int fd)
{
    greet(fd);
    while (say_something(fd, 18))
        continue;
}

START_TEST(an_answer_that_trickles_ends_too)
{
    settings.timeout_us = G_USEC_PER_SEC / 4;
    g_autoptr(ImapSession) session = connect_to(trickle);
    gint64 start = g_get_monotonic_time();

    assert_run_fails(session, 2, 0, "sends next to nothing, and does not come to an end, in answer to CREATE \"user/0@example.org\"");
    ck_assert_int_ge(g_get_monotonic_time() - start, 10 * settings.timeout_us);
}
END_TEST

static void answer_fully(int fd)
{
    gint64 begun_us;

    greet(fd);
    g_autofree char *line = hear(fd);
    begun_us = g_get_monotonic_time();
    while (g_get_monotonic_time() - begun_us < 11 * settings.timeout_us && say_something(fd, 500))
        continue;
    answer(fd, line, "OK Completed");
    hear_out(fd);
}

START_TEST(an_answer_may_take_long_that_says_much)
{
    settings.timeout_us = G_USEC_PER_SEC / 4;
    g_autoptr(ImapSession) session = connect_to(answer_fully);
    g_autoptr(GPtrArray) commands = make_commands(1);
    g_autoptr(GError) error = NULL;

    ck_assert_msg(imap_session_run(session, commands, &error), "%s", error != NULL ? error->message : "");
}
END_TEST

static gpointer stop_soon(gpointer data)
{
    (void)data;
    g_usleep(50000);
    stop_now(stop);
    return NULL;
}

START_TEST(stopping_ends_the_wait)
{
    g_autoptr(ImapSession) session = connect_to(never_answer);
    gint64 start = g_get_monotonic_time();
    GThread *stopper = g_thread_new("stopper", stop_soon, NULL);

    assert_run_fails(session, 2, 0, "stopped while waiting for the answer to CREATE \"user/0@example.org\"");
    ck_assert_int_lt(g_get_monotonic_time() - start, 5 * G_USEC_PER_SEC);
    g_thread_join(stopper);
}
END_TEST

static void flood(int fd, const char *head, const char *text)
{
    greet_and_hear(fd);
    say(fd, head);
    for (guint i = 0; i < 65536 && send(fd, text, strlen(text), MSG_NOSIGNAL) > 0; i++)
        continue;
    g_free(hear(fd));
}

static void send_endless_line(int fd)
{
    g_autofree char *piece = g_strnfill(4096, 'x');

    flood(fd, "* LIST ", piece);
}

static void send_endless_data(int fd)
{
    g_autofree char *value = g_strnfill(4096, 'x');
    g_autofree char *data = g_strdup_printf("* X %s\r\n", value);

    flood(fd, "", data);
}

static void send_endless_blank_lines(int fd)
{
    g_autoptr(GString) lines = g_string_new(NULL);

    for (guint i = 0; i < 2048; i++)
        g_string_append(lines, "\r\n");
    flood(fd, "", lines->str);
}

static void send_huge_literal(int fd)
{
    greet_and_hear(fd);
    say(fd, "* METADATA x (/a {2000000000}\r\n");
    g_free(hear(fd));
}

static void send_wrong_tag(int fd)
{
    greet_and_hear(fd);
    say(fd, "k1 OK x\r\nk7 OK x\r\n");
    g_free(hear(fd));
}

static void send_later_tag(int fd)
{
    greet_and_hear(fd);
    say(fd, "k2 OK x\r\n");
    g_free(hear(fd));
}

static void send_continuation(int fd)
{
    greet_and_hear(fd);
    say(fd, "+ go ahead\r\n");
    g_free(hear(fd));
}

static void send_garbage(int fd)
{
    greet_and_hear(fd);
    say(fd, "\x16\x03\x01 what?\r\n");
    g_free(hear(fd));
}

static const struct {
    Script script;
    guint answered;
    const char *problem;
} faults[] = {
    {send_endless_line, 0, "line too long"},
    {send_endless_data, 0, "too much in answer to CREATE \"user/0@example.org\""},
    {send_endless_blank_lines, 0, "too much in answer to CREATE \"user/0@example.org\""},
    {send_huge_literal, 0, "literal too long"},
    {send_wrong_tag, 1, "answers what was not asked instead of answering CREATE \"user/1@example.org\""},
    {send_later_tag, 0, "answers what was not asked instead of answering CREATE \"user/0@example.org\""},
    {send_continuation, 0, "asks for more data instead of answering CREATE \"user/0@example.org\""},
    {send_garbage, 0, "not understood as IMAP"},
};

START_TEST(a_mad_server_costs_the_session_and_is_named)
{
    g_autoptr(ImapSession) session = connect_to(faults[_i].script);

    assert_run_fails(session, 3, faults[_i].answered, faults[_i].problem);
}
END_TEST

/* --- connecting */

/* One that tells its capabilities when it is asked. */
static void answer_login(int fd, const char *capability, const char *text)
{
    say(fd, "* OK ready\r\n");
    for (;;) {
        g_autofree char *line = hear(fd);

        if (line == NULL)
            return;
        if (strstr(line, "CAPABILITY") != NULL)
            say(fd, capability);
        answer(fd, line, strstr(line, "AUTHENTICATE") != NULL ? text : "OK x");
    }
}

static void refuse_login(int fd)
{
    answer_login(fd, "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n", "NO authentication failure");
}

static void lose_its_users(int fd)
{
    answer_login(fd, "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n", "NO [UNAVAILABLE] no answer from LDAP");
}

static void offer_no_login(int fd)
{
    answer_login(fd, "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n", "");
}

static void offer_no_tls(int fd)
{
    settings.insecure = false;
    greet(fd);
}

static void skip_login(int fd)
{
    say(fd, "* PREAUTH [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] come in\r\n");
    take_turns(fd);
}

static void be_busy(int fd)
{
    say(fd, "* BYE too many connections\r\n");
}

static void speak_http(int fd)
{
    say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void hang_up(int fd)
{
    say(fd, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n");
}

static void keep_its_capabilities(int fd)
{
    answer_login(fd, "", "OK x");
}

static void say_bye_when_asked(int fd)
{
    answer_login(fd, "* BYE shutting down\r\n", "OK x");
}

static void answer_another(int fd)
{
    say(fd, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\nx7 OK welcome\r\n");
    g_free(hear(fd));
}

static void ask_on_and_on(int fd)
{
    say(fd, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n+ \r\n+ \r\n");
    g_free(hear(fd));
    g_free(hear(fd));
}

static void talk_without_end(int fd)
{
    say(fd, "* OK ready\r\n");
    for (guint i = 0; i < 10000; i++)
        say(fd, "* STATUS (I have much to say)\r\n");
    g_free(hear(fd));
}

static void greet_with_a_tag(int fd)
{
    say(fd, "a1 OK ready\r\n");
}

static void refuse_tls(int fd)
{
    settings.insecure = false;
    say(fd, "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n");
    g_autofree char *line = hear(fd);
    answer(fd, line, "NO no certificate");
}

static const struct {
    Script script;
    bool insecure;
    const char *authorize_as;
    Fault fault;
    const char *problem;
} refusals[] = {
    {refuse_login, true, NULL, FAULT_STOP, "refuses the administrator's login as admin: authentication failure"},
    {refuse_login, true, "jane@example.org", FAULT_STOP, "proxy authorisation as jane@example.org: authentication failure"},
    {lose_its_users, true, NULL, FAULT_RETRY, "no answer from LDAP"},
    {offer_no_login, true, NULL, FAULT_STOP, "does not offer AUTH=PLAIN"},
    {offer_no_tls, false, NULL, FAULT_RETRY, "STARTTLS"},
    {skip_login, true, NULL, FAULT_RETRY, "PREAUTH"},
    {be_busy, true, NULL, FAULT_RETRY, "too many connections"},
    {speak_http, true, NULL, FAULT_RETRY, "check that an IMAP server answers on this port"},
    {hang_up, true, NULL, FAULT_RETRY, "hung up before the login"},
    {keep_its_capabilities, true, NULL, FAULT_RETRY, "does not tell its capabilities"},
    {say_bye_when_asked, true, NULL, FAULT_RETRY, "shutting down"},
    {answer_another, true, NULL, FAULT_RETRY, "answers what was not asked"},
    {ask_on_and_on, true, NULL, FAULT_RETRY, "answers what was not asked"},
    {talk_without_end, true, NULL, FAULT_RETRY, "says too much before the login"},
    {greet_with_a_tag, true, NULL, FAULT_RETRY, "does not greet"},
    {refuse_tls, false, NULL, FAULT_RETRY, "refuses STARTTLS: no certificate"},
};

START_TEST(a_refused_connection_says_why)
{
    g_autoptr(GError) error = NULL;

    settings.insecure = refusals[_i].insecure;
    server = g_thread_new("server", serve, (gpointer)refusals[_i].script);
    ck_assert_ptr_null(imap_session_open(&settings, refusals[_i].authorize_as, stop, &error));
    ck_assert_msg(fault_of(error) == refusals[_i].fault, "%s", error->message);
    ck_assert_msg(strstr(error->message, refusals[_i].problem) != NULL, "%s", error->message);
    ck_assert_msg(g_str_has_prefix(error->message, settings.uri), "%s", error->message);
    ck_assert_ptr_null(strstr(error->message, settings.admin_password));
    if (g_getenv("SHOW") != NULL)
        g_printerr("%s\n", error->message);
}
END_TEST

/* base64 of "jane@example.org", NUL, "admin", NUL, "secret-word" */
#define SECRET "amFuZUBleGFtcGxlLm9yZwBhZG1pbgBzZWNyZXQtd29yZA=="

static void want_the_secret_at_once(int fd)
{
    say(fd, "* OK [CAPABILITY IMAP4rev1 sasl-ir auth=plain] imap.example.org Cyrus IMAP 3.6.1 server ready\r\n");
    g_autofree char *line = hear(fd);
    ck_assert_str_eq(strchr(line, ' '), " AUTHENTICATE PLAIN " SECRET);
    answer(fd, line, "OK welcome\r\n* OK [ALERT] maintenance at noon");
    take_turns(fd);
}

static void want_the_secret_later(int fd)
{
    say(fd, "* OK imap.example.org Cyrus IMAP 3.6.1 server ready\r\n");
    g_autofree char *question = hear(fd);
    ck_assert_str_eq(strchr(question, ' '), " CAPABILITY");
    say(fd, "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n");
    answer(fd, question, "OK x");
    g_autofree char *line = hear(fd);
    ck_assert_str_eq(strchr(line, ' '), " AUTHENTICATE PLAIN");
    say(fd, "+ \r\n");
    g_autofree char *secret = hear(fd);
    ck_assert_str_eq(secret, SECRET);
    g_autofree char *tag = g_strndup(line, strcspn(line, " "));
    g_autofree char *welcome = g_strconcat(tag, " OK welcome\r\n* OK [ALERT] maint", NULL);
    say(fd, welcome);
    g_usleep(G_USEC_PER_SEC / 50);
    say(fd, "enance at noon\r\n");
    take_turns(fd);
}

static const Script logins[] = {want_the_secret_at_once, want_the_secret_later};

START_TEST(a_login_takes_what_the_server_offers_and_loses_nothing_said_after_it)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapSession) session = NULL;
    g_autoptr(GPtrArray) commands = make_commands(3);

    server = g_thread_new("server", serve, (gpointer)logins[_i]);
    session = imap_session_open(&settings, "jane@example.org", stop, &error);
    ck_assert_msg(session != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(imap_session_server(session), "imap.example.org");
    ck_assert_msg(imap_session_run(session, commands, &error), "%s", error != NULL ? error->message : "");
}
END_TEST

START_TEST(a_server_that_is_down_is_retried)
{
    g_autoptr(GError) error = NULL;

    close(listener);
    ck_assert_ptr_null(imap_session_open(&settings, NULL, stop, &error));
    ck_assert_int_eq(fault_of(error), FAULT_RETRY);
    ck_assert_msg(strstr(error->message, "check that the server runs") != NULL, "%s", error->message);
}
END_TEST

START_TEST(a_silent_server_ends_connecting_at_the_deadline)
{
    g_autoptr(GError) error = NULL;

    settings.timeout_us = G_USEC_PER_SEC / 4;
    ck_assert_ptr_null(imap_session_open(&settings, NULL, stop, &error));
    ck_assert_int_eq(fault_of(error), FAULT_RETRY);
    ck_assert_msg(strstr(error->message, "reachable") != NULL, "%s", error->message);
}
END_TEST

START_TEST(stopping_ends_connecting)
{
    g_autoptr(GError) error = NULL;
    gint64 start = g_get_monotonic_time();
    GThread *stopper = g_thread_new("stopper", stop_soon, NULL);

    ck_assert_ptr_null(imap_session_open(&settings, NULL, stop, &error));
    ck_assert_int_lt(g_get_monotonic_time() - start, 5 * G_USEC_PER_SEC);
    ck_assert_msg(strstr(error->message, "stopped while connecting") != NULL, "%s", error->message);
    g_thread_join(stopper);
}
END_TEST

static void add_tests(TCase *tcase)
{
    tcase_add_loop_test(tcase, a_login_takes_what_the_server_offers_and_loses_nothing_said_after_it, 0, G_N_ELEMENTS(logins));
    tcase_add_loop_test(tcase, a_string_is_quoted_or_sent_as_a_literal, 0, G_N_ELEMENTS(strings));
    tcase_add_test(tcase, no_blank_follows_or_precedes_a_parenthesis);
    tcase_add_test(tcase, a_command_is_shown_without_credentials);
    tcase_add_test(tcase, answers_and_untagged_data_come_to_their_command);
    tcase_add_test(tcase, an_empty_run_succeeds);
    tcase_add_test(tcase, closing_says_logout);
    tcase_add_loop_test(tcase, a_thousand_commands_keep_to_the_window, 64, 65);
    tcase_add_test(tcase, long_commands_and_long_answers_do_not_block_each_other);
    tcase_add_test(tcase, an_answer_may_come_byte_by_byte);
    tcase_add_test(tcase, a_closed_connection_names_the_unanswered_command);
    tcase_add_test(tcase, a_bye_is_told_and_is_no_death);
    tcase_add_test(tcase, a_fatal_bye_is_a_death);
    tcase_add_test(tcase, a_session_closed_at_rest_is_not_alive);
    tcase_add_test(tcase, silence_ends_at_the_deadline);
    tcase_add_test(tcase, an_answer_that_trickles_ends_too);
    tcase_add_test(tcase, an_answer_may_take_long_that_says_much);
    tcase_add_test(tcase, stopping_ends_the_wait);
    tcase_add_loop_test(tcase, a_mad_server_costs_the_session_and_is_named, 0, G_N_ELEMENTS(faults));
    tcase_add_loop_test(tcase, a_refused_connection_says_why, 0, G_N_ELEMENTS(refusals));
    tcase_add_test(tcase, a_server_that_is_down_is_retried);
    tcase_add_test(tcase, a_silent_server_ends_connecting_at_the_deadline);
    tcase_add_test(tcase, stopping_ends_connecting);
}

int main(void)
{
    TCase *tcase = tcase_create("session");
    Suite *suite = suite_create("session");

    signal(SIGPIPE, SIG_IGN);
    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    add_tests(tcase);
    return run_suite(suite);
}
