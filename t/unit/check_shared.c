#include "entries.h"
#include "model/acl.h"
#include "model/fault.h"
#include "model/mailbox_name.h"
#include "policy/decide.h"
#include "suite.h"

#include <check.h>
#include <string.h>

static bool decide(const char *lines, EntryKind kind, Account **account, GError **error)
{
    g_autoptr(DomainSettings) settings = domain_settings_new("example.org");
    g_autoptr(Entry) entry = make_entry(lines, kind);

    /* No address is ever asked for: a function that is not there would crash. */
    return policy_decide(settings, entry, NULL, NULL, account, error);
}

typedef struct {
    const char *value;
    const char *mailbox; /* NULL: set aside, with */
    const char *rule;
} Name;

static const Name names[] = {
    {"Team", "shared/Team@example.org", NULL},
    {"Team@Example.NET", "shared/Team@example.net", NULL},
    {"shared/Shared Mail@example.org", "shared/Shared Mail@example.org", NULL},
    {"shared/Team/Plans 2@example.org", "shared/Team/Plans 2@example.org", NULL},
    {"Team/Plans", "shared/Team/Plans@example.org", NULL},
    {"shared/shared@example.org", "shared/shared@example.org", NULL},
    {"Gr\xc3\xb6\xc3\x9f" "e & Ma\xc3\x9f", "shared/Gr\xc3\xb6\xc3\x9f" "e & Ma\xc3\x9f@example.org", NULL},
    {"Gro\xcc\x88\xc3\x9f" "e", "shared/Gr\xc3\xb6\xc3\x9f" "e@example.org", NULL}, /* composed */
    {"a.b,c(d)[e]!#$'+-=?:~_&", "shared/a.b,c(d)[e]!#$'+-=?:~_&@example.org", NULL},
    {"Userland", "shared/Userland@example.org", NULL},
    {"shared/", NULL, "is empty"},
    {"@example.org", NULL, "is empty"},
    {"Team@", NULL, "nothing after"},
    {"Team@exa_mple", NULL, "a domain has only"},
    {"Team@a..b", NULL, "doubled"},
    {"Team@x@example.org", NULL, "one \"@\""},
    {"user/jane@example.org", NULL, "below \"shared/\""},
    {"User/jane@example.org", NULL, "below \"shared/\""},
    {"shared/user/jane@example.org", NULL, "below \"shared/\""},
    {"user@example.org", NULL, "below \"shared/\""},
    {"DELETED/shared/x@example.org", NULL, "below \"shared/\""},
    {"/etc/passwd", NULL, "empty"},
    {"shared//x", NULL, "empty"},
    {"Team/", NULL, "empty"},
    {"Team/../x", NULL, "\"..\""},
    {"shared/../user/jane@example.org", NULL, "\"..\""},
    {"./x", NULL, "\".\""},
    {" Team", NULL, "blank"},
    {"Team /x", NULL, "blank"},
    {"kolabd-moving-1", NULL, "kept for renaming"},
    {"shared/kolabd-moving-1/x@example.org", NULL, "kept for renaming"},
    {"Team/kolabd-moving-1", "shared/Team/kolabd-moving-1@example.org", NULL}, /* no mailbox goes there */
    {"Te*m", NULL, "Cyrus takes no"},
    {"Te%m", NULL, "Cyrus takes no"},
    {"Te\"m", NULL, "Cyrus takes no"},
    {"Te\\m", NULL, "Cyrus takes no"},
};

START_TEST(a_shared_mailbox_has_one_name_or_none)
{
    const Name *row = &names[_i];
    g_autofree char *mailbox = NULL;
    g_autoptr(GError) error = NULL;
    bool made = mailbox_name_of_shared("kolabTargetFolder", row->value, "example.org", &mailbox, &error);

    ck_assert_msg(made == (row->mailbox != NULL), "%s", row->value);
    if (made) {
        ck_assert_str_eq(mailbox, row->mailbox);
        return;
    }
    ck_assert_int_eq(fault_of(error), FAULT_PARK);
    ck_assert_msg(strstr(error->message, row->rule) != NULL && strstr(error->message, "\"kolabTargetFolder\"") != NULL, "%s",
                  error->message);
}
END_TEST

