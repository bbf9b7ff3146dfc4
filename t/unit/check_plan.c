#include "model/acl.h"
#include "model/fault.h"
#include "plan/plan.h"
#include "plan/print.h"
#include "suite.h"

#include <check.h>
#include <string.h>

static const char *const no_folders[] = {NULL};

static Entry *jane(void)
{
    Entry *entry = entry_new("ab-12", "uid=jane,dc=example,dc=org", KIND_USER);

    entry_add_value(entry, "alias", "Old@Example.org", 15);
    return entry;
}

static void want(Account *account, const char *name, const char *first, const char *second)
{
    AttributeValues *attribute = attribute_values_new(name);

    if (first != NULL)
        g_ptr_array_add(attribute->values, g_strdup(first));
    if (second != NULL)
        g_ptr_array_add(attribute->values, g_strdup(second));
    g_ptr_array_add(account->attributes, attribute);
}

static void want_folder(Account *account, const char *name, const char *type)
{
    Folder *folder = folder_new(name);

    if (type != NULL)
        g_ptr_array_add(folder->metadata, metadata_new("/private/vendor/kolab/folder-type", type));
    g_ptr_array_add(account->folders, folder);
}

static Account *account(const char *mailbox, gint64 quota_kib)
{
    Account *made = account_new();

    made->mailbox = g_strdup(mailbox);
    made->quota_kib = quota_kib;
    return made;
}

/* The plan in short: "create mailbox user/x; set quota ..." with targets. */
static char *summary(const Plan *plan)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);
        g_autofree char *target = step_target(step);

        g_string_append_printf(text, "%s%s %s", i > 0 ? "; " : "", step_kind_name(step->kind), target);
    }
    return g_strdup(text->str);
}

static Plan *make(const Account *desired, const Observed *observed, const PlanHistory *history)
{
    g_autoptr(Entry) entry = jane();
    Plan *plan = NULL;

    ck_assert(plan_make(entry, desired, observed, history, &plan, NULL));
    return plan;
}

static void check_plan(const Account *desired, const Observed *observed, const PlanHistory *history, const char *expected)
{
    g_autoptr(Plan) plan = make(desired, observed, history);
    g_autofree char *steps = summary(plan);

    ck_assert_str_eq(steps, expected);
}

START_TEST(a_new_user_gets_mailbox_and_quota_then_addresses_then_folders)
{
    g_autoptr(Account) desired = account("user/jane@example.org", 1024);
    g_autoptr(Observed) nothing = observed_new();
    const PlanHistory history = {.quota_kib = QUOTA_ANY};

    want(desired, "mail", "jane@example.org", NULL);
    want_folder(desired, "Calendar", "event.default");
    want_folder(desired, "Archive", NULL);
    check_plan(desired, nothing, &history,
               "create mailbox user/jane@example.org; set quota user/jane@example.org; write attribute mail; "
               "create folder Calendar; set metadata Calendar; subscribe Calendar; create folder Archive; subscribe Archive");
}
END_TEST

START_TEST(what_is_as_it_should_be_needs_no_step)
{
    g_autoptr(Account) desired = account("user/jane@example.org", 1024);
    g_autoptr(Observed) observed = observed_new();
    ObservedFolder *folder = observed_folder_new();
    const char *const created[] = {"Calendar", NULL};
    const PlanHistory history = {.mailbox = "user/jane@example.org", .quota_kib = 1024, .folders = created};

    want(desired, "alias", "old@example.org", NULL); /* compared without case, as the directory does */
    want_folder(desired, "Calendar", "event.default");
    observed->mailbox_exists = observed->folders_known = true;
    observed->quota_kib = 1024;
    folder->exists = folder->subscribed = true;
    g_hash_table_insert(folder->metadata, g_strdup("/private/vendor/kolab/folder-type"), g_strdup("event.default"));
    g_hash_table_insert(observed->folders, g_strdup("Calendar"), folder);
    check_plan(desired, observed, &history, "");
}
END_TEST

