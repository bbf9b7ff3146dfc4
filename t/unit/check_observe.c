#include "answers.h"
#include "imap/observe.h"
#include "imap/observe_folders.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define URI "imaps://imap.example.org"
#define MAILBOX "user/jane@example.org"
#define PREVIOUS "user/hand@example.org"
#define THERE "* METADATA x (/shared/vendor/cmu/cyrus-imapd/partition default)\r\nk OK Completed\r\n"
#define ABSENT "k NO Mailbox does not exist\r\n"
#define NO_ROOT "k NO Quota root does not exist\r\n"

static const Namespace admin = {.separator = '/', .prefix = (char *)""};

static void answer(GPtrArray *commands, const char *wire)
{
    ck_assert_uint_eq(answer_commands(commands, wire, strlen(wire)), commands->len);
}

static void assert_refused(bool refused, const GError *error)
{
    ck_assert(refused);
    ck_assert_ptr_nonnull(error);
    /* What is unavailable is an error that may pass, as trouble with a disk. */
    ck_assert_int_eq(fault_of(error), strstr(error->message, "right now") != NULL || strstr(error->message, "I/O") != NULL ? FAULT_RETRY
                                                                                                                         : FAULT_PARK);
    ck_assert(g_str_has_prefix(error->message, URI ": "));
    ck_assert(g_utf8_validate(error->message, -1, NULL));
}

/* ---- mailbox and quota ---- */

static const struct {
    const char *wire;
    bool exists;
    gint64 quota_kib;
} mailboxes[] = {
    {THERE "* QUOTA user/jane@example.org (STORAGE 5 1024)\r\nk OK Completed\r\n", true, 1024},
    {THERE "* QUOTA user/jane@example.org (storage 5 0)\r\nk OK Completed\r\n", true, 0},
    {THERE "* QUOTA \"a (b\" (MESSAGE 1 2 STORAGE 5 9007199254740993)\r\nk OK Completed\r\n", true, 9007199254740993},
    {THERE "* QUOTA x (MESSAGE 1 2)\r\nk OK Completed\r\n", true, QUOTA_UNLIMITED},
    {THERE "* QUOTA x ()\r\nk OK Completed\r\n", true, QUOTA_UNLIMITED},
    {THERE "k OK Completed\r\n", true, QUOTA_UNLIMITED},
    {THERE "* 3 EXISTS\r\n* QUOTAROOT x y\r\n* QUOTA x (STORAGE 5 7)\r\nk OK Completed\r\n", true, 7},
    {THERE NO_ROOT, true, QUOTA_UNLIMITED},
    {THERE "k NO [NONEXISTENT] nothing there\r\n", true, QUOTA_UNLIMITED},
    {"k OK Completed\r\n" NO_ROOT, true, QUOTA_UNLIMITED}, /* no partition shown: it exists all the same */
    {ABSENT ABSENT, false, QUOTA_UNLIMITED},
    {ABSENT NO_ROOT, false, QUOTA_UNLIMITED},
    {"k NO [NONEXISTENT] Unknown\r\n" ABSENT, false, QUOTA_UNLIMITED},
    {"k NO [nonexistent]\r\n" ABSENT, false, QUOTA_UNLIMITED},
    {"k no mailbox does not exist\r\n" ABSENT, false, QUOTA_UNLIMITED},
};

START_TEST(a_mailbox_and_its_quota_are_read)
{
    g_autoptr(GPtrArray) commands = observe_mailbox_commands(&admin, MAILBOX, NULL);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;

    answer(commands, mailboxes[_i].wire);
    ck_assert(observe_mailbox_answers(URI, commands, false, observed, &error));
    ck_assert_ptr_null(error);
    ck_assert(observed->mailbox_exists == mailboxes[_i].exists);
    ck_assert(!observed->previous_exists);
    ck_assert(observed->quota_known);
    ck_assert_int_eq(observed->quota_kib, mailboxes[_i].quota_kib);
    ck_assert(!observed->folders_known);
}
END_TEST

static const char *const unreadable_limits[] = {"abc", "-5", "99999999999999999999", "(1)", "NIL"};

