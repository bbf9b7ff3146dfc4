#include "answers.h"
#include "imap/observe_shared.h"
#include "model/fault.h"
#include "model/mailbox_name.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define URI "imaps://imap.example.org"
#define TYPE "/shared/vendor/kolab/folder-type"
#define THERE "* METADATA x (\"/shared/vendor/cmu/cyrus-imapd/partition\" \"default\" \"" TYPE "\" \"event\")\r\nk OK Completed\r\n"
#define UNTYPED "* METADATA x (\"/shared/vendor/cmu/cyrus-imapd/partition\" \"default\" \"" TYPE "\" NIL)\r\nk OK Completed\r\n"
#define RIGHTS "* ACL x anyone lrs jane@example.org lrswipkxtecda\r\nk OK Completed\r\n"
#define LIMIT "* QUOTA shared/Crew@example.org (STORAGE 1 500)\r\nk OK Completed\r\n"
#define ABSENT "k NO Mailbox does not exist\r\n"

static const Namespace admin = {.separator = '/', .prefix = (char *)""};

static Account *team(void)
{
    Account *account = account_new();

    account->mailbox = g_strdup("shared/Gr\xc3\xb6\xc3\x9f" "e/Team@example.org");
    g_ptr_array_add(account->metadata, metadata_new(TYPE, "event"));
    return account;
}

static void answer(GPtrArray *commands, const char *wire)
{
    ck_assert_uint_eq(answer_commands(commands, wire, strlen(wire)), commands->len);
}

START_TEST(all_is_asked_for_without_a_list)
{
    g_autoptr(Account) account = team();
    g_autoptr(GPtrArray) commands = observe_shared_commands(&admin, account, "shared/Crew@example.org");
    static const char *const expected[] = {
        "GETMETADATA \"shared/Gr&APYA3w-e/Team@example.org\" (\"/shared/vendor/cmu/cyrus-imapd/partition\" \"" TYPE "\")",
        "GETACL \"shared/Gr&APYA3w-e/Team@example.org\"",
        "GETMETADATA \"shared/Crew@example.org\" (\"/shared/vendor/cmu/cyrus-imapd/partition\" \"" TYPE "\")",
        "GETACL \"shared/Crew@example.org\"",
        "GETQUOTA \"shared/Crew@example.org\"",
    };

    ck_assert_uint_eq(commands->len, G_N_ELEMENTS(expected));
    for (guint i = 0; i < commands->len; i++)
        ck_assert_str_eq(((ImapCommand *)g_ptr_array_index(commands, i))->line->str, expected[i]);
}
END_TEST

typedef struct {
    const char *wire;
    bool exists;
    bool previous_exists;
    const char *type;   /* NULL: none */
    const char *anyone; /* NULL: no rights, or not known */
    bool acl_known;
} Row;

static const Row rows[] = {
    {THERE RIGHTS ABSENT ABSENT, true, false, "event", "lrs", true},
    {UNTYPED RIGHTS ABSENT ABSENT, true, false, NULL, "lrs", true},
    {ABSENT ABSENT THERE RIGHTS, false, true, "event", "lrs", true},
    {THERE RIGHTS UNTYPED "* ACL x anyone p\r\nk OK Completed\r\n", true, true, "event", "lrs", true},
    {ABSENT ABSENT ABSENT ABSENT, false, false, NULL, NULL, false},
    {THERE "* ACL x\r\nk OK Completed\r\n" ABSENT ABSENT, true, false, "event", NULL, true},
    {THERE "* ACL x anyone\r\nk OK Completed\r\n" ABSENT ABSENT, true, false, "event", NULL, true},
    {THERE "* ACL x {6}\r\nanyone \"lrs\"\r\nk OK Completed\r\n" ABSENT ABSENT, true, false, "event", "lrs", true},
};

START_TEST(a_shared_mailbox_is_read_as_the_server_answers)
{
    const Row *row = &rows[_i];
    g_autoptr(Account) account = team();
    g_autoptr(GPtrArray) commands = observe_shared_commands(&admin, account, "shared/Crew@example.org");
    g_autoptr(Observed) observed = observed_new();
    g_autofree char *wire = g_strconcat(row->wire, LIMIT, NULL);
    bool renamed = row->previous_exists && !row->exists;
    g_autoptr(GError) error = NULL;

    answer(commands, wire);
    ck_assert(observe_shared_answers(URI, commands, true, false, observed, &error));
    ck_assert(observed->mailbox_exists == row->exists && observed->previous_exists == row->previous_exists);
    ck_assert_str_eq(g_hash_table_lookup(observed->metadata, TYPE) != NULL ? g_hash_table_lookup(observed->metadata, TYPE) : "",
                     row->type != NULL ? row->type : "");
    ck_assert_str_eq(g_hash_table_lookup(observed->acl, "anyone") != NULL ? g_hash_table_lookup(observed->acl, "anyone") : "",
                     row->anyone != NULL ? row->anyone : "");
    ck_assert(observed->acl_known == row->acl_known);
    ck_assert_int_eq(observed->quota_kib, renamed ? 500 : QUOTA_UNLIMITED);
}
END_TEST