START_TEST(a_changed_folder_is_repaired_and_a_deleted_one_is_left)
{
    g_autoptr(Account) desired = account("user/jane@example.org", QUOTA_ANY);
    g_autoptr(Observed) observed = observed_new();
    ObservedFolder *folder = observed_folder_new();
    const char *const created[] = {"Calendar", "Notes", NULL};
    PlanHistory history = {.mailbox = "user/jane@example.org", .quota_kib = QUOTA_ANY, .folders = created};

    want_folder(desired, "Calendar", "event.default"); /* lost metadata and subscription */
    want_folder(desired, "Notes", "note.default");     /* deleted by its owner */
    want_folder(desired, "Files", NULL);               /* new in the configuration */
    observed->mailbox_exists = observed->folders_known = true;
    folder->exists = true;
    g_hash_table_insert(observed->folders, g_strdup("Calendar"), folder);
    check_plan(desired, observed, &history,
               "set metadata Calendar; subscribe Calendar; create folder Files; subscribe Files");
    history.enforce_folders = true;
    check_plan(desired, observed, &history,
               "set metadata Calendar; subscribe Calendar; create folder Notes; set metadata Notes; subscribe Notes; "
               "create folder Files; subscribe Files");
}
END_TEST

START_TEST(folders_with_a_partition_are_made_first_and_quota_and_rights_come_last)
{
    g_autoptr(Account) desired = account("user/jane@example.org", QUOTA_ANY);
    g_autoptr(Observed) nothing = observed_new();
    const PlanHistory history = {.quota_kib = QUOTA_ANY};
    Folder *old, *sent;

    want_folder(desired, "Calendar", NULL);
    want_folder(desired, "Mail", NULL);
    want_folder(desired, "Mail/Old", NULL);
    want_folder(desired, "Sent", "mail.sentitems");
    old = g_ptr_array_index(desired->folders, 2);
    old->partition = g_strdup("archive");
    old->quota_kib = QUOTA_UNLIMITED;
    sent = g_ptr_array_index(desired->folders, 3);
    sent->partition = g_strdup("archive");
    g_ptr_array_add(((Folder *)g_ptr_array_index(desired->folders, 0))->acl, acl_entry_new("kim@example.org", "lrs"));
    nothing->special_use_offered = true;
    check_plan(desired, nothing, &history,
               "create mailbox user/jane@example.org; create folder Mail; create folder Mail/Old; create folder Sent; "
               "create folder Calendar; subscribe Calendar; subscribe Mail; subscribe Mail/Old; "
               "set special use Sent; set metadata Sent; subscribe Sent; set acl Calendar: kim@example.org; "
               "set quota Mail/Old");
}
END_TEST

START_TEST(a_folder_with_its_quota_rights_and_special_use_needs_no_step)
{
    g_autoptr(Account) desired = account("user/jane@example.org", QUOTA_ANY);
    g_autoptr(Observed) observed = observed_new();
    ObservedFolder *seen = observed_folder_new();
    const char *const created[] = {"Drafts", NULL};
    PlanHistory history = {.mailbox = "user/jane@example.org", .quota_kib = QUOTA_ANY, .folders = created};
    Folder *folder;

    want_folder(desired, "Drafts", "mail.drafts");
    folder = g_ptr_array_index(desired->folders, 0);
    folder->quota_kib = 70;
    g_ptr_array_add(folder->acl, acl_entry_new("kim@example.org", "lrs"));
    observed->mailbox_exists = observed->folders_known = observed->special_use_offered = true;
    seen->exists = seen->subscribed = true;
    seen->quota_kib = 70;
    g_hash_table_insert(seen->metadata, g_strdup("/private/vendor/kolab/folder-type"), g_strdup("mail.drafts"));
    g_hash_table_insert(seen->acl, g_strdup("Kim@example.org"), g_strdup("srl"));
    g_hash_table_insert(observed->folders, g_strdup("Drafts"), seen);
    check_plan(desired, observed, &history, ""); /* the user took the special use away: that stands */
    history.folders = no_folders;
    check_plan(desired, observed, &history, "set special use Drafts");
    observed->special_use_offered = false;
    check_plan(desired, observed, &history, "");
}
END_TEST

START_TEST(folders_that_were_not_looked_at_are_left)
{
    g_autoptr(Account) desired = account("user/jane@example.org", QUOTA_ANY);
    g_autoptr(Observed) observed = observed_new();
    const PlanHistory history = {.mailbox = "user/jane@example.org", .quota_kib = QUOTA_ANY, .folders = no_folders};

    want_folder(desired, "Calendar", NULL);
    observed->mailbox_exists = true;
    check_plan(desired, observed, &history, "");
}
END_TEST

