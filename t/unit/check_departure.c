#include "departures.h"
#include "directory/whoami.h"
#include "model/fault.h"
#include "plan/plan.h"
#include "policy/limit.h"
#include "state/cleanup.h"
#include "state/queue.h"
#include "state/report.h"
#include "state_file.h"
#include "suite.h"

#include <check.h>
#include <string.h>

/* --- the limit */

static const struct {
    guint limit, percent, entries, expected;
} LIMITS[] = {
    {10, 5, 0, 10},        {10, 5, 200, 10},     {10, 5, 219, 10},           {10, 5, 220, 11},
    {10, 5, 100000, 5000}, {0, 0, 100000, 0},    {0, 100, 7, 7},             {0, 1, 99, 0},
    {3, 0, 1000, 3},       {0, 50, 4294967295u, 2147483647u},
};

START_TEST(the_larger_of_number_and_percentage_is_the_limit)
{
    g_autoptr(DomainSettings) settings = domain_settings_new("example.org");

    settings->deletion_limit = LIMITS[_i].limit;
    settings->deletion_limit_percent = LIMITS[_i].percent;
    ck_assert_uint_eq(limit_of_deletions(settings, LIMITS[_i].entries), LIMITS[_i].expected);
}
END_TEST

static const struct {
    const char *why;
    guint entries, waiting, held, recent, unsettled;
    LimitVerdict expected;
} VERDICTS[] = {
    {"one", 100, 1, 0, 0, 0, LIMIT_RELEASE},
    {"as many as the limit", 100, 10, 0, 0, 0, LIMIT_RELEASE},
    {"one more", 100, 11, 0, 0, 0, LIMIT_HOLD},
    {"with those of the last hour", 100, 1, 0, 10, 0, LIMIT_HOLD},
    {"just with those of the last hour", 100, 1, 0, 9, 0, LIMIT_RELEASE},
    {"while others are held", 100, 1, 10, 0, 0, LIMIT_HOLD},
    {"the set is not complete", 100, 1, 0, 0, 1, LIMIT_WAIT},
    {"too many already, whatever the rest is", 100, 11, 0, 0, 500, LIMIT_HOLD},
    {"5 % of a large domain", 1000, 50, 0, 0, 0, LIMIT_RELEASE},
    {"more than 5 % of a large domain", 1000, 51, 0, 0, 0, LIMIT_HOLD},
    {"no overflow", 100, 4294967295u, 4294967295u, 2, 0, LIMIT_HOLD},
};

START_TEST(a_set_is_released_awaited_or_held)
{
    g_autoptr(DomainSettings) settings = domain_settings_new("example.org");

    ck_assert_msg(limit_judge(settings, VERDICTS[_i].entries, VERDICTS[_i].waiting, VERDICTS[_i].held, VERDICTS[_i].recent,
                              VERDICTS[_i].unsettled) == VERDICTS[_i].expected, "%s", VERDICTS[_i].why);
}
END_TEST

/* --- who we are */

static const struct {
    const char *identity;
    bool expected;
} IDENTITIES[] = {
    {"", false}, {"dn:", false}, {"dn: ", false}, {"u:", false}, {"anonymous", false},
    {"dn:uid=a,dc=b", true}, {"dn: uid=a,dc=b", true}, {"u:admin", true},
};

START_TEST(only_an_identity_with_a_name_is_somebody)
{
    ck_assert_int_eq(whoami_is_somebody(IDENTITIES[_i].identity, strlen(IDENTITIES[_i].identity)), IDENTITIES[_i].expected);
}
END_TEST

START_TEST(a_deletion_is_a_plan_of_one_step)
{
    Plan *plan = plan_make_deletion("uid=a", "id-a", "user/a@example.org");
    const Step *step = g_ptr_array_index(plan->steps, 0);

    ck_assert_uint_eq(plan->steps->len, 1);
    ck_assert_int_eq(step->kind, STEP_DELETE_MAILBOX);
    ck_assert_int_eq(step_actor(step), ACTOR_ADMIN);
    ck_assert_str_eq(step->before, "user/a@example.org");
    ck_assert_ptr_null(step->after);
    plan_free(plan);
}
END_TEST

