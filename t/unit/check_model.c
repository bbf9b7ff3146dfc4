#include "model/entry.h"
#include "model/fault.h"
#include "model/mailbox_name.h"
#include "model/server_name.h"
#include "suite.h"

#include <check.h>
#include <string.h>

static Entry *jane(void)
{
    Entry *entry = entry_new("AB-12", "uid=jane,ou=People,dc=example,dc=org", KIND_USER);

    entry_add_rdn(entry, "UID", "jane", 4);
    entry_add_value(entry, "uid", "anna", 4);
    entry_add_value(entry, "uid", "jane", 4);
    entry_add_value(entry, "Mail", "b@example.org", 13);
    entry_add_value(entry, "mail", "a@example.org", 13);
    return entry;
}

START_TEST(unique_ids_are_lower_case)
{
    g_autoptr(Entry) entry = jane();

    ck_assert_str_eq(entry_unique_id(entry), "ab-12");
}
END_TEST

START_TEST(attribute_names_are_compared_without_case)
{
    g_autoptr(Entry) entry = jane();
    g_autoptr(GPtrArray) values = NULL;

    ck_assert(entry_get_values(entry, "MAIL", &values, NULL));
    ck_assert_uint_eq(values->len, 2);
    ck_assert_str_eq(g_ptr_array_index(values, 0), "a@example.org");
}
END_TEST

START_TEST(the_value_in_the_rdn_is_the_one_value)
{
    g_autoptr(Entry) entry = jane();
    g_autofree char *value = NULL;

    ck_assert(entry_get_value(entry, "uid", &value, NULL));
    ck_assert_str_eq(value, "jane");
}
END_TEST

START_TEST(without_an_rdn_the_first_sorted_value_is_the_one)
{
    g_autoptr(Entry) entry = jane();
    g_autofree char *value = NULL;

    ck_assert(entry_get_value(entry, "mail", &value, NULL));
    ck_assert_str_eq(value, "a@example.org");
}
END_TEST

START_TEST(an_absent_attribute_is_an_answer)
{
    g_autoptr(Entry) entry = jane();
    g_autofree char *value = g_strdup("untouched");
    g_autoptr(GPtrArray) values = NULL;

    g_free(g_steal_pointer(&value));
    ck_assert(entry_get_value(entry, "sn", &value, NULL));
    ck_assert_ptr_null(value);
    ck_assert(entry_get_values(entry, "sn", &values, NULL));
    ck_assert_uint_eq(values->len, 0);
}
END_TEST

static const struct {
    const char *octets;
    gsize len;
    const char *shown;
} dirty[] = {
    {"a\0b", 3, "a\\x00b"},
    {"a\r\nDELETE x", 11, "a\\x0d\\x0aDELETE x"},
    {"\xff\xfe", 2, "\\xff\\xfe"},
    {"tab\there", 8, "tab\\x09here"},
};

START_TEST(octets_that_are_no_clean_text_park_the_entry)
{
    g_autoptr(Entry) entry = jane();
    g_autoptr(GError) error = NULL;
    char *value;

    entry_add_value(entry, "sn", dirty[_i].octets, dirty[_i].len);
    ck_assert(!entry_get_value(entry, "sn", &value, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_PARK));
    ck_assert_ptr_nonnull(strstr(error->message, "\"sn\""));
    ck_assert_ptr_nonnull(strstr(error->message, dirty[_i].shown));
}
END_TEST

START_TEST(a_fingerprint_depends_on_values_and_salt_and_not_on_their_order)
{
    g_autoptr(Entry) one = jane(), other = entry_new("ab-12", "uid=jane,ou=People,dc=example,dc=org", KIND_USER);
    g_autofree char *first = entry_fingerprint(one, "s"), *salted = entry_fingerprint(one, "t");
    g_autofree char *second = NULL, *changed = NULL;
    const char *const mails[] = {"a@example.org", "b@example.org", NULL};
    const char *const uids[] = {"jane", "anna", NULL};

    entry_set_values(other, "uid", uids);
    entry_set_values(other, "mail", mails);
    entry_set_modify_timestamp(other, "20261121080000Z");
    second = entry_fingerprint(other, "s");
    ck_assert_str_eq(first, second);
    ck_assert_str_ne(first, salted);
    entry_set_values(other, "mail", mails + 1);
    changed = entry_fingerprint(other, "s");
    ck_assert_str_ne(first, changed);
}
END_TEST