static const struct {
    const char *recorded;
    bool exists, previous_exists;
    const char *steps; /* NULL: parked */
} renames[] = {
    {"user/old@example.org", false, true, "rename mailbox user/jane@example.org"},
    {"user/old@example.org", true, false, ""},
    {"user/old@example.org", false, false, "create mailbox user/jane@example.org"},
    {"user/old@example.org", true, true, NULL},
    {"user/jane@example.org", true, false, ""},
    {"user/jane@example.org", false, false, "create mailbox user/jane@example.org"},
    {NULL, true, false, ""}, /* adopted */
};

START_TEST(a_rename_follows_the_recorded_name_and_never_merges)
{
    g_autoptr(Account) desired = account("user/jane@example.org", QUOTA_ANY);
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(Entry) entry = jane();
    g_autoptr(Plan) plan = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *steps = NULL;
    const PlanHistory history = {.mailbox = renames[_i].recorded, .quota_kib = QUOTA_ANY};

    observed->mailbox_exists = renames[_i].exists;
    observed->previous_exists = renames[_i].previous_exists;
    if (renames[_i].steps == NULL) {
        ck_assert(!plan_make(entry, desired, observed, &history, &plan, &error));
        ck_assert(g_error_matches(error, FAULT, FAULT_PARK));
        return;
    }
    ck_assert(plan_make(entry, desired, observed, &history, &plan, &error));
    steps = summary(plan);
    ck_assert_str_eq(steps, renames[_i].steps);
}
END_TEST

static const struct {
    gint64 desired, observed, ours;
    gint64 step; /* the quota that is set; QUOTA_ANY: no step */
} quotas[] = {
    {1024, QUOTA_UNLIMITED, QUOTA_ANY, 1024},
    {1024, 1024, QUOTA_ANY, QUOTA_ANY},
    {1024, 2048, 2048, 1024},
    {4096, 2048, 2048, 4096},
    {QUOTA_UNLIMITED, 2048, QUOTA_ANY, QUOTA_UNLIMITED},
    {QUOTA_UNLIMITED, QUOTA_UNLIMITED, QUOTA_ANY, QUOTA_ANY},
    {QUOTA_ANY, 2048, 2048, QUOTA_UNLIMITED}, /* we set it: lifted */
    {QUOTA_ANY, 2048, 1024, QUOTA_ANY},       /* somebody else changed it since: left */
    {QUOTA_ANY, 2048, QUOTA_ANY, QUOTA_ANY},
    {QUOTA_ANY, QUOTA_UNLIMITED, QUOTA_ANY, QUOTA_ANY},
};

START_TEST(a_quota_is_set_raised_lowered_lifted_or_left)
{
    g_autoptr(Account) desired = account("user/jane@example.org", quotas[_i].desired);
    g_autoptr(Observed) observed = observed_new();
    const PlanHistory history = {.mailbox = "user/jane@example.org", .quota_kib = quotas[_i].ours};
    g_autoptr(Plan) plan = NULL;

    observed->mailbox_exists = true;
    observed->quota_kib = quotas[_i].observed;
    plan = make(desired, observed, &history);
    if (quotas[_i].step == QUOTA_ANY) {
        ck_assert_uint_eq(plan->steps->len, 0);
        return;
    }
    ck_assert_uint_eq(plan->steps->len, 1);
    ck_assert_int_eq(((Step *)g_ptr_array_index(plan->steps, 0))->quota_kib, quotas[_i].step);
}
END_TEST

START_TEST(an_entry_without_a_mailbox_can_still_get_addresses)
{
    g_autoptr(Account) desired = account(NULL, QUOTA_ANY);
    g_autoptr(Observed) nothing = observed_new();
    const PlanHistory history = {.quota_kib = QUOTA_ANY};

    want(desired, "alias", "old@example.org", "new@example.org");
    check_plan(desired, nothing, &history, "write attribute alias");
}
END_TEST

