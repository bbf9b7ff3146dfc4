#include "model/acl.h"
#include "model/fault.h"
#include "plan/plan.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define TEAM "shared/Team@example.org"
#define TYPE "/shared/vendor/kolab/folder-type"

/* "identifier=rights identifier=rights" */
typedef struct {
    const char *title;
    const char *wanted;   /* values of the directory, separated by ";"; NULL: it has none */
    const char *present;  /* on the server */
    const char *recorded; /* separated by ";"; NULL: nothing */
    bool takes_mail;
    const char *steps; /* "identifier: before -> after" */
    const char *record; /* what is recorded after, separated by ";" */
} Row;

static const Row rows[] = {
    {.title = "nothing wanted, nothing touched", .present = "anyone=lrs jane=lrs", .steps = "", .record = ""},
    {.title = "the list is complete", .wanted = "jane, read;john, post", .present = "anyone=lrs jane=lrswip",
     .steps = "jane: lrswip -> lrs; john: - -> p; anyone: lrs -> -", .record = "jane;john"},
    {.title = "what is so already is no step", .wanted = "jane, semi-full;anyone, d", .present = "anyone=ted jane=dtiwsrl",
     .steps = "", .record = "jane;anyone"},
    {.title = "the administrator is left", .wanted = "jane, read", .present = "cyrus-admin=kxca jane=lrs", .steps = "", .record = "jane"},
    {.title = "unless the list names him", .wanted = "Cyrus-Admin, a", .present = "cyrus-admin=kxca",
     .steps = "cyrus-admin: kxa -> a", .record = "cyrus-admin"},
    {.title = "negative rights are an entry of their own", .wanted = "jane, read;-jane, w", .present = "jane=lrs",
     .steps = "-jane: - -> w", .record = "jane;-jane"},
    {.title = "a group is found in another spelling", .wanted = "group:Sales, read", .present = "group:sales=l",
     .steps = "group:sales: l -> lrs", .record = "group:Sales"},
    {.title = "edits are of what the server has", .wanted = "anyone, +p;jane, -w", .present = "anyone=lrs jane=lrsw john=lrs",
     .steps = "anyone: lrs -> lrsp; jane: lrsw -> lrs; john: lrs -> -", .record = "anyone;jane"},
    {.title = "an edit that leaves nothing", .wanted = "jane, -lrs", .present = "jane=lrs", .steps = "jane: lrs -> -", .record = "jane"},
    {.title = "the attribute went: ours go", .present = "anyone=lrs jane=lrs john=lrs", .recorded = "jane;kim",
     .steps = "jane: lrs -> -", .record = ""},

    {.title = "mail: anyone may post too", .present = "anyone=lrs", .takes_mail = true, .steps = "anyone: lrs -> lrsp",
     .record = "anyone, +p"},
    {.title = "mail: nobody may read", .present = "", .takes_mail = true, .steps = "anyone: - -> p", .record = "anyone, +p"},
    {.title = "mail: who may post anyhow", .present = "anyone=lrsp", .takes_mail = true, .steps = "", .record = ""},
    {.title = "mail: it stays ours", .present = "anyone=lrsp", .recorded = "anyone, +p", .takes_mail = true, .steps = "",
     .record = "anyone, +p"},
    {.title = "mail: repaired", .present = "anyone=lrs", .recorded = "anyone, +p", .takes_mail = true,
     .steps = "anyone: lrs -> lrsp", .record = "anyone, +p"},
    {.title = "mail with a list without anyone", .wanted = "jane, read", .present = "anyone=lrs jane=lrs", .takes_mail = true,
     .steps = "anyone: lrs -> p", .record = "jane;anyone, +p"},
    {.title = "mail with a list with anyone", .wanted = "anyone, read", .present = "anyone=lrs", .takes_mail = true,
     .steps = "anyone: lrs -> lrsp", .record = "anyone;anyone, +p"},
    {.title = "mail with a list that lets anyone post", .wanted = "anyone, lrsp", .present = "anyone=lrsp", .takes_mail = true,
     .steps = "", .record = "anyone"},
    {.title = "mail with an edit", .wanted = "anyone, +l", .present = "anyone=p", .recorded = "anyone, +p", .takes_mail = true,
     .steps = "anyone: p -> lp", .record = "anyone;anyone, +p"},
    {.title = "the address went", .present = "anyone=lrsp", .recorded = "anyone, +p", .steps = "anyone: lrsp -> lrs", .record = ""},
    {.title = "the address went, with a list", .wanted = "jane, read", .present = "anyone=p jane=lrs", .recorded = "jane;anyone, +p",
     .steps = "anyone: p -> -", .record = "jane"},
    {.title = "the address went, with an edit", .wanted = "anyone, +s", .present = "anyone=lrsp", .recorded = "anyone;anyone, +p",
     .steps = "anyone: lrsp -> lrs", .record = "anyone"},
    {.title = "the list went, the address stays", .present = "anyone=lrsp jane=lrs", .recorded = "anyone;jane;anyone, +p",
     .takes_mail = true, .steps = "anyone: lrsp -> p; jane: lrs -> -", .record = "anyone, +p"},
    {.title = "all went", .present = "anyone=lrsp jane=lrs", .recorded = "anyone;anyone, +p",
     .steps = "anyone: lrsp -> -", .record = ""},
};