/* --- the state */

static DepartureSummary summarize(State *state)
{
    DepartureSummary summary;

    ck_assert(departure_summarize(state, &summary, NULL));
    return summary;
}

static DepartureCounts count(State *state)
{
    DepartureCounts counts;

    ck_assert(departure_count(state, "example.org", &counts, NULL));
    return counts;
}

static guint release(State *state, bool all)
{
    guint released;

    ck_assert(departure_release(state, "example.org", all, G_MAXUINT, &released, NULL));
    return released;
}

static guint due(State *state)
{
    QueueCounts counts;

    ck_assert(queue_count(state, &counts, NULL));
    return counts.due;
}

START_TEST(a_departure_comes_back_with_its_record)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) record = NULL;

    serve(state, "jane");
    depart(state, "jane", REASON_MOVED, DEPARTURE_KEPT, 0);
    record = find(state, "jane");
    ck_assert(record->departed);
    ck_assert_int_eq(record->departure.reason, REASON_MOVED);
    ck_assert_int_eq(record->departure.status, DEPARTURE_KEPT);
    ck_assert_str_eq(record->mailbox, "user/jane@example.org");
    ck_assert_str_eq(g_ptr_array_index(record->identifiers, 0), "jane@example.org");
}
END_TEST

START_TEST(an_entry_that_is_back_withdraws_its_departure)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) record = NULL;

    depart(state, "jane", REASON_GONE, DEPARTURE_WAITING, 0);
    serve(state, "jane");
    record = find(state, "jane");
    ck_assert(!record->departed);
    ck_assert_uint_eq(release(state, true), 0);
    ck_assert_uint_eq(count(state).waiting, 0);
}
END_TEST

START_TEST(only_what_is_due_is_released_unless_all_is)
{
    g_autoptr(State) state = open_state(STATE_OWN);

    depart(state, "now", REASON_GONE, DEPARTURE_WAITING, -G_USEC_PER_SEC);
    depart(state, "later", REASON_GONE, DEPARTURE_WAITING, G_TIME_SPAN_HOUR);
    ck_assert_int_gt(g_get_monotonic_time(), summarize(state).next_due_us);
    ck_assert_uint_eq(release(state, false), 1);
    assert_status(state, "now", DEPARTURE_APPROVED);
    assert_status(state, "later", DEPARTURE_WAITING);
    ck_assert_uint_eq(due(state), 1);
    ck_assert_int_lt(g_get_monotonic_time() + 50 * G_TIME_SPAN_MINUTE, summarize(state).next_due_us);
    ck_assert_uint_eq(release(state, true), 1);
    ck_assert_uint_eq(due(state), 2);
}
END_TEST

START_TEST(no_more_are_released_than_were_counted_and_the_first_ones_come_first)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    guint counted, released;

    depart(state, "second", REASON_GONE, DEPARTURE_WAITING, -G_USEC_PER_SEC);
    depart(state, "first", REASON_GONE, DEPARTURE_WAITING, -2 * G_USEC_PER_SEC);
    counted = count(state).waiting;
    depart(state, "came since", REASON_GONE, DEPARTURE_WAITING, 0);
    ck_assert(departure_release(state, "example.org", true, counted, &released, NULL));
    ck_assert_uint_eq(released, 2);
    assert_status(state, "first", DEPARTURE_APPROVED);
    assert_status(state, "second", DEPARTURE_APPROVED);
    assert_status(state, "came since", DEPARTURE_WAITING);
    ck_assert_uint_eq(due(state), 2);
}
END_TEST

