#include "model/acl.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>
#include <string.h>

typedef struct {
    const char *value;
    const char *identifier;
    const char *rights; /* of what one asks for who has lrs */
} Accepted;

static const Accepted accepted[] = {
    {"jane@example.org, lrs", "jane@example.org", "lrs"},
    {"Jane@Example.ORG,lrs", "jane@example.org", "lrs"},
    {"  anyone ,  p  ", "anyone", "p"},
    {"ANYONE, lrs", "anyone", "lrs"},
    {"anonymous, lrs", "anonymous", "lrs"},
    {"o'neil+x@example.org, lrs", "o'neil+x@example.org", "lrs"},
    {"group:Sales, lrs", "group:Sales", "lrs"},
    {"GROUP:Sales@example.org, lrs", "group:Sales@example.org", "lrs"},
    {"-jane@example.org, w", "-jane@example.org", "w"},
    {"-group:Sales, w", "-group:Sales", "w"},
    {"jane, all", "jane", "lrswipkxtea" "n"},
    {"jane, append", "jane", "wip"},
    {"jane, full", "jane", "lrswipkxten"},
    {"jane, post", "jane", "p"},
    {"jane, read", "jane", "lrs"},
    {"jane, read-only", "jane", "lrs"},
    {"jane, read-write", "jane", "lrswiten"},
    {"jane, semi-full", "jane", "lrswit"},
    {"jane, write", "jane", "lrswite"},
    {"jane, Read-Only", "jane", "lrs"},
    {"jane, lrswipkxtecda", "jane", "lrswipkxtea"},
    {"jane, srl", "jane", "lrs"},
    {"jane, llrrss", "jane", "lrs"},
    {"jane, c", "jane", "kx"},
    {"jane, d", "jane", "te"},
    {"jane, 0189", "jane", "0189"},
    {"jane, +p", "jane", "lrsp"},
    {"jane, -s", "jane", "lr"},
    {"jane, +pw-l", "jane", "rswp"},
    {"jane, +p-p", "jane", "lrs"},
    {"jane, -p+p", "jane", "lrsp"},
    {"jane, +d", "jane", "lrste"},
    {"jane, -lrs", "jane", ""},
    {"jane, read+p", "jane", "lrsp"},
    {"jane, read-only+p", "jane", "lrsp"},
    {"jane, full-a", "jane", "lrswipkxten"},
    {"jane, all-ad", "jane", "lrswipkxn"},
    {"jane, lrs-s", "jane", "lr"},
    {"jane, +post", "jane", "lrsp"},
};

START_TEST(what_a_directory_may_say_is_understood)
{
    const Accepted *row = &accepted[_i];
    g_autoptr(AclEntry) entry = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *rights = NULL;

    ck_assert_msg(acl_parse("acl", row->value, &entry, &error), "%s: %s", row->value, error == NULL ? "" : error->message);
    rights = acl_entry_apply(entry, "lrs");
    ck_assert_str_eq(entry->identifier, row->identifier);
    ck_assert_str_eq(rights, row->rights);
}
END_TEST

typedef struct {
    const char *value;
    const char *rule; /* part of the message */
} Refused;

static const Refused refused[] = {
    {"", "subject, rights"},
    {"jane", "subject, rights"},
    {"jane lrs", "subject, rights"},
    {", lrs", "no user"},
    {"-, lrs", "no user"},
    {"--jane, lrs", "no user"},
    {"group:, lrs", "no user"},
    {"jane,", "no rights"},
    {"jane,   ", "no rights"},
    {"jane, q", "rights are"},
    {"jane, b", "rights are"},
    {"jane, L", "rights are"},
    {"jane, l r s", "rights are"},
    {"jane, lrs\xc3\xa4", "rights are"},
    {"jane, none", "rights are"},
    {"jane, readonly", "rights are"},
    {"jane, +", "no right after"},
    {"jane, lrs+", "no right after"},
    {"jane, +q", "after + or -"},
    {"jane, ++p", "no right after"},
    {"jane doe, lrs", "user's name"},
    {"\"jane\", lrs", "user's name"},
    {"ja\"ne, lrs", "user's name"},
    {"ja\\ne, lrs", "user's name"},
    {"ja*ne, lrs", "user's name"},
    {"ja%ne, lrs", "user's name"},
    {"user/jane, lrs", "user's name"},
    {"j\xc3\xa4ne, lrs", "user's name"},
    {"jane, john, lrs", "user's name"},
    {"(jane), lrs", "user's name"},
    {"jane@, lrs", "one \"@\""},
    {"@example.org, lrs", "one \"@\""},
    {"a@b@c, lrs", "one \"@\""},
    {"group:a b, lrs", "group's name"},
    {"group:a\"b, lrs", "group's name"},
    {"group:a/b, lrs", "group's name"},
};