START_TEST(somebody_may_be_called_nil)
{
    g_autoptr(Account) account = team();
    g_autoptr(GPtrArray) commands = observe_shared_commands(&admin, account, NULL);
    g_autoptr(Observed) observed = observed_new();

    answer(commands, THERE "* ACL x nil lrs\r\nk OK Completed\r\n");
    ck_assert(observe_shared_answers(URI, commands, false, false, observed, NULL));
    ck_assert_str_eq(g_hash_table_lookup(observed->acl, "nil"), "lrs");
}
END_TEST

START_TEST(a_mailbox_that_somebody_leaves_counts_as_gone)
{
    g_autoptr(Account) account = team();
    g_autoptr(GPtrArray) commands = observe_shared_commands(&admin, account, "shared/Crew@example.org");
    g_autoptr(Observed) observed = observed_new();

    answer(commands, THERE RIGHTS UNTYPED "* ACL x anyone p\r\nk OK Completed\r\n" LIMIT);
    ck_assert(observe_shared_answers(URI, commands, true, true, observed, NULL));
    ck_assert(!observed->mailbox_exists && observed->previous_exists);
    ck_assert_str_eq(g_hash_table_lookup(observed->acl, "anyone"), "p");
}
END_TEST

/* An error taken for "absent" would create; taken for "no rights" it would give what somebody else took away. */
static const char *const refusals[] = {
    "k NO Permission denied\r\n" RIGHTS ABSENT ABSENT LIMIT,
    "k BAD Mailbox does not exist\r\n" RIGHTS ABSENT ABSENT LIMIT,
    THERE "k NO Permission denied\r\n" ABSENT ABSENT LIMIT,
    THERE RIGHTS "k NO Operation is not supported on mailbox\r\n" ABSENT LIMIT,
    ABSENT ABSENT THERE RIGHTS "k NO Permission denied\r\n",
};

START_TEST(what_is_refused_is_an_error)
{
    g_autoptr(Account) account = team();
    g_autoptr(GPtrArray) commands = observe_shared_commands(&admin, account, "shared/Crew@example.org");
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;

    answer(commands, refusals[_i]);
    ck_assert(!observe_shared_answers(URI, commands, true, false, observed, &error));
    ck_assert_int_eq(fault_of(error), FAULT_PARK);
    ck_assert(g_str_has_prefix(error->message, URI ": "));
}
END_TEST

START_TEST(a_mailbox_that_goes_between_two_questions_is_looked_at_again)
{
    g_autoptr(Account) account = team();
    g_autoptr(GPtrArray) commands = observe_shared_commands(&admin, account, NULL);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;

    answer(commands, THERE ABSENT);
    ck_assert(!observe_shared_answers(URI, commands, false, false, observed, &error));
    ck_assert_int_eq(fault_of(error), FAULT_RETRY);
}
END_TEST

typedef struct {
    const char *wire;
    guint missing;
    const char *anyone;
    bool acl_known;
} Parents;

static const Parents parents_rows[] = {
    {THERE RIGHTS THERE "* ACL x anyone p\r\nk OK Completed\r\n", 0, "p", true},
    {THERE RIGHTS ABSENT ABSENT, 1, "lrs", true},
    {ABSENT ABSENT ABSENT ABSENT, 2, "lrs", false}, /* Cyrus' default */
};

START_TEST(a_new_mailbox_will_have_the_rights_of_the_last_parent_that_is_there)
{
    const Parents *row = &parents_rows[_i];
    g_autoptr(GPtrArray) parents = mailbox_name_parents("shared/A/B@example.org");
    g_autoptr(GPtrArray) commands = observe_parents_commands(&admin, parents);
    g_autoptr(Observed) observed = observed_new();

    answer(commands, row->wire);
    ck_assert(observe_parents_answers(URI, commands, parents, observed, NULL));
    ck_assert_uint_eq(observed->missing_parents->len, row->missing);
    ck_assert_str_eq(g_hash_table_lookup(observed->acl, "anyone"), row->anyone);
    ck_assert(observed->acl_known == row->acl_known);
}
END_TEST

START_TEST(a_parent_that_is_refused_is_an_error)
{
    g_autoptr(GPtrArray) parents = mailbox_name_parents("shared/A@example.org");
    g_autoptr(GPtrArray) commands = observe_parents_commands(&admin, parents);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;

    answer(commands, "k NO Permission denied\r\n" ABSENT);
    ck_assert(!observe_parents_answers(URI, commands, parents, observed, &error));
    ck_assert_int_eq(fault_of(error), FAULT_PARK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("observe_shared");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, all_is_asked_for_without_a_list);
    tcase_add_loop_test(tcase, a_shared_mailbox_is_read_as_the_server_answers, 0, G_N_ELEMENTS(rows));
    tcase_add_test(tcase, somebody_may_be_called_nil);
    tcase_add_test(tcase, a_mailbox_that_somebody_leaves_counts_as_gone);
    tcase_add_loop_test(tcase, what_is_refused_is_an_error, 0, G_N_ELEMENTS(refusals));
    tcase_add_test(tcase, a_mailbox_that_goes_between_two_questions_is_looked_at_again);
    tcase_add_loop_test(tcase, a_new_mailbox_will_have_the_rights_of_the_last_parent_that_is_there, 0, G_N_ELEMENTS(parents_rows));
    tcase_add_test(tcase, a_parent_that_is_refused_is_an_error);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