static void set_present(Observed *observed, const char *present)
{
    g_auto(GStrv) pairs = g_strsplit(present, " ", -1);

    for (char **pair = pairs; *pair != NULL && **pair != '\0'; pair++) {
        char *rights = strchr(*pair, '=');

        *rights++ = '\0';
        g_hash_table_insert(observed->acl, g_strdup(*pair), g_strdup(rights));
    }
}

static Account *make_account(const Row *row)
{
    Account *account = account_new();
    g_auto(GStrv) values = g_strsplit(row->wanted != NULL ? row->wanted : "", ";", -1);

    account->mailbox = g_strdup(TEAM);
    account->takes_mail = row->takes_mail;
    account->acl_complete = row->wanted != NULL;
    for (char **value = values; *value != NULL && **value != '\0'; value++) {
        AclEntry *entry = NULL;

        ck_assert(acl_parse("acl", *value, &entry, NULL));
        g_ptr_array_add(account->acl, entry);
    }
    return account;
}

static char *show_steps(const Plan *plan)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);

        ck_assert_int_eq(step->kind, STEP_SET_ACL);
        g_string_append_printf(text, "%s%s: %s -> %s", i > 0 ? "; " : "", step->name, step->before != NULL ? step->before : "-",
                               step->after != NULL ? step->after : "-");
    }
    return g_string_free(text, FALSE);
}

static Plan *plan_it(const Account *account, const Observed *observed, const PlanHistory *history)
{
    g_autoptr(Entry) entry = entry_new("1", "cn=Team,dc=example,dc=org", KIND_SHARED_FOLDER);
    g_autoptr(GError) error = NULL;
    Plan *plan = NULL;

    ck_assert(plan_make(entry, account, observed, history, &plan, &error));
    return plan;
}

static void check_record(const Account *account, const Observed *observed, const PlanHistory *history, const char *expected,
                         const char *title)
{
    g_autoptr(GPtrArray) recorded = plan_recorded_acl(account, observed, history);
    g_autofree char *text = NULL;

    g_ptr_array_add(recorded, NULL);
    text = g_strjoinv(";", (char **)recorded->pdata);
    ck_assert_msg(strcmp(text, expected) == 0, "%s: recorded %s", title, text);
}