START_TEST(the_counts_are_what_the_limit_is_judged_by)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    DepartureCounts counts;

    for (guint i = 0; i < 5; i++) {
        g_autofree char *name = g_strdup_printf("p%u", i);

        serve(state, name);
    }
    depart(state, "w1", REASON_GONE, DEPARTURE_WAITING, 0);
    depart(state, "w2", REASON_GONE, DEPARTURE_WAITING, 0);
    depart(state, "kept", REASON_MOVED, DEPARTURE_KEPT, 0);
    depart(state, "deleted", REASON_GONE, DEPARTURE_DELETED, 0);
    ck_assert(queue_add(state, "example.org", "id-p1", "missing", false, NULL));
    ck_assert(queue_add(state, "example.org", "id-p1", "exchange", true, NULL)); /* it stays missing */
    ck_assert(queue_add(state, "example.org", "id-p2", "sweep", false, NULL));
    counts = count(state);
    ck_assert_uint_eq(counts.entries, 7);
    ck_assert_uint_eq(counts.waiting, 2);
    ck_assert_uint_eq(counts.held, 0);
    ck_assert_uint_eq(counts.recent, 1);
    ck_assert_uint_eq(counts.unsettled, 1);
    ck_assert(departure_hold(state, "example.org", NULL));
    counts = count(state);
    ck_assert_uint_eq(counts.entries, 7);
    ck_assert_uint_eq(counts.waiting, 0);
    ck_assert_uint_eq(counts.held, 2);
}
END_TEST

static guint keep(State *state)
{
    g_autoptr(GPtrArray) kept = NULL;

    ck_assert(departure_keep(state, "example.org", &kept, NULL));
    return kept->len;
}

static void depart_group(State *state, const char *name)
{
    g_autoptr(Record) group = person(name);

    g_free(group->kind);
    group->kind = g_strdup("group");
    group->departed = true;
    group->departure = (Departure){.reason = REASON_GONE, .status = DEPARTURE_WAITING};
    store(state, group);
}

START_TEST(of_what_waits_mailboxes_can_be_kept_and_nothing_else)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GPtrArray) kept = NULL;
    const Record *record;

    depart(state, "jane", REASON_GONE, DEPARTURE_WAITING, G_TIME_SPAN_DAY);
    depart(state, "approved", REASON_GONE, DEPARTURE_APPROVED, 0);
    depart_group(state, "staff");
    ck_assert(departure_keep(state, "example.org", &kept, NULL));
    ck_assert_uint_eq(kept->len, 1);
    record = g_ptr_array_index(kept, 0);
    ck_assert_str_eq(record->unique_id, "id-jane");
    ck_assert_str_eq(record->dn, "uid=jane,dc=example,dc=org");
    ck_assert_str_eq(record->mailbox, "user/jane@example.org");
    assert_status(state, "jane", DEPARTURE_KEPT);
    assert_status(state, "approved", DEPARTURE_APPROVED);
    assert_status(state, "staff", DEPARTURE_WAITING);
    assert_value("SELECT due IS NULL AND decided_at IS NOT NULL FROM departure WHERE unique_id = 'id-jane'", "1");
    ck_assert_uint_eq(keep(state), 0);
    ck_assert_uint_eq(release(state, true), 1);
    assert_status(state, "jane", DEPARTURE_KEPT);
}
END_TEST

START_TEST(an_operator_s_approval_is_told_from_that_of_the_limit)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) within = NULL;
    g_autoptr(Record) word = NULL;
    guint approved;

    depart(state, "within", REASON_GONE, DEPARTURE_WAITING, 0);
    depart(state, "word", REASON_GONE, DEPARTURE_KEPT, 0);
    ck_assert_uint_eq(release(state, true), 1);
    ck_assert(departure_approve(state, "id-word", "ann", &approved, NULL));
    within = find(state, "within");
    word = find(state, "word");
    ck_assert_int_eq(within->departure.status, DEPARTURE_APPROVED);
    ck_assert(!within->departure.by_operator);
    ck_assert_int_eq(word->departure.status, DEPARTURE_APPROVED);
    ck_assert(word->departure.by_operator);
}
END_TEST

static void miss(State *state, const char *unique_id, guint failures)
{
    ck_assert(queue_add(state, "example.org", unique_id, "missing", false, NULL));
    for (guint i = 0; i < failures; i++) {
        g_autoptr(Change) change = lease(state, unique_id);

        ck_assert_uint_eq(change->attempts, i);
        ck_assert(queue_fail(state, change, FAULT_RETRY, "the connection is lost", NULL, NULL));
    }
}

