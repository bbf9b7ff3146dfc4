/* What the journal says of steps that an IMAP server refuses, or at which it goes away; plain TCP on loopback. */
#include "apply/apply.h"
#include "imap_listener.h"
#include "model/fault.h"
#include "state/journal.h"
#include "suite.h"

#include <check.h>
#include <signal.h>

#define TEAM "shared/Team@example.org"

enum { SESSIONS = 2 }; /* the administrator's, and the one that makes mailboxes */

static GThread *server, *threads[SESSIONS];
static const char *refuses, *goes_at; /* what stands in the command; NULL: nothing */
static Creator *creator;
static Mailstore *mailstore;
static Plan *plan;
static GPtrArray *journal;

static gpointer serve_session(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);

    greet(fd);
    for (;;) {
        g_autofree char *line = hear(fd);

        if (line == NULL || (goes_at != NULL && strstr(line, goes_at) != NULL))
            break;
        if (strstr(line, "NAMESPACE") != NULL)
            say(fd, "* NAMESPACE ((\"\" \"/\")) ((\"user/\" \"/\")) ((\"\" \"/\"))\r\n");
        answer(fd, line, refuses != NULL && strstr(line, refuses) != NULL ? "NO Permission denied" : "OK Completed");
    }
    close(fd);
    return NULL;
}

static gpointer serve(gpointer data)
{
    int fd;

    for (guint i = 0; i < SESSIONS && (fd = accept(listener, NULL, NULL)) >= 0; i++)
        threads[i] = g_thread_new("session", serve_session, GINT_TO_POINTER(fd));
    return data;
}

static void set_up(void)
{
    open_listener(8);
    refuses = goes_at = NULL;
    memset(threads, 0, sizeof threads);
    creator = creator_new(&settings, stop, 0);
    mailstore = mailstore_new(&settings, creator, NULL, stop);
    plan = plan_rename("cn=Team,dc=example,dc=org", "ab-12", TEAM, TEAM);
    g_ptr_array_set_size(plan->steps, 0);
    journal = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);
    server = g_thread_new("server", serve, NULL);
}

static void tear_down(void)
{
    g_ptr_array_unref(journal);
    plan_free(plan);
    mailstore_free(mailstore);
    creator_free(creator);
    shut_listener();
    g_thread_join(server);
    for (guint i = 0; i < SESSIONS; i++)
        if (threads[i] != NULL)
            g_thread_join(threads[i]);
    close_listener();
}

static void add_right(const char *identifier)
{
    Step *step = plan_add_step(plan, STEP_SET_ACL, TEAM);

    step->name = g_strdup(identifier);
    step->after = g_strdup("lrs");
}

/* "step target: ok; step target: failed" */
static char *show_journal(void)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < journal->len; i++) {
        const JournalRow *row = g_ptr_array_index(journal, i);

        g_string_append_printf(text, "%s%s %s: %s", i > 0 ? "; " : "", row->step, row->target,
                               strcmp(row->outcome, "ok") == 0 ? "ok" : "failed");
    }
    return g_string_free(text, FALSE);
}

static void check_failure(Fault kind, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *rows = NULL;

    ck_assert(!apply_plan(plan, NULL, NULL, mailstore, journal, &error));
    ck_assert_int_eq(fault_of(error), kind);
    rows = show_journal();
    ck_assert_str_eq(rows, expected);
}

START_TEST(what_is_not_sent_after_a_refusal_has_no_row)
{
    plan_add_step(plan, STEP_CREATE_MAILBOX, TEAM);
    add_right("jane@example.org");
    refuses = "CREATE";
    check_failure(FAULT_PARK, "create mailbox " TEAM ": failed");
}
END_TEST

START_TEST(the_step_at_which_the_connection_was_lost_has_one)
{
    plan_add_step(plan, STEP_CREATE_MAILBOX, TEAM);
    add_right("jane@example.org");
    add_right("kim@example.org");
    goes_at = "jane";
    check_failure(FAULT_RETRY, "create mailbox " TEAM ": ok; set acl jane@example.org: failed");
}
END_TEST

START_TEST(so_it_has_behind_a_step_that_was_refused)
{
    add_right("jane@example.org");
    add_right("kim@example.org");
    refuses = "jane";
    goes_at = "kim";
    check_failure(FAULT_RETRY, "set acl jane@example.org: failed; set acl kim@example.org: failed");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("apply");
    TCase *tests = tcase_create("apply");

    signal(SIGPIPE, SIG_IGN); /* as the daemon does: a peer that went is an error of a write */
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_not_sent_after_a_refusal_has_no_row);
    tcase_add_test(tests, the_step_at_which_the_connection_was_lost_has_one);
    tcase_add_test(tests, so_it_has_behind_a_step_that_was_refused);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