START_TEST(the_attributes_of_an_entry_are_listed_by_their_small_names)
{
    g_autoptr(Entry) entry = jane(), empty = entry_new("i", "cn=x", KIND_USER);
    g_autofree char *names = NULL, *none = entry_attribute_names(empty);

    entry_add_value(entry, "mailQuota", "1", 1);
    names = entry_attribute_names(entry);
    ck_assert_str_eq(names, "mail mailquota uid");
    ck_assert_str_eq(none, "");
}
END_TEST

START_TEST(a_fingerprint_keeps_different_splits_of_the_same_octets_apart)
{
    g_autoptr(Entry) one = entry_new("i", "cn=x", KIND_USER), other = entry_new("i", "cn=x", KIND_USER);
    const char *const joined[] = {"ab", NULL};
    const char *const split[] = {"a", "b", NULL};
    g_autofree char *first = NULL, *second = NULL;

    entry_set_values(one, "sn", joined);
    entry_set_values(other, "sn", split);
    first = entry_fingerprint(one, "");
    second = entry_fingerprint(other, "");
    ck_assert_str_ne(first, second);
}
END_TEST

static const struct {
    const char *value;
    const char *mailbox; /* NULL: parked */
} users[] = {
    {"jane@example.org", "user/jane@example.org"},
    {"Jane.DOE@Example.ORG", "user/jane.doe@example.org"},
    {"jane", "user/jane@example.org"},
    {"o'connor@example.org", "user/o'connor@example.org"},
    {"a+b-c_d~e@example.org", "user/a+b-c_d~e@example.org"},
    {"j\xc3\xb6rg@example.org", "user/j\xc3\xb6rg@example.org"},
    {"jo\xcc\x88rg@example.org", "user/j\xc3\xb6rg@example.org"}, /* decomposed */
    {"T\xcc\x88@example.org", "user/\xe1\xba\x97@example.org"}, /* only the small letter composes */
    {"\xf4\x9f\x98\x80@example.org", NULL}, /* beyond U+10FFFF */
    {"", NULL},
    {"@example.org", NULL},
    {"jane@", NULL},
    {"x@y@example.org", NULL},
    {"a/b@example.org", NULL},
    {"../b@example.org", NULL},
    {"a..b@example.org", NULL},
    {".a@example.org", NULL},
    {"a.@example.org", NULL},
    {"a*@example.org", NULL},
    {"a%@example.org", NULL},
    {"a&b@example.org", NULL}, /* Cyrus takes the mailbox but not the login */
    {"a:b@example.org", NULL},
    {"a b@example.org", NULL},
    {"\"a\"@example.org", NULL},
    {"a\\b@example.org", NULL},
    {"a@exa mple.org", NULL},
    {"a@example..org", NULL},
    {"a@.org", NULL},
    {"a@b/c", NULL},
    {"0123456789012345678901234567890123456789012345678901234567890123@example.org",
     "user/0123456789012345678901234567890123456789012345678901234567890123@example.org"},
    {"01234567890123456789012345678901234567890123456789012345678901234@example.org", NULL},
};

START_TEST(a_users_mailbox_has_one_canonical_name_or_none)
{
    g_autofree char *mailbox = NULL;
    g_autoptr(GError) error = NULL;
    bool made = mailbox_name_of_user("mail", users[_i].value, "example.org", &mailbox, &error);

    if (users[_i].mailbox != NULL) {
        ck_assert_msg(made, "%s", made ? "" : error->message);
        ck_assert_str_eq(mailbox, users[_i].mailbox);
    } else {
        ck_assert(!made);
        ck_assert(g_error_matches(error, FAULT, FAULT_PARK));
        ck_assert_ptr_nonnull(strstr(error->message, "\"mail\""));
    }
}
END_TEST

