/* What a server left that died in the middle, told by a server in a thread of the test. That all of it is mended on a real one is
 * t/system/test_unfinished.py's. */
#include "imap/mailstore.h"
#include "imap_script.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>
#include <signal.h>

#define LIST_OLD "LIST \"\" \"user/john/*@example.org\""
#define LIST_OLD_BARE "LIST \"\" \"user/john/*\""
#define LIST_NEW "LIST \"\" \"user/johnny/*@example.org\""
#define OWNED_BY(name, login) "* ACL " name " " login " lrswipkxtecdan\r\n"

static const struct {
    const char *why;
    bool shared;
    const Turn script[5];
    bool whole;
} RENAMES[] = {
    {"nothing is left", false,
     {NAMESPACE, {LIST_NEW, {LISTED("user/johnny/a@example.org")}}, {"GETACL", {OWNED_BY("x", "johnny@example.org")}}}, true},
    {"a folder is left", false, {NAMESPACE, {LIST_OLD, {LISTED("user/john/b@example.org")}}}, false},
    {"only a name of folders is left", false,
     {NAMESPACE, {LIST_OLD, {"* LIST (\\NonExistent \\HasChildren) \"/\" user/john/b@example.org\r\n"}}}, true},
    {"a folder of the default domain is left", false, {NAMESPACE, {LIST_OLD_BARE, {LISTED("user/john/b")}}}, false},
    {"somebody of the default domain has that folder", false,
     {NAMESPACE, {LIST_OLD_BARE, {LISTED("user/john/b")}}, {"GETACL \"user/john/b@example.org\"", {ABSENT}}}, true},
    {"somebody of another domain has that folder", false,
     {NAMESPACE, {LIST_OLD_BARE, {LISTED("user/john/b@example.com")}}}, true},
    {"the quota root is left", false,
     {NAMESPACE, {"GETQUOTA \"user/john@", {"* QUOTA user/john@example.org (STORAGE 0 1000)\r\n"}}}, false},
    {"the rights in the INBOX are the old login's", false,
     {NAMESPACE, {"GETACL \"user/johnny@", {OWNED_BY("user/johnny@example.org", "john@example.org")}}}, false},
    {"the rights in a folder are the old login's", false,
     {NAMESPACE, {LIST_NEW, {LISTED("user/johnny/a@example.org")}},
      {"GETACL \"user/johnny/a@", {OWNED_BY("user/johnny/a@example.org", "john@example.org")}}}, false},
    {"they are, in the default domain", false, {NAMESPACE, {"GETACL \"user/johnny@", {OWNED_BY("user/johnny", "john")}}}, false},
    {"a folder was removed meanwhile", false,
     {NAMESPACE, {LIST_NEW, {LISTED("user/johnny/a@example.org")}}, {"GETACL \"user/johnny/a@", {ABSENT}}}, true},
    {"something is left below a shared one", true,
     {NAMESPACE, {"LIST \"\" \"shared/Team/*@", {LISTED("shared/Team/a@example.org")}}}, false},
    {"the limit of a shared one is left", true,
     {NAMESPACE, {"GETQUOTA \"shared/Team@", {"* QUOTA shared/Team@example.org (STORAGE 0 1000)\r\n"}}}, false},
    {"nothing of a shared one is left", true, {NAMESPACE, {"GETQUOTA \"shared/Team@", {"* QUOTA shared/Team@example.org ()\r\n"}}}, true},
};

static Mailstore *mailstore;

static void set_up(void)
{
    open_listener(1);
    mailstore = mailstore_new(&settings, NULL, NULL, stop);
}

static void tear_down(void)
{
    mailstore_free(mailstore);
    end_script();
    close_listener();
}

START_TEST(a_rename_is_whole_when_nothing_of_the_old_name_is_left_and_nothing_is_the_old_logins)
{
    const char *from = RENAMES[_i].shared ? "shared/Team@example.org" : "user/john@example.org";
    const char *to = RENAMES[_i].shared ? "shared/Club@example.org" : "user/johnny@example.org";
    g_autoptr(GError) error = NULL;
    bool whole;

    play_script(RENAMES[_i].script);
    ck_assert_msg(mailstore_is_renamed(mailstore, NULL, from, to, &whole, &error), "%s: %s", RENAMES[_i].why,
                  error != NULL ? error->message : "");
    ck_assert_msg(whole == RENAMES[_i].whole, "%s", RENAMES[_i].why);
}
END_TEST

static const Turn SECRETIVE[] = {NAMESPACE, {"LIST", {"NO Permission denied"}}, {NULL, {NULL}}};

START_TEST(without_a_list_nobody_knows)
{
    g_autoptr(GError) error = NULL;
    bool whole;

    play_script(SECRETIVE);
    ck_assert(!mailstore_is_renamed(mailstore, NULL, "user/john@example.org", "user/johnny@example.org", &whole, &error));
    ck_assert_int_eq(fault_of(error), FAULT_PARK);
    ck_assert_ptr_nonnull(strstr(error->message, "list what is below the mailbox"));
}
END_TEST

#define GONE {"DELETE \"user/john@", {ABSENT}}

static const struct {
    const char *why;
    const Turn script[6];
    const char *problem; /* NULL: it is deleted */
} DELETIONS[] = {
    {"nothing is left", {NAMESPACE, GONE}, NULL},
    {"a folder that is left is deleted", {NAMESPACE, GONE, {LIST_OLD, {LISTED("user/john/b@example.org")}}}, NULL},
    {"a folder that is left stays", {NAMESPACE, GONE, {LIST_OLD, {LISTED("user/john/b@example.org")}},
                                     {"DELETE \"user/john/b@example.org\"", {"NO Permission denied"}}}, "Permission denied"},
    {"one of the default domain stays", {NAMESPACE, GONE, {LIST_OLD_BARE, {LISTED("user/john/b")}},
                                         {"DELETE \"user/john/b@example.org\"", {"NO Permission denied"}}}, "Permission denied"},
    {"another domain's is left alone", {NAMESPACE, GONE, {LIST_OLD_BARE, {LISTED("user/john/b")}},
                                        {"GETACL \"user/john/b@example.org\"", {ABSENT}}, {"DELETE", {"NO Permission denied"}}}, NULL},
    {"the limit stays", {NAMESPACE, GONE, {"GETQUOTA", {"* QUOTA user/john@example.org (STORAGE 0 1000)\r\n"}},
                         {"SETQUOTA \"user/john@example.org\" ()", {"NO Permission denied"}}}, "lift the quota"},
};

START_TEST(a_mailbox_that_is_not_there_is_deleted_with_what_is_left_below_it)
{
    g_autoptr(GError) error = NULL;
    bool deleted;

    play_script(DELETIONS[_i].script);
    deleted = mailstore_delete(mailstore, "user/john@example.org", &error);
    ck_assert_msg(deleted == (DELETIONS[_i].problem == NULL), "%s", DELETIONS[_i].why);
    if (!deleted)
        ck_assert_ptr_nonnull(strstr(error->message, DELETIONS[_i].problem));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unfinished");
    TCase *tests = tcase_create("left behind");

    signal(SIGPIPE, SIG_IGN);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_rename_is_whole_when_nothing_of_the_old_name_is_left_and_nothing_is_the_old_logins, 0,
                        G_N_ELEMENTS(RENAMES));
    tcase_add_test(tests, without_a_list_nobody_knows);
    tcase_add_loop_test(tests, a_mailbox_that_is_not_there_is_deleted_with_what_is_left_below_it, 0, G_N_ELEMENTS(DELETIONS));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
