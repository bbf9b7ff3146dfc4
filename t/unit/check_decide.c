#include "entries.h"
#include "model/fault.h"
#include "policy/decide.h"
#include "policy/template.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define JANE "givenName: Jane\nsn: Doe\n"
#define ALL_SET JANE "mail: jane.doe@example.org\nalias: j.doe@example.org\n"
/* What ALL_SET has already, and so is asked for again. */
#define ADDRESSES "mail=jane.doe@example.org alias=j.doe@example.org"

/* Nothing is taken; counts the questions. */
static bool answer(GPtrArray *addresses, GHashTable *taken, gpointer user_data, GError **error)
{
    guint *calls = user_data;

    (void)addresses, (void)taken, (void)error;
    ++*calls;
    return true;
}

typedef struct {
    const char *title;
    const char *entry;
    const char *result_value; /* NULL: no mailbox */
    const char *mailbox;
    const char *attributes; /* "name=value,value", separated by a blank */
    gint64 quota_kib;
    /* settings */
    const char *result_attribute; /* NULL: mail */
    const char *mail_host;
    gint64 default_quota_kib; /* 0: QUOTA_ANY */
    PolicyMode mode;          /* POLICY_NEVER counts as POLICY_WHEN_EMPTY unless `never` */
    bool never;
    bool read_only;
} Row;

