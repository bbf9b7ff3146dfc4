#include "imap/step_command.h"
#include "suite.h"

#include <check.h>

#define JANE "user/jane@example.org"

static const Namespace admin = {.separator = '/', .prefix = (char *)""};
static const Namespace user = {.separator = '/', .prefix = (char *)"INBOX/"};

typedef struct {
    StepKind kind;
    const char *folder, *server, *partition, *before;
    bool by_admin;
    const char *line;
} Row;

static const Row rows[] = {
    {STEP_CREATE_MAILBOX, .line = "CREATE \"" JANE "\""},
    {STEP_CREATE_MAILBOX, .partition = "archive", .line = "CREATE \"" JANE "\" archive"},
    {STEP_CREATE_MAILBOX, .server = "imap1.example.org", .line = "CREATE \"" JANE "\" (SERVER imap1.example.org)"},
    {STEP_CREATE_MAILBOX, .server = "127.0.0.1:24143", .partition = "archive",
     .line = "CREATE \"" JANE "\" 127.0.0.1:24143!archive"},
    {STEP_CREATE_PARENT, .line = "CREATE \"" JANE "\""},
    {STEP_MOVE_MAILBOX, .server = "127.0.0.1:24143", .line = "RENAME \"" JANE "\" \"" JANE "\" 127.0.0.1:24143!"},
    {STEP_MOVE_MAILBOX, .server = "imap1", .partition = "fast", .line = "RENAME \"" JANE "\" \"" JANE "\" imap1!fast"},
    {STEP_RENAME_MAILBOX, .before = "user/old@example.org", .line = "RENAME \"user/old@example.org\" \"" JANE "\""},
    {STEP_CREATE_FOLDER, .folder = "Sent", .line = "CREATE \"INBOX/Sent\""},
    {STEP_CREATE_FOLDER, .folder = "Sent", .partition = "archive", .by_admin = true,
     .line = "CREATE \"user/jane/Sent@example.org\" archive"},
    {STEP_SUBSCRIBE, .folder = "Sent", .line = "SUBSCRIBE \"INBOX/Sent\""},
};

START_TEST(a_step_is_the_command_that_the_table_says)
{
    const Row *row = &rows[_i];
    Step *step = step_new(row->kind, JANE);
    g_autoptr(ImapCommand) command = NULL;

    step->folder = g_strdup(row->folder);
    step->server = g_strdup(row->server);
    step->partition = g_strdup(row->partition);
    step->before = g_strdup(row->before);
    step->by_admin = row->by_admin;
    command = step_command(step, &admin, &user, false);
    ck_assert_str_eq(command->line->str, row->line);
    step_free(step);
}
END_TEST

START_TEST(names_travel_as_the_server_writes_them)
{
    static const Namespace dots = {.separator = '.', .prefix = (char *)""};
    Step *step = step_new(STEP_MOVE_MAILBOX, "shared/B\xc3\xbcro/Plan@example.org");
    g_autoptr(ImapCommand) command = NULL;

    step->server = g_strdup("imap1");
    command = step_command(step, &dots, &user, false);
    ck_assert_str_eq(command->line->str, "RENAME \"shared.B&APw-ro.Plan@example.org\" \"shared.B&APw-ro.Plan@example.org\" imap1!");
    step_free(step);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("step_command");
    TCase *tests = tcase_create("step_command");

    tcase_add_loop_test(tests, a_step_is_the_command_that_the_table_says, 0, G_N_ELEMENTS(rows));
    tcase_add_test(tests, names_travel_as_the_server_writes_them);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