START_TEST(what_is_no_right_or_no_subject_is_set_aside)
{
    const Refused *row = &refused[_i];
    g_autoptr(AclEntry) entry = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert_msg(!acl_parse("folderACL", row->value, &entry, &error), "%s", row->value);
    ck_assert_int_eq(fault_of(error), FAULT_PARK);
    ck_assert_msg(strstr(error->message, row->rule) != NULL, "%s: %s", row->value, error->message);
    ck_assert_msg(strstr(error->message, "\"folderACL\"") != NULL, "%s", error->message);
    ck_assert_ptr_null(entry);
}
END_TEST

START_TEST(an_over_long_subject_is_set_aside)
{
    g_autofree char *name = g_strnfill(255, 'a');
    g_autofree char *value = g_strconcat(name, ", lrs", NULL);
    g_autoptr(AclEntry) entry = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert(!acl_parse("acl", value, &entry, &error));
    ck_assert(strstr(error->message, "254") != NULL);
}
END_TEST

/* What Cyrus 3.6.1 answers to GETACL after SETACL with each short name. */
static const char *const shown_by_cyrus[][2] = {
    {"all", "lrswipkxtecdan"}, {"append", "wip"}, {"full", "lrswipkxtecdn"}, {"read", "lrs"}, {"read-only", "lrs"},
    {"read-write", "lrswitedn"}, {"post", "p"}, {"semi-full", "lrswitd"}, {"write", "lrswited"},
    {"k", "kc"}, {"x", "xc"}, {"t", "td"}, {"e", "ed"}, {"c", "kxc"}, {"d", "ted"}, {"a", "a"}, {"n", "n"}, {"5", "5"},
};

START_TEST(what_cyrus_makes_of_rights_equals_what_was_asked_for)
{
    g_autofree char *value = g_strconcat("jane, ", shown_by_cyrus[_i][0], NULL);
    g_autofree char *wanted = NULL;
    g_autofree char *shown = acl_rights_normalize(shown_by_cyrus[_i][1]);
    g_autoptr(AclEntry) entry = NULL;

    ck_assert(acl_parse("acl", value, &entry, NULL));
    wanted = acl_entry_apply(entry, NULL);
    ck_assert_str_eq(wanted, shown);
}
END_TEST

START_TEST(virtual_rights_alone_mean_what_they_stand_for)
{
    g_autofree char *c = acl_rights_normalize("lc");
    g_autofree char *d = acl_rights_normalize("ld");
    g_autofree char *derived_from_x = acl_rights_normalize("xd"); /* Cyrus with deleteright: d */
    g_autofree char *none = acl_rights_normalize(NULL);
    g_autofree char *unknown = acl_rights_normalize("l!");

    ck_assert_str_eq(c, "lkx");
    ck_assert_str_eq(d, "lte");
    ck_assert_str_eq(derived_from_x, "x");
    ck_assert_str_eq(none, "");
    ck_assert_str_eq(unknown, "l");
}
END_TEST

START_TEST(an_edit_is_of_what_the_server_has)
{
    g_autoptr(AclEntry) entry = NULL;
    g_autofree char *from_nothing = NULL;
    g_autofree char *twice = NULL;

    ck_assert(acl_parse("acl", "jane, +p-w", &entry, NULL));
    from_nothing = acl_entry_apply(entry, NULL);
    ck_assert_str_eq(from_nothing, "p");
    twice = acl_entry_apply(entry, from_nothing);
    ck_assert_str_eq(twice, "p");
}
END_TEST

START_TEST(identifiers_are_compared_without_case)
{
    ck_assert(acl_identifier_equal("group:Sales", "GROUP:sales"));
    ck_assert(!acl_identifier_equal("jane", "-jane"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("acl");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, what_a_directory_may_say_is_understood, 0, G_N_ELEMENTS(accepted));
    tcase_add_loop_test(tcase, what_is_no_right_or_no_subject_is_set_aside, 0, G_N_ELEMENTS(refused));
    tcase_add_test(tcase, an_over_long_subject_is_set_aside);
    tcase_add_loop_test(tcase, what_cyrus_makes_of_rights_equals_what_was_asked_for, 0, G_N_ELEMENTS(shown_by_cyrus));
    tcase_add_test(tcase, virtual_rights_alone_mean_what_they_stand_for);
    tcase_add_test(tcase, an_edit_is_of_what_the_server_has);
    tcase_add_test(tcase, identifiers_are_compared_without_case);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