START_TEST(an_over_long_name_is_set_aside)
{
    g_autofree char *folder = g_strnfill(201, 'a');
    g_autofree char *domain = g_strnfill(255, 'a');
    g_autofree char *mailbox = NULL;

    ck_assert(!mailbox_name_of_shared("cn", folder, "example.org", &mailbox, NULL));
    ck_assert(!mailbox_name_of_shared("cn", "Team", domain, &mailbox, NULL));
}
END_TEST

START_TEST(parents_come_top_first_and_have_the_domain)
{
    g_autoptr(GPtrArray) none_above = mailbox_name_parents("shared/Team@example.org");
    g_autoptr(GPtrArray) two_above = mailbox_name_parents("shared/A/B/C@example.org");

    ck_assert_uint_eq(none_above->len, 1);
    ck_assert_str_eq(g_ptr_array_index(none_above, 0), "shared@example.org");
    ck_assert_uint_eq(two_above->len, 3);
    ck_assert_str_eq(g_ptr_array_index(two_above, 0), "shared@example.org");
    ck_assert_str_eq(g_ptr_array_index(two_above, 1), "shared/A@example.org");
    ck_assert_str_eq(g_ptr_array_index(two_above, 2), "shared/A/B@example.org");
}
END_TEST

typedef struct {
    const char *title;
    const char *entry;
    const char *mailbox;
    const char *metadata; /* value of the folder type; NULL: none */
    const char *acl;      /* "identifier=rights ..." of who has nothing */
    const char *primary;
    bool complete;
    bool takes_mail;
} Row;

static const Row rows[] = {
    {.title = "cn alone", .entry = "cn: Team", .mailbox = "shared/Team@example.org", .acl = ""},
    {.title = "the target folder goes before cn", .entry = "cn: Team\nkolabTargetFolder: shared/Other/Place@example.net",
     .mailbox = "shared/Other/Place@example.net", .acl = ""},
    {.title = "no name, no mailbox", .entry = "mail: x@example.org", .acl = "", .primary = "x@example.org", .takes_mail = true},
    {.title = "mail without a type takes mail", .entry = "cn: Team\nmail: Team@Example.org", .mailbox = "shared/Team@example.org",
     .acl = "", .primary = "team@example.org", .takes_mail = true},
    {.title = "mail of type mail takes mail", .entry = "cn: Team\nmail: t@example.org\nkolabFolderType: mail",
     .mailbox = "shared/Team@example.org", .metadata = "mail", .acl = "", .primary = "t@example.org", .takes_mail = true},
    {.title = "a sub-type of mail is mail", .entry = "cn: Team\nmail: t@example.org\nkolabFolderType: mail.inbox",
     .mailbox = "shared/Team@example.org", .metadata = "mail.inbox", .acl = "", .primary = "t@example.org", .takes_mail = true},
    {.title = "an event folder takes no mail", .entry = "cn: Car\nmail: car@example.org\nkolabFolderType: event",
     .mailbox = "shared/Car@example.org", .metadata = "event", .acl = "", .primary = "car@example.org"},
    {.title = "a type without an address takes no mail", .entry = "cn: Team\nkolabFolderType: mail",
     .mailbox = "shared/Team@example.org", .metadata = "mail", .acl = ""},
    {.title = "what is no address is left out", .entry = "cn: Team\nmail: not an address\nmail: t@example.org",
     .mailbox = "shared/Team@example.org", .acl = "", .primary = "t@example.org", .takes_mail = true},
    {.title = "rights", .entry = "cn: Team\nacl: Jane@example.org, lrs\nacl: anyone, +p\nacl: group:Sales, all",
     .mailbox = "shared/Team@example.org", .acl = "jane@example.org=lrs anyone=p group:Sales=lrswipkxtean", .complete = true},
};

/* In the order of the values as they are sorted in the entry. */
static char *show_acl(const GPtrArray *acl)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < acl->len; i++) {
        const AclEntry *entry = g_ptr_array_index(acl, i);
        g_autofree char *rights = acl_entry_apply(entry, NULL);

        g_string_append_printf(text, "%s%s=%s", i > 0 ? " " : "", entry->identifier, rights);
    }
    return g_string_free(text, FALSE);
}