START_TEST(rights_are_as_the_table_says)
{
    const Row *row = &rows[_i];
    g_autoptr(Account) account = make_account(row);
    g_autoptr(Observed) observed = observed_new();
    g_auto(GStrv) recorded = g_strsplit(row->recorded != NULL ? row->recorded : "", ";", -1);
    PlanHistory history = {.mailbox = TEAM, .quota_kib = QUOTA_ANY, .administrator = "cyrus-admin",
                           .acl = row->recorded != NULL ? (const char *const *)recorded : NULL};
    g_autoptr(Plan) plan = NULL;
    g_autofree char *steps = NULL;

    observed->mailbox_exists = observed->acl_known = true;
    set_present(observed, row->present);
    plan = plan_it(account, observed, &history);
    steps = show_steps(plan);
    ck_assert_msg(strcmp(steps, row->steps) == 0, "%s: %s", row->title, steps);
    check_record(account, observed, &history, row->record, row->title);
}
END_TEST

/* Carries out the steps on what was observed. */
static void apply(const Plan *plan, Observed *observed)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);

        if (step->after == NULL)
            g_hash_table_remove(observed->acl, step->name);
        else
            g_hash_table_insert(observed->acl, g_strdup(step->name), g_strdup(step->after));
    }
}

START_TEST(a_second_run_has_nothing_to_do)
{
    const Row *row = &rows[_i];
    g_autoptr(Account) account = make_account(row);
    g_autoptr(Observed) observed = observed_new();
    g_auto(GStrv) recorded = g_strsplit(row->recorded != NULL ? row->recorded : "", ";", -1);
    PlanHistory history = {.mailbox = TEAM, .quota_kib = QUOTA_ANY, .administrator = "cyrus-admin",
                           .acl = row->recorded != NULL ? (const char *const *)recorded : NULL};
    g_autoptr(Plan) first = NULL;
    g_autoptr(Plan) second = NULL;
    g_autoptr(GPtrArray) record = NULL;
    g_autofree char *steps = NULL;

    observed->mailbox_exists = observed->acl_known = true;
    set_present(observed, row->present);
    first = plan_it(account, observed, &history);
    record = plan_recorded_acl(account, observed, &history);
    apply(first, observed);
    g_ptr_array_add(record, NULL);
    history.acl = (const char *const *)record->pdata;
    second = plan_it(account, observed, &history);
    steps = show_steps(second);
    ck_assert_msg(*steps == '\0', "%s: %s", row->title, steps);
}
END_TEST

/* "kind target; ..." */
static char *summary(const Plan *plan)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);
        g_autofree char *target = step_target(step);

        g_string_append_printf(text, "%s%s %s", i > 0 ? "; " : "", step_kind_name(step->kind), target);
    }
    return g_string_free(text, FALSE);
}

static Account *team_with_type(const char *type)
{
    Account *account = make_account(&(const Row){.wanted = "jane, read"});

    g_ptr_array_add(account->metadata, metadata_new(TYPE, type));
    return account;
}

START_TEST(a_new_mailbox_has_parents_before_it_and_the_type_last)
{
    g_autoptr(Account) account = team_with_type("event");
    g_autoptr(Observed) observed = observed_new();
    const PlanHistory history = {.quota_kib = QUOTA_ANY};
    g_autoptr(Plan) plan = NULL;
    g_autofree char *steps = NULL;

    g_ptr_array_add(observed->missing_parents, g_strdup("shared@example.org"));
    set_present(observed, "anyone=lrs");
    plan = plan_it(account, observed, &history);
    steps = summary(plan);
    ck_assert_str_eq(steps, "create parent shared@example.org; create mailbox " TEAM "; set acl jane; set acl anyone; "
                            "set metadata " TEAM);
}
END_TEST