START_TEST(a_missing_entry_that_was_looked_at_in_vain_is_settled_only_after_the_third_time)
{
    g_autoptr(State) state = open_state(STATE_OWN);

    serve(state, "jane");
    miss(state, "id-jane", (guint)_i);
    ck_assert_uint_eq(count(state).unsettled, _i < 3 ? 1 : 0);
}
END_TEST

START_TEST(an_approval_goes_through_the_file_beside_the_owner_and_is_not_counted)
{
    g_autoptr(State) owner = open_state(STATE_OWN);
    g_autoptr(State) operator = NULL;
    guint approved;

    depart(owner, "a", REASON_GONE, DEPARTURE_WAITING, 0);
    depart(owner, "b", REASON_GONE, DEPARTURE_WAITING, 0);
    ck_assert(departure_hold(owner, "example.org", NULL));
    operator = open_state(STATE_OPERATOR);
    ck_assert(departure_approve(operator, "example.org", "ann", &approved, NULL));
    ck_assert_uint_eq(approved, 2);
    assert_status(owner, "a", DEPARTURE_APPROVED);
    assert_value("SELECT group_concat(target || ' ' || before || ' ' || operator) FROM journal WHERE step = 'approve deletion'",
                 "user/a@example.org held ann,user/b@example.org held ann");
    ck_assert_uint_eq(due(owner), 2);
    depart(owner, "a", REASON_GONE, DEPARTURE_DELETED, 0);
    ck_assert_uint_eq(count(owner).recent, 0);
}
END_TEST

START_TEST(an_approved_departure_whose_change_came_to_nothing_is_queued_again)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Change) change = NULL;

    depart(state, "a", REASON_GONE, DEPARTURE_WAITING, 0);
    ck_assert_uint_eq(release(state, true), 1);
    ck_assert_uint_eq(count(state).stranded, 0);
    change = lease(state, "id-a");
    ck_assert(queue_finish(state, change, NULL, NULL, NULL));
    ck_assert_uint_eq(count(state).stranded, 1);
    ck_assert(departure_requeue(state, "example.org", NULL));
    ck_assert_uint_eq(count(state).stranded, 0);
    ck_assert_uint_eq(due(state), 1);
}
END_TEST

static const struct {
    const char *what;
    guint expected;
} NAMES[] = {
    {"id-held", 1},          {"ID-HELD", 1},   {"UID=held,dc=example,dc=org", 1}, {"user/held@example.org", 1},
    {"Held@Example.org", 1}, {"id-kept", 1},   {"id-failed", 1},                  {"id-moved", 0},
    {"id-served", 0},        {"nobody", 0},    {"example.org", 1},                {"EXAMPLE.ORG", 1},
    {"example.com", 0},      {NULL, 1},        {"id-deleted", 0},
};

START_TEST(an_operator_approves_what_is_held_in_a_domain_or_one_entry_that_is_gone)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    guint approved;

    serve(state, "served");
    depart(state, "held", REASON_GONE, DEPARTURE_WAITING, 0);
    ck_assert(departure_hold(state, "example.org", NULL));
    depart(state, "kept", REASON_GONE, DEPARTURE_KEPT, 0);
    depart(state, "failed", REASON_GONE, DEPARTURE_FAILED, 0);
    depart(state, "moved", REASON_MOVED, DEPARTURE_KEPT, 0);
    depart(state, "deleted", REASON_GONE, DEPARTURE_DELETED, 0);
    ck_assert(departure_approve(state, NAMES[_i].what, "ann", &approved, NULL));
    ck_assert_uint_eq(approved, NAMES[_i].expected);
}
END_TEST