static const Row rows[] = {
    {.title = "a person without mail", .entry = JANE "uid: jdoe", .result_value = "jane.doe@example.org",
     .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_ANY,
     .attributes = "mail=jane.doe@example.org alias=j.doe@example.org,jdoe@example.org"},
    {.title = "a person with mail keeps its spelling", .entry = "mail: Jane@Example.org",
     .result_value = "Jane@Example.org", .mailbox = "user/jane@example.org", .quota_kib = QUOTA_ANY,
     .attributes = "mail=Jane@Example.org alias="},
    {.title = "always: the mailbox is named after the address as it will be", .entry = JANE "mail: boss@example.org",
     .mode = POLICY_ALWAYS, .result_value = "jane.doe@example.org", .mailbox = "user/jane.doe@example.org",
     .quota_kib = QUOTA_ANY, .attributes = "mail=jane.doe@example.org alias=boss@example.org,j.doe@example.org"},
    {.title = "never writes no address", .entry = JANE "mail: boss@example.org\nalias: x@example.org", .never = true,
     .result_value = "boss@example.org", .mailbox = "user/boss@example.org", .quota_kib = QUOTA_ANY, .attributes = ""},
    {.title = "never and no mail: no mailbox", .entry = JANE "mailQuota: abc", .never = true, .quota_kib = QUOTA_ANY,
     .mail_host = "imap.example.org", .default_quota_kib = 5, .attributes = ""},
    {.title = "read-only writes nothing", .entry = JANE "mail: boss@example.org\nmailHost: other.example.org", .read_only = true,
     .mode = POLICY_ALWAYS, .mail_host = "imap.example.org", .default_quota_kib = 5, .result_value = "boss@example.org",
     .mailbox = "user/boss@example.org", .quota_kib = 5, .attributes = ""},

    {.title = "result attribute uid", .entry = ALL_SET "uid: JDoe", .result_attribute = "uid", .result_value = "JDoe",
     .mailbox = "user/jdoe@example.org", .quota_kib = QUOTA_ANY,
     .attributes = "mail=jane.doe@example.org alias=j.doe@example.org,jdoe@example.org"},
    {.title = "result attribute uid with a domain", .entry = JANE "uid: jdoe@other.example", .result_attribute = "UID",
     .result_value = "jdoe@other.example", .mailbox = "user/jdoe@other.example", .quota_kib = QUOTA_ANY,
     .attributes = "mail=jane.doe@example.org alias=j.doe@example.org,jdoeother.example@example.org"},
    {.title = "no uid: no mailbox, but addresses", .entry = JANE "mailQuota: abc", .result_attribute = "uid",
     .mail_host = "imap.example.org", .quota_kib = QUOTA_ANY, .attributes = ADDRESSES},
    {.title = "MAIL is mail", .entry = JANE, .result_attribute = "MAIL", .result_value = "jane.doe@example.org",
     .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_ANY, .attributes = ADDRESSES},

    {.title = "a quota in KiB", .entry = ALL_SET "mailQuota: 1048576", .result_value = "jane.doe@example.org",
     .mailbox = "user/jane.doe@example.org", .quota_kib = 1048576, .attributes = ADDRESSES},
    {.title = "a quota goes before the default", .entry = ALL_SET "mailQuota: 7", .default_quota_kib = 5,
     .result_value = "jane.doe@example.org", .mailbox = "user/jane.doe@example.org", .quota_kib = 7, .attributes = ADDRESSES},
    {.title = "no quota, no default", .entry = ALL_SET, .result_value = "jane.doe@example.org",
     .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_ANY, .attributes = ADDRESSES},
    {.title = "no quota, a default", .entry = ALL_SET, .default_quota_kib = 5, .result_value = "jane.doe@example.org",
     .mailbox = "user/jane.doe@example.org", .quota_kib = 5, .attributes = ADDRESSES " mailQuota=5"},
    {.title = "quota 0, no default", .entry = ALL_SET "mailQuota: 0", .result_value = "jane.doe@example.org",
     .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_ANY, .attributes = ADDRESSES},
    {.title = "quota 0, a default", .entry = ALL_SET "mailQuota: 0", .default_quota_kib = 5,
     .result_value = "jane.doe@example.org", .mailbox = "user/jane.doe@example.org", .quota_kib = 5,
     .attributes = ADDRESSES " mailQuota=5"},
    {.title = "quota -1", .entry = ALL_SET "mailQuota: -1", .default_quota_kib = 5, .result_value = "jane.doe@example.org",
     .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_UNLIMITED, .attributes = ADDRESSES},
    {.title = "the default is no limit", .entry = ALL_SET, .default_quota_kib = QUOTA_UNLIMITED,
     .result_value = "jane.doe@example.org", .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_UNLIMITED,
     .attributes = ADDRESSES " mailQuota=-1"},
    {.title = "the largest quota", .entry = ALL_SET "mailQuota: 2147483647", .result_value = "jane.doe@example.org",
     .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_MAX_KIB, .attributes = ADDRESSES},

    {.title = "no mailHost in the settings", .entry = ALL_SET "mailHost: x", .result_value = "jane.doe@example.org",
     .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_ANY, .attributes = ADDRESSES},
    {.title = "mailHost absent", .entry = ALL_SET, .mail_host = "imap.example.org", .result_value = "jane.doe@example.org",
     .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_ANY, .attributes = ADDRESSES " mailHost=imap.example.org"},
    {.title = "mailHost differs", .entry = ALL_SET "mailHost: localhost", .mail_host = "imap.example.org",
     .result_value = "jane.doe@example.org", .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_ANY,
     .attributes = ADDRESSES " mailHost=imap.example.org"},
    {.title = "mailHost in another case stays", .entry = ALL_SET "mailHost: IMAP.Example.org", .mail_host = "imap.example.org",
     .result_value = "jane.doe@example.org", .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_ANY,
     .attributes = ADDRESSES " mailHost=IMAP.Example.org"},
    {.title = "two mailHosts become one", .entry = ALL_SET "mailHost: a\nmailHost: IMAP.example.org", .mail_host = "imap.example.org",
     .result_value = "jane.doe@example.org", .mailbox = "user/jane.doe@example.org", .quota_kib = QUOTA_ANY,
     .attributes = ADDRESSES " mailHost=IMAP.example.org"},
};

static DomainSettings *make_settings(const Row *row)
{
    DomainSettings *settings = domain_settings_new("example.org");

    if (row->result_attribute != NULL) {
        g_free(settings->result_attribute);
        settings->result_attribute = g_strdup(row->result_attribute);
    }
    settings->mail_host = g_strdup(row->mail_host);
    settings->default_quota_kib = row->default_quota_kib == 0 ? QUOTA_ANY : row->default_quota_kib;
    settings->policy_mode = row->never ? POLICY_NEVER : MAX(row->mode, POLICY_WHEN_EMPTY);
    settings->read_only = row->read_only;
    g_ptr_array_add(settings->folders, folder_new("Calendar"));
    domain_settings_seal(settings);
    return settings;
}

