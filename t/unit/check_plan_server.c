#include "model/fault.h"
#include "plan/plan.h"
#include "plan/print.h"
#include "policy/placement.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define JANE "user/jane@example.org"
#define TEAM "shared/Team@example.org"

typedef struct {
    const char *title;
    const char *mail_host; /* values of the entry's attribute, separated by a blank */
    bool single_server;
    bool not_ours; /* the attribute is not written: read-only, or imap.mail_host is "" */
    const char *shared; /* its mailbox; NULL: a person's */
    bool is_new, renamed;
    const char *on;     /* the server that has the mailbox; NULL: nobody asked */
    const char *chosen; /* by the policy for a new mailbox */
    const char *partition;
    bool move;
    const char *steps;
    const char *server; /* in the end */
    const char *note;   /* part of it; NULL: none */
} Row;

#define OUTSIDE "kolabd-new-ab-12@example.org"
#define TAKES_NAME "rename mailbox " TEAM " [" OUTSIDE " -> " TEAM "]"
#define METADATA "set metadata " TEAM " [- -> /shared/x=1]"
#define MAIL_HOST(before, after) "write attribute mailHost [" before " -> " after "]"

static const Row rows[] = {
    {.title = "a single server has what the settings say", .single_server = true, .mail_host = "b2",
     .steps = MAIL_HOST("b2", "front")},
    {.title = "a single server moves nothing", .single_server = true, .mail_host = "b2", .move = true,
     .steps = MAIL_HOST("b2", "front")},
    {.title = "a single server creates without a place", .single_server = true, .is_new = true, .chosen = "b2",
     .mail_host = "front", .steps = "create mailbox " JANE " [- -> " JANE "]"},
    {.title = "a single server creates in a partition", .single_server = true, .is_new = true, .partition = "archive",
     .mail_host = "front", .steps = "create mailbox " JANE " [- -> " JANE " on partition archive]"},

    {.title = "mailHost is the server's name", .on = "b1", .steps = MAIL_HOST("-", "b1"), .server = "b1"},
    {.title = "mailHost is right", .on = "b1", .mail_host = "b1", .steps = "", .server = "b1"},
    {.title = "a difference in case is none", .on = "b1.example.org", .mail_host = "B1.Example.ORG", .steps = "",
     .server = "b1.example.org"},
    {.title = "the frontend's name is wrong", .on = "b1", .mail_host = "front", .steps = MAIL_HOST("front", "b1"), .server = "b1",
     .note = "mailHost says \"front\", which is not known as a server of the murder (imap.backends), the mailbox is on b1: corrected"},
    {.title = "localhost is corrected and means nothing", .on = "b1", .mail_host = "localhost",
     .steps = MAIL_HOST("localhost", "b1"), .server = "b1"},
    {.title = "two values become one", .on = "b1", .mail_host = "B1 b2", .steps = MAIL_HOST("B1, b2", "b1"), .server = "b1"},
    {.title = "another backend is corrected, and told", .on = "b1", .mail_host = "B2", .steps = MAIL_HOST("B2", "b1"),
     .server = "b1", .note = "mailHost says \"B2\", the mailbox is on b1: corrected; with placement.move it would be moved"},
    {.title = "while nobody knows the server the attribute is left", .mail_host = "b2", .steps = ""},
    {.title = "and not written", .steps = ""},
    {.title = "an attribute that is not ours is left", .on = "b1", .mail_host = "localhost", .not_ours = true, .steps = "",
     .server = "b1"},

    {.title = "the mailbox follows", .on = "b1", .mail_host = "B2", .move = true, .steps = "move mailbox " JANE " [b1 -> b2]",
     .server = "b2"},
    {.title = "into the partition", .on = "b1", .mail_host = "b2", .move = true, .partition = "fast",
     .steps = "move mailbox " JANE " [b1 -> b2]", .server = "b2"},
    {.title = "it is there", .on = "b2", .mail_host = "B2", .move = true, .steps = "", .server = "b2"},
    {.title = "it is there, by a name in another case", .on = "B2", .mail_host = "b2", .move = true, .steps = "", .server = "B2"},
    {.title = "it follows to nowhere unknown", .on = "b1", .mail_host = "b9", .move = true, .steps = MAIL_HOST("b9", "b1"),
     .server = "b1", .note = "not known as a server"},
    {.title = "nor to localhost", .on = "b1", .mail_host = "localhost", .move = true, .steps = MAIL_HOST("localhost", "b1"),
     .server = "b1"},
    {.title = "nor to one of two", .on = "b1", .mail_host = "b1 b2", .move = true, .steps = MAIL_HOST("b1, b2", "b1"),
     .server = "b1"},
    {.title = "nor away when it says nothing", .on = "b1", .move = true, .steps = MAIL_HOST("-", "b1"), .server = "b1"},
    {.title = "a backend that is out of reach is tried", .on = "b1", .mail_host = "down", .move = true,
     .steps = "move mailbox " JANE " [b1 -> down]", .server = "down"},
    {.title = "it follows also where the attribute is not ours", .on = "b1", .mail_host = "b2", .move = true, .not_ours = true,
     .steps = "move mailbox " JANE " [b1 -> b2]", .server = "b2"},
    {.title = "nobody asked where it is", .mail_host = "b2", .move = true, .steps = ""},
    {.title = "renamed, then moved", .on = "b1", .renamed = true, .mail_host = "b2", .move = true,
     .steps = "rename mailbox " JANE " [user/old@example.org -> " JANE "]; move mailbox " JANE " [b1 -> b2]", .server = "b2"},
    {.title = "renamed where it is", .on = "b1", .renamed = true, .mail_host = "b1", .chosen = "b2",
     .steps = "rename mailbox " JANE " [user/old@example.org -> " JANE "]", .server = "b1"},

    {.title = "a new one where Cyrus chooses", .is_new = true, .mail_host = "localhost",
     .steps = "create mailbox " JANE " [- -> " JANE "]"},
    {.title = "a partition without a server kills a frontend", .is_new = true, .partition = "archive", .mail_host = "localhost",
     .steps = "create mailbox " JANE " [- -> " JANE "]"},
    {.title = "a new one on a server", .is_new = true, .chosen = "b2", .mail_host = "localhost",
     .steps = "create mailbox " JANE " [- -> " JANE " on b2]; " MAIL_HOST("localhost", "b2"), .server = "b2"},
    {.title = "a new one on a server, in a partition", .is_new = true, .chosen = "b2", .partition = "archive",
     .steps = "create mailbox " JANE " [- -> " JANE " on b2, partition archive]; " MAIL_HOST("-", "b2"), .server = "b2"},
    {.title = "a name that is no word is not sent", .is_new = true, .chosen = "b2)\r\nx", .partition = "archive",
     .steps = "create mailbox " JANE " [- -> " JANE "]"},
    {.title = "one that was there already stays where it is", .on = "b1", .chosen = "b2", .mail_host = "b1", .steps = "",
     .server = "b1"},

    {.title = "a shared one where its parent is", .shared = TEAM, .is_new = true,
     .steps = "create mailbox " TEAM " [- -> " TEAM "]; " METADATA},
    {.title = "a shared one on a server: made below nothing first", .shared = TEAM, .is_new = true, .chosen = "b2",
     .partition = "archive",
     .steps = "create mailbox " OUTSIDE " [- -> " OUTSIDE " on b2, partition archive]; " TAKES_NAME "; " METADATA,
     .server = "b2"},
    {.title = "what is below a shared one follows it", .shared = "shared/Team/Plans@example.org", .is_new = true, .chosen = "b2",
     .partition = "archive", .steps = "create mailbox shared/Team/Plans@example.org [- -> shared/Team/Plans@example.org]; set "
                                      "metadata shared/Team/Plans@example.org [- -> /shared/x=1]"},
    {.title = "a shared one that is there stays", .shared = TEAM, .on = "b1", .chosen = "b2", .steps = METADATA, .server = "b1"},
    {.title = "a shared one does not follow: servers die of it", .shared = TEAM, .on = "b1", .mail_host = "b2", .move = true,
     .steps = METADATA, .server = "b1", .note = "mailHost says \"b2\", the mailbox is on b1: a shared mailbox stays where it is"},
    {.title = "nor does one that nobody expects to, and its attribute stays", .shared = TEAM, .on = "b1", .mail_host = "b2",
     .steps = METADATA, .server = "b1"},
    {.title = "a shared one in a partition of a single server", .shared = TEAM, .single_server = true, .is_new = true,
     .partition = "archive",
     .steps = "create mailbox " TEAM " [- -> " TEAM " on partition archive]; " METADATA},
};