START_TEST(a_deleted_mailbox_frees_its_name_and_leaves_its_identifiers_to_the_clean_up)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) record = NULL;
    g_autoptr(GPtrArray) leftovers = NULL;
    g_autofree char *domain = NULL;
    g_autofree char *unique_id = NULL;
    gint64 age_us;
    bool pending;

    serve(state, "jane");
    depart(state, "jane", REASON_GONE, DEPARTURE_WAITING, 0);
    depart(state, "jane", REASON_GONE, DEPARTURE_DELETED, 0);
    record = find(state, "jane");
    ck_assert_ptr_null(record);
    ck_assert(state_find_owner(state, "user/jane@example.org", &domain, &unique_id, NULL));
    ck_assert_ptr_null(unique_id);
    ck_assert(cleanup_pending(state, "jane@example.org", &pending, NULL));
    ck_assert(pending);
    ck_assert(cleanup_list(state, &leftovers, &age_us, NULL));
    ck_assert_uint_eq(leftovers->len, 1);
    ck_assert_str_eq(((Leftover *)g_ptr_array_index(leftovers, 0))->identifier, "jane@example.org");
    ck_assert_int_ge(age_us, 0);
    ck_assert_int_lt(age_us, G_TIME_SPAN_MINUTE);
}
END_TEST

START_TEST(an_identifier_that_a_served_entry_has_is_no_leftover)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) other = person("other");
    g_autoptr(GPtrArray) leftovers = NULL;
    gint64 age_us;

    depart(state, "jane", REASON_GONE, DEPARTURE_WAITING, 0);
    serve(state, "jane"); /* so that the identifiers are known */
    depart(state, "jane", REASON_GONE, DEPARTURE_DELETED, 0);
    g_ptr_array_add(other->identifiers, g_strdup("jane@example.org"));
    store(state, other);
    ck_assert(cleanup_list(state, &leftovers, &age_us, NULL));
    ck_assert_uint_eq(leftovers->len, 0);
}
END_TEST

/* What waits for the mailbox of jane, failed with `fault`. */
static void block(State *state, Fault fault, const char *what)
{
    g_autoptr(Change) change = lease(state, "id-new");

    change->waits_for = g_strdup(what);
    ck_assert(queue_fail(state, change, fault, "it is taken", NULL, NULL));
}

START_TEST(who_waits_for_a_mailbox_is_due_once_it_is_deleted)
{
    g_autoptr(State) state = open_state(STATE_OWN);

    serve(state, "jane");
    block(state, _i == 0 ? FAULT_RETRY : FAULT_PARK, "user/jane@example.org");
    ck_assert_uint_eq(due(state), 0);
    ck_assert_uint_eq(summarize(state).blocked, 1);
    serve(state, "john");
    ck_assert_uint_eq(due(state), 0);
    depart(state, "jane", REASON_GONE, DEPARTURE_DELETED, 0);
    ck_assert_uint_eq(due(state), 1);
    ck_assert_uint_eq(summarize(state).blocked, 0);
}
END_TEST

START_TEST(who_waits_for_a_mailbox_is_due_once_it_is_kept)
{
    g_autoptr(State) state = open_state(STATE_OWN);

    depart(state, "jane", REASON_GONE, DEPARTURE_WAITING, G_TIME_SPAN_DAY);
    block(state, FAULT_RETRY, "user/jane@example.org");
    ck_assert_uint_eq(due(state), 0);
    ck_assert_uint_eq(keep(state), 1);
    ck_assert_uint_eq(due(state), 1);
    ck_assert_uint_eq(summarize(state).blocked, 0);
}
END_TEST

START_TEST(who_waits_for_a_mailbox_that_is_free_meanwhile_is_due_at_once)
{
    g_autoptr(State) state = open_state(STATE_OWN);

    block(state, FAULT_PARK, "user/nobody@example.org");
    ck_assert_uint_eq(due(state), 1);
}
END_TEST

START_TEST(who_waits_for_an_identifier_is_due_once_it_is_cleaned_up)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GPtrArray) leftovers = NULL;
    g_autoptr(GPtrArray) journals = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    gint64 age_us;

    serve(state, "jane");
    depart(state, "jane", REASON_GONE, DEPARTURE_DELETED, 0);
    block(state, FAULT_RETRY, "jane@example.org");
    ck_assert_uint_eq(due(state), 0);
    ck_assert(cleanup_list(state, &leftovers, &age_us, NULL));
    g_ptr_array_add(journals, g_ptr_array_new());
    ck_assert(cleanup_finish(state, leftovers, journals, false, NULL));
    ck_assert_uint_eq(due(state), 0);
    ck_assert(cleanup_finish(state, leftovers, journals, true, NULL));
    ck_assert_uint_eq(due(state), 1);
}
END_TEST