START_TEST(on_a_murder_a_mailbox_that_is_not_where_it_should_be_is_looked_for_again_and_has_no_quota)
{
    g_autoptr(GPtrArray) commands = observe_quota_commands(&admin, MAILBOX);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;
    bool there = mailboxes[_i].exists;

    observed->server = g_strdup("backend1.example.org");
    answer(commands, mailboxes[_i].wire);
    ck_assert(observe_quota_answers(URI, commands, observed, &error) == there);
    ck_assert(observed->quota_known == there);
    if (there)
        ck_assert_int_eq(observed->quota_kib, mailboxes[_i].quota_kib);
    else
        ck_assert(g_error_matches(error, FAULT, FAULT_RETRY));
}
END_TEST

START_TEST(what_a_backend_refuses_is_an_error_that_passes_when_the_mailbox_is_just_being_moved)
{
    g_autoptr(GPtrArray) commands = observe_quota_commands(&admin, MAILBOX);
    g_autoptr(GPtrArray) again = observe_quota_commands(&admin, MAILBOX);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) moved = NULL;
    g_autoptr(GError) refused = NULL;

    answer(commands, "k NO Mailbox has been moved to another server\r\n" NO_ROOT);
    ck_assert(!observe_quota_answers(URI, commands, observed, &moved));
    ck_assert(g_error_matches(moved, FAULT, FAULT_RETRY));
    answer(again, "k NO Permission denied\r\n" NO_ROOT);
    ck_assert(!observe_quota_answers(URI, again, observed, &refused));
    ck_assert(g_error_matches(refused, FAULT, FAULT_PARK));
}
END_TEST

START_TEST(a_limit_that_cannot_be_read_is_an_error_and_not_no_limit)
{
    g_autoptr(GPtrArray) commands = observe_mailbox_commands(&admin, MAILBOX, NULL);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *wire = g_strdup_printf(THERE "* QUOTA x (STORAGE 5 %s)\r\nk OK Completed\r\n", unreadable_limits[_i]);

    answer(commands, wire);
    ck_assert(!observe_mailbox_answers(URI, commands, false, observed, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_RETRY));
}
END_TEST

/* What is not recognised is an error; taken for "absent" it would create, taken for "no quota" it would overwrite. */
static const char *const refusals[] = {
    "k NO Permission denied\r\n",
    "k NO [NOPERM] Permission denied\r\n",
    "k NO [UNAVAILABLE] Mailbox does not exist right now\r\n",
    "k NO Mailbox does not exist.\r\n",
    "k NO System I/O error\r\n",
    "k NO [NONEXISTENT2] x\r\n",
    "k NO [XNONEXISTENT (a)] x\r\n",
    "k NO NONEXISTENT\r\n",
    "k NO \r\n",
    "k NO\r\n",
    "k NO M\xc3\xa4ilbox \xff\x01\r\n",
    "k BAD Mailbox does not exist\r\n",
    "k BAD [NONEXISTENT] x\r\n",
    "k BAD Unrecognized command\r\n",
};

START_TEST(a_refusal_that_is_not_recognised_is_an_error_and_never_absent)
{
    g_autoptr(GPtrArray) commands = observe_mailbox_commands(&admin, MAILBOX, NULL);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *wire = g_strconcat(refusals[_i], NO_ROOT, NULL);
    bool refused;

    answer(commands, wire);
    refused = !observe_mailbox_answers(URI, commands, false, observed, &error);
    assert_refused(refused, error);
    ck_assert(!observed->quota_known);
    ck_assert_ptr_nonnull(strstr(error->message, MAILBOX));
}
END_TEST

START_TEST(a_quota_that_is_refused_is_an_error_and_never_unlimited)
{
    g_autoptr(GPtrArray) commands = observe_mailbox_commands(&admin, MAILBOX, NULL);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *wire = g_strconcat(THERE, refusals[_i], NULL);
    bool refused;

    answer(commands, wire);
    refused = !observe_mailbox_answers(URI, commands, false, observed, &error);
    assert_refused(refused, error);
    ck_assert(!observed->quota_known);
}
END_TEST

#define QUOTA(limit) "* QUOTA x (STORAGE 0 " limit ")\r\nk OK Completed\r\n"