static char *show_attributes(const Account *account)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < account->attributes->len; i++) {
        const AttributeValues *attribute = g_ptr_array_index(account->attributes, i);

        g_string_append_printf(text, "%s%s=", i == 0 ? "" : " ", attribute->name);
        for (guint j = 0; j < attribute->values->len; j++)
            g_string_append_printf(text, "%s%s", j == 0 ? "" : ",", (char *)g_ptr_array_index(attribute->values, j));
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void assert_account(const Row *row, const DomainSettings *settings, const Account *account)
{
    g_autofree char *attributes = show_attributes(account);

    ck_assert_msg(g_strcmp0(account->result_value, row->result_value) == 0, "%s: %s", row->title, account->result_value);
    ck_assert_msg(g_strcmp0(account->mailbox, row->mailbox) == 0, "%s: %s", row->title, account->mailbox);
    ck_assert_msg(strcmp(attributes, row->attributes) == 0, "%s: %s", row->title, attributes);
    ck_assert_msg(account->quota_kib == row->quota_kib, "%s: %ld", row->title, (long)account->quota_kib);
    if (row->mailbox == NULL) {
        ck_assert_ptr_null(account->login);
        ck_assert_uint_eq(account->folders->len, 0);
    } else {
        ck_assert_str_eq(account->login, row->mailbox + strlen("user/"));
        ck_assert_ptr_eq(account->folders, settings->folders);
    }
}

START_TEST(the_account_is_as_the_table_says)
{
    const Row *row = &rows[_i];
    g_autoptr(DomainSettings) settings = make_settings(row);
    g_autoptr(Entry) entry = make_entry(row->entry, KIND_USER);
    g_autoptr(Account) account = NULL;
    g_autoptr(GError) error = NULL;
    guint calls = 0;

    ck_assert_msg(policy_decide(settings, entry, answer, &calls, &account, &error), "%s: %s", row->title,
                  error != NULL ? error->message : "");
    assert_account(row, settings, account);
}
END_TEST

START_TEST(once_written_back_the_same_account_is_decided_and_nothing_asked)
{
    const Row *row = &rows[_i];
    g_autoptr(DomainSettings) settings = make_settings(row);
    g_autoptr(Entry) entry = make_entry(row->entry, KIND_USER);
    g_autoptr(Account) first = NULL;
    g_autoptr(Account) second = NULL;
    guint calls = 0;

    ck_assert(policy_decide(settings, entry, answer, &calls, &first, NULL));
    for (guint i = 0; i < first->attributes->len; i++) {
        AttributeValues *attribute = g_ptr_array_index(first->attributes, i);

        g_ptr_array_add(attribute->values, NULL);
        entry_set_values(entry, attribute->name, (const char *const *)attribute->values->pdata);
        g_ptr_array_set_size(attribute->values, (int)attribute->values->len - 1);
    }
    calls = 0;
    ck_assert(policy_decide(settings, entry, answer, &calls, &second, NULL));
    ck_assert_uint_eq(calls, 0);
    ck_assert_str_eq(second->primary != NULL ? second->primary : "", first->primary != NULL ? first->primary : "");
    ck_assert(g_strcmp0(second->mailbox, first->mailbox) == 0);
    ck_assert_int_eq(second->quota_kib, first->quota_kib);
    for (guint i = 0; i < second->attributes->len; i++) { /* the default of a quota is an explicit one now */
        const AttributeValues *attribute = g_ptr_array_index(second->attributes, i);
        g_autoptr(GPtrArray) values = NULL;

        ck_assert(entry_get_values(entry, attribute->name, &values, NULL));
        ck_assert_uint_eq(values->len, attribute->values->len);
        for (guint j = 0; j < values->len; j++)
            ck_assert_str_eq(g_ptr_array_index(values, j), g_ptr_array_index(attribute->values, j));
    }
}
END_TEST

static const struct {
    const char *entry;
    const char *result_attribute;
    const char *says[3];
} faults[] = {
    {ALL_SET "mailQuota: abc", NULL, {"\"mailQuota\" has the value \"abc\"", "number of KiB"}},
    {ALL_SET "mailQuota: -5", NULL, {"\"mailQuota\" has the value \"-5\"", "-1"}},
    {ALL_SET "mailQuota: -2", NULL, {"\"mailQuota\" has the value \"-2\""}},
    {ALL_SET "mailQuota: 12x", NULL, {"\"mailQuota\" has the value \"12x\"", "number of KiB"}},
    {ALL_SET "mailQuota: 1 GB", NULL, {"\"mailQuota\" has the value \"1 GB\""}},
    {ALL_SET "mailQuota: 1.5", NULL, {"\"mailQuota\" has the value \"1.5\""}},
    {ALL_SET "mailQuota: 0x10", NULL, {"\"mailQuota\" has the value \"0x10\""}},
    {ALL_SET "mailQuota:  7", NULL, {"\"mailQuota\" has the value \" 7\""}},
    {ALL_SET "mailQuota: ", NULL, {"\"mailQuota\" has the value \"\""}},
    {ALL_SET "mailQuota: 2147483648", NULL, {"\"mailQuota\" has the value \"2147483648\"", "Cyrus 3.6 dies"}},
    {ALL_SET "mailQuota: 99999999999999999999999", NULL, {"\"mailQuota\"", "number of KiB"}},
    {ALL_SET "mailQuota: 1)\rA DELETE x", NULL, {"\"mailQuota\"", "\\x0d"}},
    {ALL_SET "uid: a\nuid: b", "uid", {"\"uid\" has 2 values (\"a\", \"b\")", "names the mailbox"}},
    {ALL_SET "uid: a\nuid: b\nuid: c", "uid", {"\"uid\" has 3 values (\"a\", \"b\", ...)"}},
    {ALL_SET "alias: x@example.org", "alias", {"\"alias\" has 2 values"}},
    {ALL_SET "uid: a/b", "uid", {"\"uid\"", "\"a/b\""}},
    {ALL_SET "uid: a*", "uid", {"\"uid\"", "\"a*\""}},
    {ALL_SET "uid: ..", "uid", {"\"uid\"", "\"..@example.org\""}},
    {ALL_SET "uid: a@b@c", "uid", {"\"uid\"", "\"a@b@c\""}},
    {ALL_SET "mail: x@example.org", NULL, {"\"mail\" has 2 values"}},
    {"mail: a%b@example.org", NULL, {"\"mail\"", "\"a%b@example.org\""}},
    {"givenName: Jane", NULL, {"\"sn\" is absent"}},
};

START_TEST(bad_input_parks_the_entry_with_attribute_value_and_rule)
{
    Row row = {.result_attribute = faults[_i].result_attribute};
    g_autoptr(DomainSettings) settings = make_settings(&row);
    g_autoptr(Entry) entry = make_entry(faults[_i].entry, KIND_USER);
    g_autoptr(Account) account = NULL;
    g_autoptr(GError) error = NULL;
    guint calls = 0;

    ck_assert_msg(!policy_decide(settings, entry, answer, &calls, &account, &error), "%s", faults[_i].entry);
    ck_assert_ptr_null(account);
    ck_assert(g_error_matches(error, FAULT, FAULT_PARK));
    for (gsize i = 0; i < G_N_ELEMENTS(faults[_i].says) && faults[_i].says[i] != NULL; i++)
        ck_assert_msg(strstr(error->message, faults[_i].says[i]) != NULL, "%s", error->message);
}
END_TEST

START_TEST(the_attributes_to_read_are_named_once)
{
    g_autoptr(DomainSettings) settings = domain_settings_new("Example.ORG");
    g_auto(GStrv) names = NULL;
    g_autofree char *list = NULL;

    g_ptr_array_add(settings->address_attributes, g_strdup("MAIL"));
    g_ptr_array_add(settings->address_attributes, g_strdup("mailAlternateAddress"));
    g_ptr_array_add(settings->secondary, template_parse("%(SN)s.%(mailhost)s@%(standard_domain)s", NULL));
    names = domain_settings_attributes(settings);
    list = g_strjoinv(" ", names);
    ck_assert_str_eq(list, "mail alias mailAlternateAddress mailHost mailQuota cn kolabTargetFolder kolabFolderType acl preferredLanguage"
                              " givenname sn uid");
    ck_assert_str_eq(settings->name, "example.org");
    ck_assert_str_eq(settings->base_dn, "dc=example,dc=org");
}
END_TEST

typedef void (*Change)(DomainSettings *settings);

static void replace(char **text, const char *by)
{
    g_free(*text);
    *text = g_strdup(by);
}

static void change_name(DomainSettings *s) { replace(&s->name, "example.net"); }
static void change_base_dn(DomainSettings *s) { replace(&s->base_dn, "o=x"); }
static void change_filter(DomainSettings *s) { replace(&s->filters[KIND_USER], "(uid=*)"); }
static void change_unique_id(DomainSettings *s) { replace(&s->unique_id_attribute, "entryUUID"); }
static void change_result(DomainSettings *s) { replace(&s->result_attribute, "uid"); }
static void change_mail(DomainSettings *s) { replace(&s->mail_attribute, "m"); }
static void change_alias(DomainSettings *s) { replace(&s->alias_attribute, "a"); }
static void change_host_attribute(DomainSettings *s) { replace(&s->mail_host_attribute, "h"); }
static void change_quota_attribute(DomainSettings *s) { replace(&s->quota_attribute, "q"); }
static void change_type_attribute(DomainSettings *s) { replace(&s->folder_type_attribute, "t"); }
static void change_acl_attribute(DomainSettings *s) { replace(&s->acl_attribute, "r"); }
static void change_target_attribute(DomainSettings *s) { replace(&s->target_folder_attribute, "f"); }
static void change_delivery(DomainSettings *s) { replace(&s->delivery_attribute, "d"); }
static void change_locale(DomainSettings *s) { replace(&s->default_locale, "de"); }
static void change_host(DomainSettings *s) { replace(&s->mail_host, ""); }
static void change_aliases(DomainSettings *s) { g_ptr_array_add(s->aliases, g_strdup("x")); }
static void change_addresses(DomainSettings *s) { g_ptr_array_add(s->address_attributes, g_strdup("x")); }
static void change_mode(DomainSettings *s) { s->policy_mode = POLICY_NEVER; }
static void change_primary(DomainSettings *s) { g_ptr_array_set_size(s->primary, 0); }
static void change_secondary(DomainSettings *s) { g_ptr_array_set_size(s->secondary, 2); }
static void change_quota(DomainSettings *s) { s->default_quota_kib = 1; }
static void change_enforce(DomainSettings *s) { s->enforce_folders = true; }
static void change_read_only(DomainSettings *s) { s->read_only = true; }
static void change_move(DomainSettings *s) { s->placement_move = true; }

static const Change changes[] = {
    change_name,   change_base_dn, change_filter,         change_unique_id,       change_result,    change_mail,
    change_alias,  change_host,    change_host_attribute, change_quota_attribute, change_locale,    change_aliases,
    change_mode,   change_primary, change_secondary,      change_addresses,       change_quota,     change_enforce,
    change_read_only, change_type_attribute, change_acl_attribute, change_target_attribute, change_delivery,
    change_move,
};

START_TEST(every_setting_that_decides_about_an_existing_mailbox_changes_the_digest)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(DomainSettings) plain = domain_settings_new("example.org");
    g_autoptr(DomainSettings) folders = domain_settings_new("example.org");

    domain_settings_seal(plain);
    g_ptr_array_add(folders->folders, folder_new("Calendar"));
    folders->placement_policy = PLACEMENT_ROUND_ROBIN; /* of new ones */
    folders->placement_partition = g_strdup("archive");
    folders->settle_timeout_us = 1;
    domain_settings_seal(folders);
    ck_assert_str_eq(plain->digest, folders->digest);
    g_hash_table_add(seen, g_strdup(plain->digest));
    for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(DomainSettings) settings = domain_settings_new("example.org");

        changes[i](settings);
        domain_settings_seal(settings);
        ck_assert_msg(g_hash_table_add(seen, g_strdup(settings->digest)), "change %zu", i);
    }
}
END_TEST

