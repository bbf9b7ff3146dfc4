/* Workers that make mailboxes in one session, against a server in threads of the test, plain TCP on loopback. */
#include "imap/creator.h"
#include "imap_listener.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>
#include <poll.h>
#include <signal.h>

enum { WORKERS = 8, ROUNDS = 40 };

static GThread *server;
static Script script;
static gint sessions, failures, together, heard;
static Creator *creator;

/* OK and the command itself, so that who gets it sees whose it is. */
static void answer_itself(int fd, const char *line)
{
    g_autofree char *text = g_strconcat("OK ", strchr(line, ' ') + 1, NULL);

    answer(fd, line, text);
}

static gpointer serve(gpointer data)
{
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        g_atomic_int_inc(&sessions);
        greet(fd);
        script(fd);
        close(fd);
    }
    return data;
}

static bool has_more(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, wait_ms) > 0;
}

static void start(Script of_each)
{
    script = of_each;
    server = g_thread_new("server", serve, NULL);
}

static void set_up(void)
{
    open_listener(8);
    creator = creator_new(&settings, stop, 0);
    sessions = failures = together = heard = 0;
}

static void tear_down(void)
{
    creator_free(creator);
    shut_listener();
    g_thread_join(server);
    close_listener();
}

static GPtrArray *make_commands(guint worker, guint round)
{
    static const char *const verbs[] = {"GETQUOTA", "CREATE", "SETQUOTA"};
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    g_autofree char *name = g_strdup_printf("user/w%u-%u@example.org", worker, round);

    for (guint i = 0; i < G_N_ELEMENTS(verbs); i++) {
        g_ptr_array_add(commands, imap_command_new(verbs[i]));
        imap_command_add_string(g_ptr_array_index(commands, i), name);
    }
    return commands;
}

/* Whether it was answered. An answer must be that to the command, and a fault must name one of the commands, unless there was no
 * session. */
static bool make_one(guint worker, guint round)
{
    g_autoptr(GPtrArray) commands = make_commands(worker, round);
    g_autofree char *name = g_strdup_printf("user/w%u-%u@example.org", worker, round);
    g_autoptr(GError) error = NULL;

    if (!creator_run(creator, NULL, true, commands, &error)) {
        ck_assert_int_eq(fault_of(error), FAULT_RETRY);
        ck_assert_msg(strstr(error->message, name) != NULL || strstr(error->message, " connecting") != NULL, "%s", error->message);
        return false;
    }
    for (guint i = 0; i < commands->len; i++) {
        const ImapCommand *command = g_ptr_array_index(commands, i);

        ck_assert_str_eq(command->text, command->line->str);
    }
    return true;
}

static gpointer make_many(gpointer data)
{
    for (guint i = 0; i < ROUNDS; i++)
        if (!make_one(GPOINTER_TO_UINT(data), i))
            g_atomic_int_inc(&failures);
    return NULL;
}

static gpointer make_first(gpointer data)
{
    if (!make_one(GPOINTER_TO_UINT(data), 0))
        g_atomic_int_inc(&failures);
    return NULL;
}

static void run_workers(GThreadFunc function)
{
    GThread *threads[WORKERS];

    for (guint i = 0; i < WORKERS; i++)
        threads[i] = g_thread_new("worker", function, GUINT_TO_POINTER(i));
    for (guint i = 0; i < WORKERS; i++)
        g_thread_join(threads[i]);
}

static void answer_by_turns(int fd)
{
    char *line;

    for (; (line = hear(fd)) != NULL; g_free(line))
        answer_itself(fd, line);
}

START_TEST(each_worker_gets_its_own_answers_in_one_session)
{
    start(answer_by_turns);
    run_workers(make_many);
    ck_assert_int_eq(failures, 0);
    ck_assert_int_eq(g_atomic_int_get(&sessions), 1);
}
END_TEST