START_TEST(held_and_failed_departures_are_problems)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GString) out = g_string_new(NULL);
    guint problems;

    depart(state, "a", REASON_GONE, DEPARTURE_WAITING, 0);
    depart(state, "b", REASON_GONE, DEPARTURE_WAITING, 0);
    ck_assert(departure_hold(state, "example.org", NULL));
    depart(state, "c", REASON_GONE, DEPARTURE_FAILED, 0);
    ck_assert(report_problems(state, false, out, &problems, NULL));
    ck_assert_uint_eq(problems, 2);
    ck_assert_ptr_nonnull(strstr(out->str, "2 entries have left"));
    ck_assert_ptr_nonnull(strstr(out->str, "kolabctl approve id-c"));
    g_string_truncate(out, 0);
    ck_assert(report_departures(state, false, out, &problems, NULL));
    ck_assert_uint_eq(problems, 3);
    ck_assert_ptr_nonnull(strstr(out->str, "held"));
}
END_TEST

START_TEST(an_operator_needs_the_file)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(state_open(path, STATE_OPERATOR, &error));
    ck_assert_int_eq(fault_of(error), FAULT_STOP);
    ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
}
END_TEST

static TCase *pure_tests(void)
{
    TCase *tests = tcase_create("pure");

    tcase_add_loop_test(tests, the_larger_of_number_and_percentage_is_the_limit, 0, G_N_ELEMENTS(LIMITS));
    tcase_add_loop_test(tests, a_set_is_released_awaited_or_held, 0, G_N_ELEMENTS(VERDICTS));
    tcase_add_loop_test(tests, only_an_identity_with_a_name_is_somebody, 0, G_N_ELEMENTS(IDENTITIES));
    tcase_add_test(tests, a_deletion_is_a_plan_of_one_step);
    return tests;
}

static TCase *state_tests(void)
{
    TCase *tests = tcase_create("state");

    tcase_add_checked_fixture(tests, make_directory, remove_directory);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_departure_comes_back_with_its_record);
    tcase_add_test(tests, an_entry_that_is_back_withdraws_its_departure);
    tcase_add_test(tests, only_what_is_due_is_released_unless_all_is);
    tcase_add_test(tests, no_more_are_released_than_were_counted_and_the_first_ones_come_first);
    tcase_add_test(tests, the_counts_are_what_the_limit_is_judged_by);
    tcase_add_test(tests, of_what_waits_mailboxes_can_be_kept_and_nothing_else);
    tcase_add_test(tests, an_operator_s_approval_is_told_from_that_of_the_limit);
    tcase_add_loop_test(tests, a_missing_entry_that_was_looked_at_in_vain_is_settled_only_after_the_third_time, 0, 5);
    tcase_add_test(tests, an_approval_goes_through_the_file_beside_the_owner_and_is_not_counted);
    tcase_add_test(tests, an_approved_departure_whose_change_came_to_nothing_is_queued_again);
    tcase_add_loop_test(tests, an_operator_approves_what_is_held_in_a_domain_or_one_entry_that_is_gone, 0, G_N_ELEMENTS(NAMES));
    tcase_add_test(tests, a_deleted_mailbox_frees_its_name_and_leaves_its_identifiers_to_the_clean_up);
    tcase_add_test(tests, an_identifier_that_a_served_entry_has_is_no_leftover);
    tcase_add_loop_test(tests, who_waits_for_a_mailbox_is_due_once_it_is_deleted, 0, 2);
    tcase_add_test(tests, who_waits_for_a_mailbox_is_due_once_it_is_kept);
    tcase_add_test(tests, who_waits_for_a_mailbox_that_is_free_meanwhile_is_due_at_once);
    tcase_add_test(tests, who_waits_for_an_identifier_is_due_once_it_is_cleaned_up);
    tcase_add_test(tests, held_and_failed_departures_are_problems);
    tcase_add_test(tests, an_operator_needs_the_file);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("departure");

    suite_add_tcase(suite, pure_tests());
    suite_add_tcase(suite, state_tests());
    return run_suite(suite);
}