START_TEST(the_step_that_kills_some_servers_is_split_off_alone)
{
    g_autoptr(Account) account = team_with_type("event");
    g_autoptr(Observed) observed = observed_new();
    const PlanHistory history = {.mailbox = TEAM, .quota_kib = QUOTA_ANY};
    g_autoptr(Plan) plan = NULL;
    g_autoptr(Plan) risky = NULL;
    g_autofree char *steps = NULL;

    observed->mailbox_exists = observed->acl_known = true;
    plan = plan_it(account, observed, &history);
    risky = plan_split_risky(plan);
    ck_assert_ptr_nonnull(risky);
    steps = summary(risky);
    ck_assert_str_eq(steps, "set metadata " TEAM);
    ck_assert_str_eq(risky->dn, plan->dn);
    ck_assert_uint_eq(plan->steps->len, 1);
    ck_assert_ptr_null(plan_split_risky(plan));
}
END_TEST

START_TEST(a_type_that_is_right_needs_no_step)
{
    g_autoptr(Account) account = team_with_type("event");
    g_autoptr(Observed) observed = observed_new();
    const PlanHistory history = {.mailbox = TEAM, .quota_kib = QUOTA_ANY};
    g_autoptr(Plan) plan = NULL;

    observed->mailbox_exists = observed->acl_known = true;
    set_present(observed, "jane=lrs");
    g_hash_table_insert(observed->metadata, g_strdup(TYPE), g_strdup("event"));
    plan = plan_it(account, observed, &history);
    ck_assert_uint_eq(plan->steps->len, 0);
}
END_TEST

START_TEST(a_limit_is_carried_to_the_new_name)
{
    g_autoptr(Account) account = make_account(&(const Row){.wanted = "jane, read"});
    g_autoptr(Observed) observed = observed_new();
    const PlanHistory history = {.mailbox = "shared/Crew@example.org", .quota_kib = QUOTA_ANY};
    g_autoptr(Plan) plan = NULL;
    g_autofree char *steps = NULL;

    observed->previous_exists = observed->acl_known = true;
    observed->quota_kib = 500;
    set_present(observed, "jane=lrs");
    plan = plan_it(account, observed, &history);
    steps = summary(plan);
    ck_assert_str_eq(steps, "rename mailbox " TEAM "; set quota " TEAM "; set quota shared/Crew@example.org");
    ck_assert_int_eq(((const Step *)g_ptr_array_index(plan->steps, 1))->quota_kib, 500);
    ck_assert_int_eq(((const Step *)g_ptr_array_index(plan->steps, 2))->quota_kib, QUOTA_UNLIMITED);
}
END_TEST

static const char *const other_spaces[][2] = {{"user/jane@example.org", TEAM}, {TEAM, "user/jane@example.org"}};

START_TEST(a_mailbox_does_not_change_between_a_person_and_everybody)
{
    g_autoptr(Account) account = account_new();
    g_autoptr(Observed) observed = observed_new();
    g_autoptr(Entry) entry = entry_new("1", "cn=Team,dc=example,dc=org", KIND_SHARED_FOLDER);
    const PlanHistory history = {.mailbox = other_spaces[_i][0], .quota_kib = QUOTA_ANY};
    g_autoptr(GError) error = NULL;
    Plan *plan = NULL;

    account->mailbox = g_strdup(other_spaces[_i][1]);
    observed->previous_exists = true;
    ck_assert(!plan_make(entry, account, observed, &history, &plan, &error));
    ck_assert_int_eq(fault_of(error), FAULT_PARK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan_shared");
    TCase *tcase = tcase_create("all");

    tcase_add_loop_test(tcase, rights_are_as_the_table_says, 0, G_N_ELEMENTS(rows));
    tcase_add_loop_test(tcase, a_second_run_has_nothing_to_do, 0, G_N_ELEMENTS(rows));
    tcase_add_test(tcase, a_new_mailbox_has_parents_before_it_and_the_type_last);
    tcase_add_test(tcase, the_step_that_kills_some_servers_is_split_off_alone);
    tcase_add_test(tcase, a_type_that_is_right_needs_no_step);
    tcase_add_test(tcase, a_limit_is_carried_to_the_new_name);
    tcase_add_loop_test(tcase, a_mailbox_does_not_change_between_a_person_and_everybody, 0, G_N_ELEMENTS(other_spaces));
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