static GPtrArray *make_backends(void)
{
    const char *const names[] = {"b1", "b2", "down"};
    GPtrArray *backends = g_ptr_array_new_with_free_func((GDestroyNotify)placement_backend_free);

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_ptr_array_add(backends, placement_backend_new(names[i]));
    ((PlacementBackend *)g_ptr_array_index(backends, 2))->reachable = false;
    return backends;
}

static Entry *make_entry(const Row *row)
{
    Entry *entry = entry_new("ab-12", "uid=jane,dc=example,dc=org", KIND_USER);
    g_auto(GStrv) hosts = g_strsplit(row->mail_host != NULL ? row->mail_host : "", " ", -1);

    for (char **host = hosts; *host != NULL; host++)
        entry_add_value(entry, "mailHost", *host, strlen(*host));
    return entry;
}

static Account *make_account(const Row *row)
{
    Account *desired = account_new();
    AttributeValues *attribute = attribute_values_new("mailHost");

    desired->mailbox = g_strdup(row->shared != NULL ? row->shared : JANE);
    desired->login = row->shared != NULL ? NULL : g_strdup("jane@example.org");
    desired->quota_kib = QUOTA_ANY;
    desired->host_attribute = g_strdup("mailHost");
    desired->host_asked = row->mail_host != NULL && strchr(row->mail_host, ' ') == NULL ? g_strdup(row->mail_host) : NULL;
    g_ptr_array_add(attribute->values, g_strdup("front"));
    if (row->shared != NULL || row->not_ours)
        attribute_values_free(attribute);
    else
        g_ptr_array_add(desired->attributes, attribute);
    if (row->shared != NULL)
        g_ptr_array_add(desired->metadata, metadata_new("/shared/x", "1"));
    return desired;
}