static const struct {
    const char *entry;
    bool read_only;
    const char *asked; /* NULL: nothing clear */
} asked[] = {
    {ALL_SET, false, NULL},
    {ALL_SET "mailHost: B1.example.org", false, "B1.example.org"},
    {ALL_SET "mailHost: localhost", false, "localhost"},
    {ALL_SET "mailHost: b1\nmailHost: b2", false, NULL},
    {ALL_SET "mailHost: b1", true, "b1"},
};

START_TEST(what_the_entry_asks_for_is_kept_beside_what_the_settings_say)
{
    g_autoptr(DomainSettings) settings = domain_settings_new("example.org");
    g_autoptr(Entry) entry = make_entry(asked[_i].entry, KIND_USER);
    g_autoptr(Account) account = NULL;
    guint calls = 0;

    settings->mail_host = g_strdup("imap.example.org");
    settings->read_only = asked[_i].read_only;
    ck_assert(policy_decide(settings, entry, answer, &calls, &account, NULL));
    ck_assert_str_eq(account->host_attribute, "mailHost");
    ck_assert_pstr_eq(account->host_asked, asked[_i].asked);
}
END_TEST

static const struct {
    const char *entry;
    const char *result_attribute; /* NULL: mail */
    const char *mailbox;          /* NULL: none */
} published[] = {
    {JANE "mail: Old@Example.org", NULL, "user/old@example.org"}, /* whatever the policy makes of her name */
    {JANE "mail: old@example.org\nuid: jdoe", "uid", "user/jdoe@example.org"},
    {JANE, NULL, NULL},
    {JANE "mail: a@example.org\nmail: b@example.org", NULL, NULL},
    {JANE "mail: nobody", NULL, "user/nobody@example.org"},
    {JANE "mail: a b@example.org", NULL, NULL},
    {JANE "mail: kolabd-moving-1@example.org", NULL, NULL}, /* nobody can have a mailbox that is aside */
};