START_TEST(an_address_has_at_most_254_octets)
{
    g_autofree char *domain = g_strnfill(250, 'd');
    g_autofree char *fits = g_strconcat("abc@", domain, NULL);
    g_autofree char *longer = g_strconcat("abcd@", domain, NULL);
    g_autofree char *address = NULL;

    ck_assert(address_normalize("mail", fits, &address, NULL));
    g_free(g_steal_pointer(&address));
    ck_assert(!address_normalize("mail", longer, &address, NULL));
}
END_TEST

START_TEST(a_folders_name_stands_before_the_domain)
{
    g_autofree char *name = mailbox_name_folder("user/jane@example.org", "Calendar/Personal Calendar");
    g_autofree char *login = mailbox_name_login("user/jane@example.org");

    ck_assert_str_eq(name, "user/jane/Calendar/Personal Calendar@example.org");
    ck_assert_str_eq(login, "jane@example.org");
}
END_TEST

static const struct {
    const char *name;
    bool good;
} folders[] = {
    {"Calendar", true},      {"Entw\xc3\xbcrfe", true}, {"R&D", true},  {"Jane's", true}, {"A b/C d", true},
    {"a.b", true},           {"", false},               {"/a", false},  {"a/", false},    {"a//b", false},
    {"..", false},           {"a/../b", false},         {"100 %", false}, {"a\"b", false},  {"a*b", false},
    {"a\\b", false},         {"a\nb", false},           {" a", false},  {"a /b", false},  {"\xff", false},
};

START_TEST(a_folders_name_is_one_that_cyrus_takes)
{
    ck_assert_msg(folder_name_check(folders[_i].name, NULL) == folders[_i].good, "%s", folders[_i].name);
}
END_TEST

static const struct {
    const char *name;
    char separator;
    const char *wire;
} wires[] = {
    {"user/jane@example.org", '/', "user/jane@example.org"},
    {"Entw\xc3\xbcrfe/\xe5\x8f\xb0\xe5\x8c\x97 & co", '/', "Entw&APw-rfe/&U,BTFw- &- co"},
    {"user/j\xc3\xb6rg.doe/R&D@example.org", '/', "user/j&APY-rg.doe/R&-D@example.org"},
    {"user/jane.doe/Calendar@example.org", '.', "user.jane^doe.Calendar@example.org"},
    {"\xf0\x9f\x93\x85", '/', "&2D3cxQ-"},
    {"", '/', ""},
};

START_TEST(names_travel_in_modified_utf7_and_come_back)
{
    g_autofree char *wire = mailbox_name_to_wire(wires[_i].name, wires[_i].separator);
    g_autofree char *back = mailbox_name_from_wire(wires[_i].wire, wires[_i].separator);

    ck_assert_str_eq(wire, wires[_i].wire);
    ck_assert_str_eq(back, wires[_i].name);
}
END_TEST

static const char *const broken_wires[] = {"&", "&APY", "a&-b&", "\xff\xfe", "&AAA-", "&2D0-"};

START_TEST(a_broken_wire_name_comes_back_as_valid_utf8)
{
    g_autofree char *name = mailbox_name_from_wire(broken_wires[_i], '/');

    ck_assert(g_utf8_validate(name, -1, NULL));
}
END_TEST

START_TEST(values_from_outside_are_shown_escaped_and_cut)
{
    g_autofree char *shown = fault_show("a\"\\\x1b[2J\xc3\xbc", 9);
    g_autofree char *filler = g_strnfill(500, 'x');
    g_autofree char *cut = fault_show(filler, 500);

    ck_assert_str_eq(shown, "\"a\\x22\\x5c\\x1b[2J\xc3\xbc\"");
    ck_assert_uint_lt(strlen(cut), 120);
    ck_assert_ptr_nonnull(strstr(cut, "(500 bytes)"));
}
END_TEST