static Observed *make_observed(const Row *row)
{
    Observed *observed = observed_new();

    observed->murder = !row->single_server;
    observed->mailbox_exists = !row->is_new && !row->renamed;
    observed->previous_exists = row->renamed;
    observed->server = g_strdup(row->on);
    return observed;
}

static PlanHistory make_history(const Row *row, const GPtrArray *backends)
{
    return (PlanHistory){.quota_kib = QUOTA_ANY, .mailbox = row->renamed ? "user/old@example.org" : NULL,
                         .placement = {.server = row->chosen, .partition = row->partition, .move = row->move,
                                       .backends = backends}};
}

static char *summary(const Plan *plan)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);
        g_autofree char *target = step_target(step);

        g_string_append_printf(text, "%s%s %s [%s -> %s]", i > 0 ? "; " : "", step_kind_name(step->kind), target,
                               step->before != NULL ? step->before : "-", step->after != NULL ? step->after : "-");
    }
    return g_strdup(text->str);
}

static const Step *find_step(const Plan *plan, StepKind kind)
{
    for (guint i = 0; i < plan->steps->len; i++)
        if (((const Step *)g_ptr_array_index(plan->steps, i))->kind == kind)
            return g_ptr_array_index(plan->steps, i);
    return NULL;
}

START_TEST(where_the_mailbox_is_and_goes_is_as_the_table_says)
{
    const Row *row = &rows[_i];
    g_autoptr(GPtrArray) backends = make_backends();
    g_autoptr(Entry) entry = make_entry(row);
    g_autoptr(Account) desired = make_account(row);
    g_autoptr(Observed) observed = make_observed(row);
    const PlanHistory history = make_history(row, backends);
    g_autoptr(Plan) plan = NULL;
    g_autofree char *steps = NULL;
    const Step *move;

    ck_assert(plan_make(entry, desired, observed, &history, &plan, NULL));
    steps = summary(plan);
    move = find_step(plan, STEP_MOVE_MAILBOX);
    ck_assert_msg(strcmp(steps, row->steps) == 0, "%s: %s", row->title, steps);
    ck_assert_msg(g_strcmp0(plan->server, row->server) == 0, "%s: on %s", row->title, plan->server);
    ck_assert_msg((plan->note == NULL) == (row->note == NULL), "%s: %s", row->title, plan->note);
    if (row->note != NULL)
        ck_assert_msg(strstr(plan->note, row->note) != NULL, "%s: %s", row->title, plan->note);
    if (move != NULL) {
        ck_assert_str_eq(move->server, row->server);
        ck_assert_pstr_eq(move->partition, row->partition);
        ck_assert_int_eq(step_actor(move), ACTOR_ADMIN);
    }
}
END_TEST

