#include "daemon/domains.h"
#include "daemon/handover.h"
#include "daemon/summary.h"
#include "model/fault.h"
#include "state/queue.h"
#include "state_file.h"
#include "suite.h"

#include <check.h>
#include <string.h>

static State *state;
static Config *config;
static Domains *domains;

static const char CONFIG[] =
    "ldap: {uri: ldaps://ldap.example.org, bind_dn: 'cn=kolabd', bind_password_file: /p}\n"
    "imap: {uri: imaps://imap.example.org, admin_login: cyrus, admin_password_file: /p}\n"
    "domains: {a.org: {aliases: [also-a.org]}, b.org: {}}\n";

static void setup(void)
{
    make_directory();
    state = open_state(STATE_OWN);
    ck_assert(config_parse("x", CONFIG, strlen(CONFIG), false, &config, NULL));
    domains = domains_new(config);
}

static void teardown(void)
{
    g_clear_pointer(&domains, domains_free);
    g_clear_pointer(&config, config_free);
    g_clear_pointer(&state, state_close);
    remove_directory();
}

/* --- exit statuses */

static const struct {
    const char *why;
    Summary summary;
    int status;
} STATUSES[] = {
    {"nothing", {.done = 3, .changed = 2}, EXIT_IN_ORDER},
    {"one failed", {.done = 3, .failed = 1}, EXIT_SOME_FAILED},
    {"one failed earlier", {.unsettled = {.changes = 1}}, EXIT_SOME_FAILED},
    {"a deletion was not carried out", {.unsettled = {.deletions = 1}}, EXIT_SOME_FAILED},
    {"one is held", {.departures = {.held = 1}}, EXIT_SOME_FAILED},
    {"one waits for its delay", {.departures = {.waiting = 1}}, EXIT_IN_ORDER},
    {"a domain could not be read", {.incomplete = true, .failed = 1, .unsettled = {.changes = 1}}, EXIT_ERROR},
    {"a dry run has something to do", {.dry_run = true, .changed = 1}, EXIT_TO_DO},
};

START_TEST(an_exit_status_tells_whether_all_is_in_order)
{
    ck_assert_msg(summary_status(&STATUSES[_i].summary) == STATUSES[_i].status, "%s", STATUSES[_i].why);
}
END_TEST

static const struct {
    guint failed, changes, deletions;
    const char *expected; /* NULL: nothing is said */
} EARLIER[] = {
    {0, 0, 0, NULL},
    {2, 2, 0, NULL}, /* told one by one */
    {2, 1, 0, NULL}, /* one waits for another entry */
    {1, 3, 0, "besides: 2 entries failed earlier, 0 approved deletions were not carried out (kolabctl problems)"},
    {0, 0, 1, "besides: 0 entries failed earlier, 1 approved deletions were not carried out (kolabctl problems)"},
};

START_TEST(what_failed_earlier_is_told_beside_what_fails_now)
{
    const Summary summary = {.failed = EARLIER[_i].failed, .unsettled = {EARLIER[_i].changes, EARLIER[_i].deletions}};
    g_autofree char *text = summary_describe_unsettled(&summary);

    ck_assert_msg(g_strcmp0(text, EARLIER[_i].expected) == 0, "%s", text);
}
END_TEST

/* --- what the state tells */

static void fail_change(const char *domain, const char *unique_id, Fault fault)
{
    g_autoptr(Change) change = NULL;

    ck_assert(queue_add(state, domain, unique_id, "parent", false, NULL));
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert_str_eq(change->unique_id, unique_id);
    ck_assert(queue_fail(state, change, fault, "it did not work", NULL, NULL));
}

static void approve_deletion(const char *domain, const char *unique_id)
{
    g_autofree char *sql = g_strdup_printf("INSERT INTO departure (domain, unique_id, reason, since, status)"
                                           " VALUES ('%s', '%s', 'gone', '2026-11-21T09:00:00.000Z', 'approved')", domain, unique_id);

    run_sql(sql);
}

static Unsettled find_unsettled(const char *domain, const char *entry)
{
    const Asked asked = {.domain = (char *)domain, .entry = (char *)entry};
    g_autoptr(GPtrArray) list = domains_list(domains);
    Unsettled unsettled;

    ck_assert(asked_find_unsettled(&asked, list, state, &unsettled, NULL));
    return unsettled;
}