/* Answers in the order asked: the mailbox and its quota, the previous one and its quota. */
static const struct {
    const char *wire;
    bool exists, previous;
    gint64 quota_kib;
} renames[] = {
    {ABSENT ABSENT THERE QUOTA("7"), false, true, 7},
    {ABSENT ABSENT THERE NO_ROOT, false, true, QUOTA_UNLIMITED},
    {THERE QUOTA("5") THERE QUOTA("7"), true, true, 5},
    {THERE QUOTA("5") ABSENT ABSENT, true, false, 5},
    {ABSENT ABSENT ABSENT ABSENT, false, false, QUOTA_UNLIMITED},
};

START_TEST(before_a_rename_the_quota_of_the_previous_name_counts)
{
    g_autoptr(GPtrArray) commands = observe_mailbox_commands(&admin, MAILBOX, PREVIOUS);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;

    answer(commands, renames[_i].wire);
    ck_assert(observe_mailbox_answers(URI, commands, true, observed, &error));
    ck_assert(observed->mailbox_exists == renames[_i].exists);
    ck_assert(observed->previous_exists == renames[_i].previous);
    ck_assert_int_eq(observed->quota_kib, renames[_i].quota_kib);
}
END_TEST

START_TEST(a_previous_name_that_is_refused_is_an_error)
{
    g_autoptr(GPtrArray) commands = observe_mailbox_commands(&admin, MAILBOX, PREVIOUS);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *wire = g_strconcat(ABSENT ABSENT, refusals[_i], ABSENT, NULL);
    bool refused;

    answer(commands, wire);
    refused = !observe_mailbox_answers(URI, commands, true, observed, &error);
    assert_refused(refused, error);
    ck_assert_ptr_nonnull(strstr(error->message, PREVIOUS));
}
END_TEST

/* ---- folders ---- */

#define TYPE "/private/vendor/kolab/folder-type"
#define OK "k OK Completed\r\n"

/* "Kalender/Entwürfe" with a folder type, "Sent" without metadata. */
static GPtrArray *make_folders(void)
{
    GPtrArray *folders = g_ptr_array_new_with_free_func((GDestroyNotify)folder_free);
    Folder *calendar = folder_new("Kalender/Entw\xc3\xbcrfe");

    g_ptr_array_add(calendar->metadata, metadata_new(TYPE, "event"));
    g_ptr_array_add(calendar->metadata, metadata_new("/shared/vendor/kolab/color", "ff0000"));
    g_ptr_array_add(folders, calendar);
    g_ptr_array_add(folders, folder_new("Sent"));
    return folders;
}

/* What asks for all of them, and for the subscriptions. */
static GPtrArray *ask_for(const Namespace *names, GPtrArray *folders)
{
    g_autoptr(Observed) nothing = observed_new();

    return observe_folders_commands(names, folders, nothing, false, true);
}

static const struct {
    Namespace names;
    const char *first, *second;
} spellings[] = {
    {{'/', (char *)""}, "Kalender/Entw&APw-rfe", "Sent"},
    {{'/', (char *)"INBOX/"}, "INBOX/Kalender/Entw&APw-rfe", "INBOX/Sent"},
    {{'.', (char *)"INBOX."}, "INBOX.Kalender.Entw&APw-rfe", "INBOX.Sent"},
};

START_TEST(folders_are_asked_for_by_their_names_on_the_wire)
{
    g_autoptr(GPtrArray) folders = make_folders();
    g_autoptr(GPtrArray) commands = ask_for(&spellings[_i].names, folders);
    g_autofree char *first =
        g_strdup_printf("GETMETADATA \"%s\" (\"" TYPE "\" \"/shared/vendor/kolab/color\")", spellings[_i].first);
    g_autofree char *second = g_strdup_printf("GETMETADATA \"%s\" (\"/shared/comment\")", spellings[_i].second);
    const char *const expected[] = {"LSUB \"\" \"*\"", first, second};

    ck_assert_uint_eq(commands->len, G_N_ELEMENTS(expected));
    for (guint i = 0; i < commands->len; i++)
        ck_assert_str_eq(((ImapCommand *)g_ptr_array_index(commands, i))->line->str, expected[i]);
}
END_TEST