/* As the murder says afterwards, with what the plan writes. */
START_TEST(once_carried_out_nothing_remains)
{
    const Row *row = &rows[_i];
    g_autoptr(GPtrArray) backends = make_backends();
    g_autoptr(Entry) entry = make_entry(row), after = NULL;
    g_autoptr(Account) desired = make_account(row);
    g_autoptr(Observed) observed = make_observed(row);
    PlanHistory history = make_history(row, backends);
    g_autoptr(Plan) plan = NULL, second = NULL;

    ck_assert(plan_make(entry, desired, observed, &history, &plan, NULL));
    after = plan_expected_entry(plan, entry);
    g_clear_pointer(&desired->host_asked, g_free);
    if (entry_count_values(after, "mailHost") == 1)
        ck_assert(entry_get_value(after, "mailHost", &desired->host_asked, NULL));
    observed->mailbox_exists = true;
    observed->previous_exists = false;
    g_free(observed->server);
    observed->server = g_strdup(plan->server);
    g_hash_table_insert(observed->metadata, g_strdup("/shared/x"), g_strdup("1"));
    history.mailbox = desired->mailbox;
    ck_assert(plan_make(after, desired, observed, &history, &second, NULL));
    ck_assert_msg(second->steps->len == 0, "%s", row->title);
    ck_assert_msg(second->note == NULL || row->shared != NULL, "%s", row->title); /* whose attribute nobody corrects */
}
END_TEST

START_TEST(the_first_part_of_a_creation_is_parents_and_creation)
{
    const Row row = {.shared = TEAM, .is_new = true, .chosen = "b2"}, person = {.is_new = true, .chosen = "b2", .partition = "p"};
    g_autoptr(Entry) entry = make_entry(&row);
    g_autoptr(Account) team = make_account(&row), jane = make_account(&person);
    g_autoptr(Observed) observed = make_observed(&row);
    const PlanHistory history = make_history(&row, NULL), personal = make_history(&person, NULL);
    g_autoptr(Plan) shared = NULL, plan = NULL;
    g_autofree char *shared_steps = NULL, *steps = NULL;

    jane->quota_kib = 1024;
    g_ptr_array_add(jane->folders, folder_new("Calendar"));
    ck_assert(plan_create(entry, jane, observed, &personal, &plan, NULL));
    steps = summary(plan);
    ck_assert_str_eq(steps, "create mailbox " JANE " [- -> " JANE " on b2, partition p]");
    ck_assert(plan->takes_name);
    ck_assert_str_eq(plan->server, "b2");
    g_ptr_array_add(observed->missing_parents, g_strdup("shared@example.org"));
    ck_assert(plan_create(entry, team, observed, &history, &shared, NULL));
    shared_steps = summary(shared);
    ck_assert_str_eq(shared_steps, "create parent shared@example.org [- -> shared@example.org on b2]; "
                                   "create mailbox " OUTSIDE " [- -> " OUTSIDE " on b2]; " TAKES_NAME);
    ck_assert_str_eq(shared->server, "b2");
}
END_TEST