static const struct {
    const char *name;
    const char *host;
    const char *port;
    bool word; /* may stand in a command */
} servers[] = {
    {"imap1.example.org", "imap1.example.org", "", true},
    {"IMAP1", "IMAP1", "", true},
    {"127.0.0.1:24143", "127.0.0.1", "24143", true},
    {"[::1]:143", "::1", "143", true},
    {"[2001:db8::1]", "2001:db8::1", "", true},
    {"2001:db8::1", "2001:db8::1", "", true},
    {"imap_1", "imap_1", "", true},
    {"", "", "", false},
    {"two words", "two words", "", false},
    {"x\r\nA1 DELETE y", "x\r\nA1 DELETE y", "", false},
    {"x!part", "x!part", "", false},
    {"x)", "x)", "", false},
    {"\"x\"", "\"x\"", "", false},
    {"{3+}", "{3+}", "", false},
    {"\xc3\xbc.example", "\xc3\xbc.example", "", false},
};

START_TEST(a_servers_name_is_a_host_with_or_without_a_port)
{
    g_autofree char *host = NULL;
    g_autofree char *port = NULL;

    server_name_split(servers[_i].name, &host, &port);
    ck_assert_str_eq(host, servers[_i].host);
    ck_assert_str_eq(port, servers[_i].port);
    ck_assert(server_name_is_word(servers[_i].name) == servers[_i].word);
}
END_TEST

START_TEST(servers_names_are_compared_without_case_and_none_is_no_server)
{
    g_autofree char *longest = g_strnfill(259, 'x');
    g_autofree char *over = g_strnfill(260, 'x');

    ck_assert(server_name_equal("IMAP1.Example.org", "imap1.example.ORG"));
    ck_assert(!server_name_equal("imap1.example.org", "imap2.example.org"));
    ck_assert(!server_name_equal("imap1", "imap1:143"));
    ck_assert(!server_name_equal(NULL, "imap1") && !server_name_equal("imap1", NULL) && !server_name_equal(NULL, NULL));
    ck_assert(server_name_is_word(longest) && !server_name_is_word(over) && !server_name_is_word(NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model");
    TCase *entries = tcase_create("entry"), *names = tcase_create("mailbox name");
    TCase *hosts = tcase_create("server name");

    tcase_add_test(entries, unique_ids_are_lower_case);
    tcase_add_test(entries, attribute_names_are_compared_without_case);
    tcase_add_test(entries, the_value_in_the_rdn_is_the_one_value);
    tcase_add_test(entries, without_an_rdn_the_first_sorted_value_is_the_one);
    tcase_add_test(entries, an_absent_attribute_is_an_answer);
    tcase_add_loop_test(entries, octets_that_are_no_clean_text_park_the_entry, 0, G_N_ELEMENTS(dirty));
    tcase_add_test(entries, a_fingerprint_depends_on_values_and_salt_and_not_on_their_order);
    tcase_add_test(entries, the_attributes_of_an_entry_are_listed_by_their_small_names);
    tcase_add_test(entries, a_fingerprint_keeps_different_splits_of_the_same_octets_apart);
    tcase_add_test(entries, values_from_outside_are_shown_escaped_and_cut);
    tcase_add_loop_test(names, a_users_mailbox_has_one_canonical_name_or_none, 0, G_N_ELEMENTS(users));
    tcase_add_test(names, an_address_has_at_most_254_octets);
    tcase_add_test(names, a_folders_name_stands_before_the_domain);
    tcase_add_loop_test(names, a_folders_name_is_one_that_cyrus_takes, 0, G_N_ELEMENTS(folders));
    tcase_add_loop_test(names, names_travel_in_modified_utf7_and_come_back, 0, G_N_ELEMENTS(wires));
    tcase_add_loop_test(names, a_broken_wire_name_comes_back_as_valid_utf8, 0, G_N_ELEMENTS(broken_wires));
    suite_add_tcase(suite, entries);
    tcase_add_loop_test(hosts, a_servers_name_is_a_host_with_or_without_a_port, 0, G_N_ELEMENTS(servers));
    tcase_add_test(hosts, servers_names_are_compared_without_case_and_none_is_no_server);
    suite_add_tcase(suite, names);
    suite_add_tcase(suite, hosts);
    return run_suite(suite);
}