/* What was read, to compare with: "Sent+ name=value, ..." sorted; "+" is subscribed. */
static char *print_folders(const Observed *observed)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(observed->folders), (GCompareFunc)strcmp);

    for (GList *name = names; name != NULL; name = name->next) {
        const ObservedFolder *folder = g_hash_table_lookup(observed->folders, name->data);
        g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(folder->metadata), (GCompareFunc)strcmp);

        ck_assert(folder->exists);
        g_string_append_printf(out, "%s%s%s", out->len > 0 ? ", " : "", (char *)name->data, folder->subscribed ? "+" : "");
        for (GList *key = keys; key != NULL; key = key->next)
            g_string_append_printf(out, " %s=%s", (char *)key->data,
                                   (char *)g_hash_table_lookup(folder->metadata, key->data));
    }
    return g_string_free(out, FALSE);
}

#define CALENDAR "Kalender/Entw\xc3\xbcrfe"
#define SUBSCRIBED "* LSUB () \"/\" Kalender/Entw&APw-rfe\r\n"
#define META(entries) "* METADATA x (" entries ")\r\nk OK Completed\r\n"

static const struct {
    const char *wire;
    const char *expected;
} answers[] = {
    {OK OK OK, CALENDAR ", Sent"},
    {OK ABSENT ABSENT, ""},
    {OK ABSENT OK, "Sent"},
    {SUBSCRIBED OK OK OK, CALENDAR "+, Sent"},
    {"* LSUB (\\HasNoChildren) \"/\" \"Sent\"\r\n" OK OK OK, CALENDAR ", Sent+"},
    {"* LSUB () \"/\" {4}\r\nSent\r\n" SUBSCRIBED OK OK OK, CALENDAR "+, Sent+"},
    {SUBSCRIBED OK ABSENT OK, "Sent"}, /* subscribed, and gone */
    {"* LSUB () \"/\" NIL\r\n* LSUB () \"/\" (Sent)\r\n* LSUB () \"/\"\r\n* LSUB Sent\r\n* LSUB () NIL sent\r\n" OK OK OK,
     CALENDAR ", Sent"},
    {"* LIST () \"/\" Sent\r\n" OK OK OK, CALENDAR ", Sent"},
    {OK META(TYPE " event") OK, CALENDAR " " TYPE "=event, Sent"},
    {OK META(TYPE " \"event\" /shared/vendor/kolab/color {6}\r\nff0000") OK,
     CALENDAR " " TYPE "=event /shared/vendor/kolab/color=ff0000, Sent"},
    {OK META(TYPE " NIL /shared/vendor/kolab/color \"\"") OK, CALENDAR " /shared/vendor/kolab/color=, Sent"},
    {OK META(TYPE " \"NIL\"") OK, CALENDAR " " TYPE "=NIL, Sent"},
    {OK META(TYPE) OK, CALENDAR ", Sent"},
    {OK META(TYPE " (event)") OK, CALENDAR ", Sent"},
    {OK META("NIL event (a) b " TYPE " event") OK, CALENDAR " " TYPE "=event, Sent"},
    {OK "* METADATA x " TYPE "\r\n* METADATA x\r\n* METADATA\r\n* 3 EXISTS\r\n* (METADATA x)\r\n" OK OK, CALENDAR ", Sent"},
    {OK "* METADATA x (" TYPE " event)\r\n" META("/shared/vendor/kolab/color a") OK,
     CALENDAR " " TYPE "=event /shared/vendor/kolab/color=a, Sent"},
};

START_TEST(folders_are_read_as_the_server_answers)
{
    g_autoptr(GPtrArray) folders = make_folders();
    g_autoptr(GPtrArray) commands = ask_for(&admin, folders);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *seen = NULL;

    answer(commands, answers[_i].wire);
    ck_assert(observe_folders_answers(URI, &admin, commands, folders, true, observed, &error));
    seen = print_folders(observed);
    ck_assert_str_eq(seen, answers[_i].expected);
    ck_assert(observed->folders_known);
}
END_TEST