static void check_row(const Row *row, EntryKind kind)
{
    g_autoptr(Account) account = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *acl = NULL;

    ck_assert_msg(decide(row->entry, kind, &account, &error), "%s: %s", row->title, error != NULL ? error->message : "");
    acl = show_acl(account->acl);
    ck_assert_msg(g_strcmp0(account->mailbox, row->mailbox) == 0, "%s: %s", row->title, account->mailbox);
    ck_assert_msg(g_strcmp0(account->primary, row->primary) == 0, "%s: %s", row->title, account->primary);
    ck_assert_msg(strcmp(acl, row->acl) == 0, "%s: %s", row->title, acl);
    ck_assert_msg(account->acl_complete == row->complete && account->takes_mail == row->takes_mail, "%s", row->title);
    ck_assert_uint_eq(account->metadata->len, row->metadata != NULL ? 1 : 0);
    if (row->metadata != NULL)
        ck_assert_str_eq(((Metadata *)g_ptr_array_index(account->metadata, 0))->value, row->metadata);
    ck_assert_ptr_null(account->login);
    ck_assert_uint_eq(account->attributes->len, 0); /* nothing is written to the directory */
    ck_assert_uint_eq(account->folders->len, 0);
}

START_TEST(the_account_of_a_shared_folder_is_as_the_table_says)
{
    check_row(&rows[_i], KIND_SHARED_FOLDER);
}
END_TEST

START_TEST(a_resource_is_decided_as_a_shared_folder_is)
{
    check_row(&rows[_i], KIND_RESOURCE);
}
END_TEST

static const char *const faults[][2] = {
    {"cn: Te*m", "\"cn\""},
    {"cn: Team\nkolabTargetFolder: user/jane", "\"kolabTargetFolder\""},
    {"cn: Team\nacl: jane", "\"acl\""},
    {"cn: Team\nacl: jane, xyz!", "\"acl\""},
    {"cn: Team\nacl: ja\x01ne, lrs", "\"acl\""},
    {"cn: Team\nacl: jane, lrs\nacl: JANE, +p", "two values for the subject jane"},
    {"cn: Te\x7f" "am", "\"cn\""},
};

START_TEST(bad_input_is_set_aside_with_the_attribute)
{
    g_autoptr(Account) account = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert(!decide(faults[_i][0], KIND_SHARED_FOLDER, &account, &error));
    ck_assert_int_eq(fault_of(error), FAULT_PARK);
    ck_assert_msg(strstr(error->message, faults[_i][1]) != NULL, "%s", error->message);
}
END_TEST

START_TEST(a_shared_mailbox_can_be_made_below_nothing_first)
{
    g_autofree char *outside = mailbox_name_outside("shared/Team/Plans@example.org", "ab-12");

    ck_assert_str_eq(outside, "kolabd-new-ab-12@example.org");
}
END_TEST

START_TEST(a_shared_mailbox_may_be_asked_onto_a_server_and_its_attribute_is_nobodys_to_write)
{
    g_autoptr(Account) account = NULL;

    ck_assert(decide("cn: Team\nmailHost: b2", KIND_SHARED_FOLDER, &account, NULL));
    ck_assert_str_eq(account->host_asked, "b2");
    ck_assert_str_eq(account->host_attribute, "mailHost");
    ck_assert_uint_eq(account->attributes->len, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shared");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, a_shared_mailbox_has_one_name_or_none, 0, G_N_ELEMENTS(names));
    tcase_add_test(tcase, an_over_long_name_is_set_aside);
    tcase_add_test(tcase, parents_come_top_first_and_have_the_domain);
    tcase_add_loop_test(tcase, the_account_of_a_shared_folder_is_as_the_table_says, 0, G_N_ELEMENTS(rows));
    tcase_add_loop_test(tcase, a_resource_is_decided_as_a_shared_folder_is, 0, G_N_ELEMENTS(rows));
    tcase_add_loop_test(tcase, bad_input_is_set_aside_with_the_attribute, 0, G_N_ELEMENTS(faults));
    tcase_add_test(tcase, a_shared_mailbox_can_be_made_below_nothing_first);
    tcase_add_test(tcase, a_shared_mailbox_may_be_asked_onto_a_server_and_its_attribute_is_nobodys_to_write);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