START_TEST(only_the_difference_of_an_attribute_is_written)
{
    g_autoptr(Account) desired = account(NULL, QUOTA_ANY);
    g_autoptr(Observed) nothing = observed_new();
    const PlanHistory history = {.quota_kib = QUOTA_ANY};
    g_autoptr(Plan) plan = NULL;
    const Step *step;

    want(desired, "alias", "new@example.org", "old@example.org");
    want(desired, "mail", NULL, NULL);
    plan = make(desired, nothing, &history);
    ck_assert_uint_eq(plan->steps->len, 1);
    step = g_ptr_array_index(plan->steps, 0);
    ck_assert_uint_eq(step->add->len, 1);
    ck_assert_str_eq(g_ptr_array_index(step->add, 0), "new@example.org");
    ck_assert_uint_eq(step->remove->len, 0);
}
END_TEST

START_TEST(the_expected_entry_holds_what_the_plan_writes)
{
    g_autoptr(Account) desired = account(NULL, QUOTA_ANY);
    g_autoptr(Observed) nothing = observed_new();
    const PlanHistory history = {.quota_kib = QUOTA_ANY};
    g_autoptr(Entry) entry = jane(), expected = NULL;
    g_autoptr(Plan) plan = NULL, second = NULL;

    want(desired, "alias", "new@example.org", NULL);
    want(desired, "mail", "jane@example.org", NULL);
    plan = make(desired, nothing, &history);
    expected = plan_expected_entry(plan, entry);
    ck_assert_uint_eq(entry_count_values(expected, "alias"), 1);
    ck_assert_uint_eq(entry_count_values(expected, "mail"), 1);
    ck_assert(plan_make(expected, desired, nothing, &history, &second, NULL));
    ck_assert_uint_eq(second->steps->len, 0);
}
END_TEST

START_TEST(a_plan_reads_as_text_and_as_json)
{
    g_autoptr(Account) desired = account("user/jane@example.org", 1024);
    g_autoptr(Observed) nothing = observed_new();
    const PlanHistory history = {.quota_kib = QUOTA_ANY};
    g_autoptr(Plan) plan = NULL;
    g_autofree char *text = NULL, *json = NULL;

    want(desired, "alias", "\"q\"\n\302\233\364\217\277\277", NULL); /* CSI, U+10FFFF */
    plan = make(desired, nothing, &history);
    text = plan_print_text(plan, "example.org");
    json = plan_print_json(plan, "example.org");
    ck_assert_ptr_nonnull(strstr(text, "create mailbox"));
    ck_assert_ptr_nonnull(strstr(text, "to \"1024 KiB\""));
    ck_assert_ptr_nonnull(strstr(text, "\\x22q\\x22\\x0a"));
    ck_assert_ptr_nonnull(strstr(json, "\"dn\":\"uid=jane,dc=example,dc=org\""));
    ck_assert_ptr_nonnull(strstr(json, "\"after\":\"\\\"q\\\"\\u000a\\u009b\\udbff\\udfff\""));
    ck_assert_ptr_null(strchr(json, '\n'));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tests = tcase_create("plan");

    tcase_add_test(tests, a_new_user_gets_mailbox_and_quota_then_addresses_then_folders);
    tcase_add_test(tests, what_is_as_it_should_be_needs_no_step);
    tcase_add_test(tests, a_changed_folder_is_repaired_and_a_deleted_one_is_left);
    tcase_add_test(tests, folders_with_a_partition_are_made_first_and_quota_and_rights_come_last);
    tcase_add_test(tests, a_folder_with_its_quota_rights_and_special_use_needs_no_step);
    tcase_add_test(tests, folders_that_were_not_looked_at_are_left);
    tcase_add_loop_test(tests, a_rename_follows_the_recorded_name_and_never_merges, 0, G_N_ELEMENTS(renames));
    tcase_add_loop_test(tests, a_quota_is_set_raised_lowered_lifted_or_left, 0, G_N_ELEMENTS(quotas));
    tcase_add_test(tests, an_entry_without_a_mailbox_can_still_get_addresses);
    tcase_add_test(tests, only_the_difference_of_an_attribute_is_written);
    tcase_add_test(tests, the_expected_entry_holds_what_the_plan_writes);
    tcase_add_test(tests, a_plan_reads_as_text_and_as_json);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