START_TEST(what_is_only_assumed_to_be_absent_is_created_with_its_quota)
{
    const Row row = {.single_server = true, .is_new = true};
    g_autoptr(Entry) entry = make_entry(&row);
    g_autoptr(Account) desired = make_account(&row);
    g_autoptr(Observed) observed = make_observed(&row);
    const PlanHistory history = make_history(&row, NULL);
    g_autoptr(Plan) looked = NULL, assumed = NULL;
    g_autofree char *looked_steps = NULL, *assumed_steps = NULL;

    desired->quota_kib = 1024;
    ck_assert(plan_create(entry, desired, observed, &history, &looked, NULL));
    looked_steps = summary(looked);
    ck_assert_str_eq(looked_steps, "create mailbox " JANE " [- -> " JANE "]");
    ck_assert(!((const Step *)g_ptr_array_index(looked->steps, 0))->assumed);
    observed->assumed = true;
    ck_assert(plan_create(entry, desired, observed, &history, &assumed, NULL));
    assumed_steps = summary(assumed);
    ck_assert_str_eq(assumed_steps, "create mailbox " JANE " [- -> " JANE "]; set quota " JANE " [- -> 1024 KiB]");
    ck_assert(((const Step *)g_ptr_array_index(assumed->steps, 0))->assumed);
}
END_TEST

START_TEST(what_needs_no_creation_has_no_first_part)
{
    const Row cases[] = {{.on = "b1"}, {.renamed = true, .on = "b1"}, {.shared = TEAM, .on = "b1"}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Entry) entry = make_entry(&cases[i]);
        g_autoptr(Account) desired = make_account(&cases[i]);
        g_autoptr(Observed) observed = make_observed(&cases[i]);
        const PlanHistory history = make_history(&cases[i], NULL);
        Plan *plan = NULL;

        ck_assert(plan_create(entry, desired, observed, &history, &plan, NULL));
        ck_assert_ptr_null(plan);
        g_clear_pointer(&desired->mailbox, g_free);
        ck_assert(plan_create(entry, desired, observed, &history, &plan, NULL));
        ck_assert_ptr_null(plan);
    }
}
END_TEST

START_TEST(the_first_part_is_refused_as_the_whole_is)
{
    const Row row = {.is_new = true};
    g_autoptr(Entry) entry = make_entry(&row);
    g_autoptr(Account) desired = make_account(&row);
    g_autoptr(Observed) observed = make_observed(&row);
    PlanHistory history = make_history(&row, NULL);
    g_autoptr(GError) kind = NULL, both = NULL;
    Plan *plan = NULL;

    history.mailbox = TEAM; /* it was a shared folder */
    ck_assert(!plan_create(entry, desired, observed, &history, &plan, &kind));
    ck_assert(g_error_matches(kind, FAULT, FAULT_PARK));
    history.mailbox = "user/old@example.org";
    observed->mailbox_exists = observed->previous_exists = true;
    ck_assert(!plan_create(entry, desired, observed, &history, &plan, &both));
    ck_assert(g_error_matches(both, FAULT, FAULT_PARK));
    ck_assert_ptr_null(plan);
}
END_TEST

START_TEST(a_move_comes_last)
{
    const Row row = {.on = "b1", .mail_host = "b2", .move = true};
    g_autoptr(GPtrArray) backends = make_backends();
    g_autoptr(Entry) entry = make_entry(&row);
    g_autoptr(Account) jane = make_account(&row);
    g_autoptr(Observed) observed = make_observed(&row);
    const PlanHistory history = make_history(&row, backends);
    g_autoptr(Plan) plan = NULL;
    g_autofree char *steps = NULL;

    jane->quota_kib = 1024;
    g_ptr_array_add(jane->folders, folder_new("Calendar"));
    observed->folders_known = true;
    ck_assert(plan_make(entry, jane, observed, &history, &plan, NULL));
    steps = summary(plan);
    ck_assert_str_eq(steps, "set quota " JANE " [- -> 1024 KiB]; create folder Calendar [- -> Calendar]; "
                            "subscribe Calendar [- -> Calendar]; move mailbox " JANE " [b1 -> b2]");
    ck_assert_str_eq(plan_present_server(plan), "b1");
}
END_TEST