/* Subscriptions that are refused for a reason that means "absent" of a mailbox, too. */
START_TEST(a_folder_or_the_subscriptions_that_are_refused_are_an_error)
{
    const char *const places[] = {"%s" OK OK, OK "%s" OK, OK OK "%s"};

    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autoptr(GPtrArray) folders = make_folders();
        g_autoptr(GPtrArray) commands = ask_for(&admin, folders);
        g_autoptr(Observed) observed = observed_new();
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) parts = g_strsplit(places[i], "%s", -1);
        g_autofree char *wire = g_strjoinv(refusals[_i], parts);
        bool refused;

        answer(commands, wire);
        refused = !observe_folders_answers(URI, &admin, commands, folders, true, observed, &error);
        assert_refused(refused, error);
        ck_assert(!observed->folders_known);
    }
}
END_TEST

#define LISTED(name) "* LIST (\\Subscribed \\HasNoChildren) \"/\" " name "\r\n"
#define KALENDER "Kalender/Entw&APw-rfe"

static const struct {
    const char *wire;
    const char *expected; /* NULL: the server does not answer it */
} lists[] = {
    {OK, ""},
    {LISTED(KALENDER) LISTED("\"Sent\"") OK, CALENDAR "+, Sent+"},
    {LISTED("Sent") "* METADATA Sent (" TYPE " mail)\r\n" LISTED(KALENDER) "* METADATA \"" KALENDER "\" (" TYPE " event)\r\n" OK,
     CALENDAR "+ " TYPE "=event, Sent+ " TYPE "=mail"},
    {LISTED(KALENDER) "* METADATA " KALENDER " (" TYPE " NIL)\r\n" OK, CALENDAR "+"},
    {"* METADATA Sent (" TYPE " mail)\r\n" LISTED(KALENDER) OK, CALENDAR "+"},
    {"* LIST (\\NonExistent \\Subscribed) \"/\" Sent\r\n" LISTED(KALENDER) OK, CALENDAR "+"},
    {"* LIST (\\Subscribed \\nonexistent) \"/\" Sent\r\n" OK, ""},
    {"* LIST (\"\\\\NonExistent\" (x) NIL) \"/\" Sent\r\n* LIST (NIL (x)) \"/\" " KALENDER "\r\n" OK, CALENDAR "+"},
    {LISTED("Other") LISTED("NIL") LISTED("(Sent)") "* LIST () NIL\r\n* LIST\r\n" OK, ""},
    {"* LSUB () \"/\" Sent\r\n" OK, ""},
    {LISTED("Sent") "* METADATA (Sent) (" TYPE " mail)\r\n* METADATA NIL (" TYPE " mail)\r\n* METADATA Sent\r\n" OK, "Sent+"},
    {LISTED("Sent") "k NO Not now\r\n", NULL},
    {LISTED("Sent") "k BAD What?\r\n", NULL},
};

START_TEST(subscribed_folders_are_read_from_one_list)
{
    g_autoptr(GPtrArray) folders = make_folders();
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    g_autoptr(GPtrArray) rest = NULL;
    g_autoptr(Observed) observed = observed_new();
    g_autofree char *seen = NULL;
    bool answered;

    g_ptr_array_add(commands, observe_list_command(folders, true));
    ck_assert_str_eq(((ImapCommand *)g_ptr_array_index(commands, 0))->line->str, "LIST (SUBSCRIBED) \"\" \"*\" RETURN (METADATA "
                     "(\"" TYPE "\" \"/shared/vendor/kolab/color\"))");
    answer(commands, lists[_i].wire);
    answered = observe_list_answer(&admin, g_ptr_array_index(commands, 0), folders, observed);
    ck_assert(answered == (lists[_i].expected != NULL));
    seen = print_folders(observed);
    ck_assert_str_eq(seen, answered ? lists[_i].expected : "");
    ck_assert(!observed->folders_known);
    rest = observe_folders_commands(&admin, folders, observed, true, !answered);
    ck_assert_uint_eq(rest->len, folders->len - g_hash_table_size(observed->folders) + (answered ? 0 : 1));
}
END_TEST