START_TEST(the_mailbox_that_an_entry_names_is_told_before_the_policy_changes_it)
{
    g_autoptr(DomainSettings) settings = domain_settings_new("example.org");
    g_autoptr(Entry) entry = make_entry(published[_i].entry, KIND_USER);
    g_autofree char *mailbox = NULL;

    settings->policy_mode = POLICY_ALWAYS;
    if (published[_i].result_attribute != NULL) {
        g_free(settings->result_attribute);
        settings->result_attribute = g_strdup(published[_i].result_attribute);
    }
    mailbox = policy_published_mailbox(settings, entry);
    ck_assert_pstr_eq(mailbox, published[_i].mailbox);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decide");
    TCase *tcase = tcase_create("decide");

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, the_account_is_as_the_table_says, 0, G_N_ELEMENTS(rows));
    tcase_add_loop_test(tcase, once_written_back_the_same_account_is_decided_and_nothing_asked, 0, G_N_ELEMENTS(rows));
    tcase_add_loop_test(tcase, bad_input_parks_the_entry_with_attribute_value_and_rule, 0, G_N_ELEMENTS(faults));
    tcase_add_loop_test(tcase, what_the_entry_asks_for_is_kept_beside_what_the_settings_say, 0, G_N_ELEMENTS(asked));
    tcase_add_loop_test(tcase, the_mailbox_that_an_entry_names_is_told_before_the_policy_changes_it, 0, G_N_ELEMENTS(published));
    tcase_add_test(tcase, the_attributes_to_read_are_named_once);
    tcase_add_test(tcase, every_setting_that_decides_about_an_existing_mailbox_changes_the_digest);
    return run_suite(suite);
}