START_TEST(what_travels_alone_goes_to_the_server_that_has_the_mailbox)
{
    const Row row = {.shared = TEAM, .on = "b1"};
    g_autoptr(Entry) entry = make_entry(&row);
    g_autoptr(Account) team = make_account(&row);
    g_autoptr(Observed) observed = make_observed(&row);
    const PlanHistory history = make_history(&row, NULL);
    g_autoptr(Plan) plan = NULL, risky = NULL;

    ck_assert(plan_make(entry, team, observed, &history, &plan, NULL));
    risky = plan_split_risky(plan);
    ck_assert_uint_eq(risky->steps->len, 1);
    ck_assert_str_eq(plan_present_server(risky), "b1");
}
END_TEST

START_TEST(a_move_and_a_note_read_as_text_and_as_json)
{
    const Row moves = {.on = "b1", .mail_host = "b2", .move = true}, stays = {.on = "b1", .mail_host = "b2"};
    g_autoptr(GPtrArray) backends = make_backends();
    g_autoptr(Entry) entry = make_entry(&moves);
    g_autoptr(Account) desired = make_account(&moves);
    g_autoptr(Observed) observed = make_observed(&moves);
    const PlanHistory moving = make_history(&moves, backends), staying = make_history(&stays, backends);
    g_autoptr(Plan) move = NULL, stay = NULL;
    g_autofree char *move_text = NULL, *move_json = NULL, *stay_text = NULL, *stay_json = NULL;

    ck_assert(plan_make(entry, desired, observed, &moving, &move, NULL));
    ck_assert(plan_make(entry, desired, observed, &staying, &stay, NULL));
    move_text = plan_print_text(move, "example.org");
    move_json = plan_print_json(move, "example.org");
    stay_text = plan_print_text(stay, "example.org");
    stay_json = plan_print_json(stay, "example.org");
    ck_assert_ptr_nonnull(strstr(move_text, "move mailbox    \"" JANE "\" from \"b1\" to \"b2\"\n"));
    ck_assert_ptr_nonnull(strstr(move_json, "{\"step\":\"move mailbox\",\"actor\":\"imap\",\"target\":\"" JANE "\","
                                            "\"mailbox\":\"" JANE "\",\"before\":\"b1\",\"after\":\"b2\"}"));
    ck_assert_ptr_nonnull(strstr(move_json, "\"note\":null"));
    ck_assert_ptr_nonnull(strstr(stay_text, "\n  note: mailHost says \"b2\", the mailbox is on b1: corrected; "));
    ck_assert_ptr_nonnull(strstr(stay_json, "\"note\":\"mailHost says \\\"b2\\\", the mailbox"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan_server");
    TCase *tests = tcase_create("plan_server");

    tcase_add_loop_test(tests, where_the_mailbox_is_and_goes_is_as_the_table_says, 0, G_N_ELEMENTS(rows));
    tcase_add_loop_test(tests, once_carried_out_nothing_remains, 0, G_N_ELEMENTS(rows));
    tcase_add_test(tests, the_first_part_of_a_creation_is_parents_and_creation);
    tcase_add_test(tests, what_is_only_assumed_to_be_absent_is_created_with_its_quota);
    tcase_add_test(tests, what_needs_no_creation_has_no_first_part);
    tcase_add_test(tests, the_first_part_is_refused_as_the_whole_is);
    tcase_add_test(tests, a_move_comes_last);
    tcase_add_test(tests, what_travels_alone_goes_to_the_server_that_has_the_mailbox);
    tcase_add_test(tests, a_move_and_a_note_read_as_text_and_as_json);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