START_TEST(what_the_list_did_not_show_is_asked_for_and_is_not_subscribed)
{
    g_autoptr(GPtrArray) folders = make_folders();
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    g_autoptr(GPtrArray) rest = NULL;
    g_autoptr(Observed) observed = observed_new();
    g_autofree char *seen = NULL;

    g_ptr_array_add(list, observe_list_command(folders, false));
    answer(list, LISTED("Sent") OK);
    ck_assert(observe_list_answer(&admin, g_ptr_array_index(list, 0), folders, observed));
    rest = observe_folders_commands(&admin, folders, observed, false, false);
    ck_assert_uint_eq(rest->len, 1);
    ck_assert_str_eq(((ImapCommand *)g_ptr_array_index(rest, 0))->line->str,
                     "GETMETADATA \"" KALENDER "\" (\"" TYPE "\" \"/shared/vendor/kolab/color\")");
    answer(rest, META(TYPE " event"));
    ck_assert(observe_folders_answers(URI, &admin, rest, folders, false, observed, NULL));
    seen = print_folders(observed);
    ck_assert_str_eq(seen, CALENDAR " " TYPE "=event, Sent+");
    ck_assert(observed->folders_known);
}
END_TEST

START_TEST(folders_without_metadata_are_listed_without)
{
    g_autoptr(GPtrArray) folders = g_ptr_array_new_with_free_func((GDestroyNotify)folder_free);
    g_autoptr(ImapCommand) command = NULL;

    g_ptr_array_add(folders, folder_new("Archive"));
    command = observe_list_command(folders, true);
    ck_assert_str_eq(command->line->str, "LIST (SUBSCRIBED) \"\" \"*\"");
}
END_TEST

START_TEST(no_subscriptions_is_ok_and_nothing_else)
{
    g_autoptr(GPtrArray) folders = make_folders();
    g_autoptr(GPtrArray) commands = ask_for(&admin, folders);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(GError) error = NULL;
    bool refused;

    answer(commands, ABSENT OK OK);
    refused = !observe_folders_answers(URI, &admin, commands, folders, true, observed, &error);
    assert_refused(refused, error);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("observe");
    TCase *mailbox = tcase_create("mailbox"), *folder = tcase_create("folders");

    tcase_add_loop_test(mailbox, a_mailbox_and_its_quota_are_read, 0, G_N_ELEMENTS(mailboxes));
    tcase_add_loop_test(mailbox, on_a_murder_a_mailbox_that_is_not_where_it_should_be_is_looked_for_again_and_has_no_quota, 0,
                        G_N_ELEMENTS(mailboxes));
    tcase_add_test(mailbox, what_a_backend_refuses_is_an_error_that_passes_when_the_mailbox_is_just_being_moved);
    tcase_add_loop_test(mailbox, a_limit_that_cannot_be_read_is_an_error_and_not_no_limit, 0,
                        G_N_ELEMENTS(unreadable_limits));
    tcase_add_loop_test(mailbox, a_refusal_that_is_not_recognised_is_an_error_and_never_absent, 0, G_N_ELEMENTS(refusals));
    tcase_add_loop_test(mailbox, a_quota_that_is_refused_is_an_error_and_never_unlimited, 0, G_N_ELEMENTS(refusals));
    tcase_add_loop_test(mailbox, before_a_rename_the_quota_of_the_previous_name_counts, 0, G_N_ELEMENTS(renames));
    tcase_add_loop_test(mailbox, a_previous_name_that_is_refused_is_an_error, 0, G_N_ELEMENTS(refusals));
    tcase_add_loop_test(folder, folders_are_asked_for_by_their_names_on_the_wire, 0, G_N_ELEMENTS(spellings));
    tcase_add_loop_test(folder, folders_are_read_as_the_server_answers, 0, G_N_ELEMENTS(answers));
    tcase_add_loop_test(folder, a_folder_or_the_subscriptions_that_are_refused_are_an_error, 0, G_N_ELEMENTS(refusals));
    tcase_add_test(folder, no_subscriptions_is_ok_and_nothing_else);
    tcase_add_loop_test(folder, subscribed_folders_are_read_from_one_list, 0, G_N_ELEMENTS(lists));
    tcase_add_test(folder, what_the_list_did_not_show_is_asked_for_and_is_not_subscribed);
    tcase_add_test(folder, folders_without_metadata_are_listed_without);
    suite_add_tcase(suite, mailbox);
    suite_add_tcase(suite, folder);
    return run_suite(suite);
}