/* After the first three: only when all workers have said what they want. */
static void answer_when_all_have_asked(int fd)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    char *line;

    while ((line = hear(fd)) != NULL) {
        g_ptr_array_add(lines, line);
        if (!g_atomic_int_get(&together) ? lines->len < 3 : lines->len < 3 * WORKERS)
            continue;
        for (guint i = 0; i < lines->len; i++)
            answer_itself(fd, g_ptr_array_index(lines, i));
        g_ptr_array_set_size(lines, 0);
    }
}

START_TEST(nobody_waits_for_the_answers_to_others)
{
    start(answer_when_all_have_asked);
    ck_assert(make_one(99, 99));
    g_atomic_int_set(&together, 1);
    run_workers(make_first);
    ck_assert_int_eq(failures, 0);
    ck_assert_int_eq(g_atomic_int_get(&sessions), 1);
}
END_TEST

/* Nothing comes before it has answered what came first. */
static void answer_the_first_late(int fd)
{
    g_autofree char *first = hear(fd);

    g_atomic_int_set(&heard, 1);
    while (first != NULL && has_more(fd, 50)) {
        g_autofree char *line = hear(fd);
        const char *name = strchr(first, '"');

        if (line == NULL || strstr(line, name) == NULL)
            g_atomic_int_inc(&failures);
        answer_itself(fd, first);
        g_free(first);
        first = g_steal_pointer(&line);
        if (strstr(first, "SETQUOTA") != NULL)
            break;
    }
    if (has_more(fd, 100))
        g_atomic_int_inc(&failures);
    answer_itself(fd, first);
    answer_by_turns(fd);
}

static gpointer make_late(gpointer data)
{
    while (!g_atomic_int_get(&heard))
        g_usleep(1000);
    return make_first(data);
}

START_TEST(who_chooses_the_first_place_does_so_alone)
{
    GThread *threads[2];

    start(answer_the_first_late);
    for (guint i = 0; i < 2; i++)
        threads[i] = g_thread_new("worker", i == 0 ? make_first : make_late, GUINT_TO_POINTER(i));
    for (guint i = 0; i < 2; i++)
        g_thread_join(threads[i]);
    ck_assert_int_eq(failures, 0);
}
END_TEST

/* A session lasts for so many commands. */
enum { SOME = 100 };

static void answer_some(int fd)
{
    for (guint i = 0; i < SOME; i++) {
        g_autofree char *line = hear(fd);

        if (line == NULL)
            return;
        answer_itself(fd, line);
    }
}

START_TEST(a_lost_connection_fails_those_who_wait_for_an_answer_and_the_next_ones_get_another)
{
    start(answer_some);
    run_workers(make_many);
    ck_assert_int_ge(failures, 1);
    ck_assert_int_le(failures, WORKERS * g_atomic_int_get(&sessions));
    /* Who did not fail has three answers. */
    ck_assert_int_ge(SOME * g_atomic_int_get(&sessions), 3 * (WORKERS * ROUNDS - failures));
}
END_TEST

static void say_nothing(int fd)
{
    char *line;

    for (; (line = hear(fd)) != NULL; g_free(line))
        g_atomic_int_inc(&together);
}

START_TEST(all_end_when_the_daemon_is_to_stop)
{
    GThread *threads[WORKERS];

    start(say_nothing);
    for (guint i = 0; i < WORKERS; i++)
        threads[i] = g_thread_new("worker", make_first, GUINT_TO_POINTER(i));
    while (g_atomic_int_get(&together) < 3)
        g_usleep(1000);
    stop_now(stop);
    for (guint i = 0; i < WORKERS; i++)
        g_thread_join(threads[i]);
    ck_assert_int_eq(failures, WORKERS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("creator");
    TCase *tcase = tcase_create("creator");

    signal(SIGPIPE, SIG_IGN);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, each_worker_gets_its_own_answers_in_one_session);
    tcase_add_test(tcase, nobody_waits_for_the_answers_to_others);
    tcase_add_test(tcase, who_chooses_the_first_place_does_so_alone);
    tcase_add_test(tcase, a_lost_connection_fails_those_who_wait_for_an_answer_and_the_next_ones_get_another);
    tcase_add_test(tcase, all_end_when_the_daemon_is_to_stop);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