static const struct {
    const char *domain, *entry;
    guint changes, deletions;
} ASKED[] = {
    {NULL, NULL, 3, 1}, {"a.org", NULL, 2, 0}, {"ALSO-A.org", NULL, 2, 0}, {"b.org", NULL, 1, 1}, {NULL, "uid=jane", 0, 0},
};

START_TEST(what_failed_or_was_not_carried_out_in_the_domains_that_are_asked_for_is_not_in_order)
{
    Unsettled unsettled;

    fail_change("a.org", "id-1", FAULT_RETRY);
    fail_change("a.org", "id-2", FAULT_PARK);
    fail_change("b.org", "id-3", FAULT_PARK);
    fail_change("not-served.org", "id-4", FAULT_PARK);
    approve_deletion("b.org", "id-5");
    approve_deletion("not-served.org", "id-6");
    unsettled = find_unsettled(ASKED[_i].domain, ASKED[_i].entry);
    ck_assert_uint_eq(unsettled.changes, ASKED[_i].changes);
    ck_assert_uint_eq(unsettled.deletions, ASKED[_i].deletions);
}
END_TEST

START_TEST(what_was_never_tried_and_what_waits_for_another_entry_is_told_elsewhere)
{
    Unsettled unsettled;

    fail_change("a.org", "id-1", FAULT_PARK);
    run_sql("UPDATE change SET waits_for = 'user/jane@a.org'");
    ck_assert(queue_add(state, "a.org", "id-2", "notice", false, NULL));
    unsettled = find_unsettled(NULL, NULL);
    ck_assert_uint_eq(unsettled.changes, 0);
}
END_TEST

/* --- a --sync that was handed over */

/* All lines that the process is told. `domain`: that it is about; NULL: about one entry. */
static char *hand_over(const char *domain)
{
    const DepartureSummary departures = {0};
    Handovers *handovers = handovers_new(state);
    const Asked asked = {.entry = domain == NULL ? (char *)"uid=jane" : NULL};
    Handover *handover = handovers_add(handovers, &asked, 1, NULL);
    GString *told = g_string_new(NULL);

    ck_assert_ptr_nonnull(handover);
    if (domain != NULL)
        handover_note_domain(handover, domain);
    ck_assert(handover_set_swept(handover, NULL));
    handovers_begin_end(handovers);
    handovers_end(handovers, &departures);
    ck_assert(handover_take_news(handover, told));
    handover_leave(handover);
    handovers_free(handovers);
    return g_string_free(told, FALSE);
}

static const struct {
    const char *domain;
    bool in_order;
} HANDED_OVER[] = {{"a.org", false}, {"b.org", true}, {NULL, true}};

START_TEST(a_sync_that_is_handed_over_tells_what_failed_earlier_in_its_domains)
{
    g_autofree char *told = NULL;

    fail_change("a.org", "id-1", FAULT_PARK);
    told = hand_over(HANDED_OVER[_i].domain);
    ck_assert_msg(g_str_has_suffix(told, HANDED_OVER[_i].in_order ? "\ndone status=0\n" : "\ndone status=3\n"), "%s", told);
    ck_assert_msg((strstr(told, "1%20entries%20failed%20earlier") == NULL) == HANDED_OVER[_i].in_order, "%s", told);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("summary");
    TCase *words = tcase_create("words"), *states = tcase_create("states");

    tcase_add_loop_test(words, an_exit_status_tells_whether_all_is_in_order, 0, G_N_ELEMENTS(STATUSES));
    tcase_add_loop_test(words, what_failed_earlier_is_told_beside_what_fails_now, 0, G_N_ELEMENTS(EARLIER));
    tcase_add_checked_fixture(states, setup, teardown);
    tcase_add_loop_test(states, what_failed_or_was_not_carried_out_in_the_domains_that_are_asked_for_is_not_in_order, 0,
                        G_N_ELEMENTS(ASKED));
    tcase_add_test(states, what_was_never_tried_and_what_waits_for_another_entry_is_told_elsewhere);
    tcase_add_loop_test(states, a_sync_that_is_handed_over_tells_what_failed_earlier_in_its_domains, 0, G_N_ELEMENTS(HANDED_OVER));
    suite_add_tcase(suite, words);
    suite_add_tcase(suite, states);
    return run_suite(suite);
}
