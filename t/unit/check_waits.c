#include "state/queue.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define DOMAIN "example.org"
#define JANE "user/jane@example.org"
#define JOHN "user/john@example.org"

static State *state;

static void setup(void)
{
    state = state_open("/nonexistent/state.db", STATE_SCRATCH, NULL);
    ck_assert_ptr_nonnull(state);
}

static void teardown(void)
{
    g_clear_pointer(&state, state_close);
}

static void add(const char *unique_id)
{
    ck_assert(queue_add(state, DOMAIN, unique_id, "notice", false, NULL));
}

/* NULL: nothing is due. */
static Change *lease(void)
{
    Change *change;

    ck_assert(queue_lease(state, &change, NULL));
    return change;
}

static void assert_next(const char *unique_id)
{
    g_autoptr(Change) change = lease();

    ck_assert_ptr_nonnull(change);
    ck_assert_str_eq(change->unique_id, unique_id);
    queue_return(state, change);
}

static void assert_nothing_due(void)
{
    g_autoptr(Change) change = lease();

    ck_assert_ptr_null(change);
}

static Record *make_record(const char *unique_id, const char *mailbox, const char *primary, const char *alias)
{
    Record *record = record_new(DOMAIN, unique_id);

    record->mailbox = g_strdup(mailbox);
    record->primary = g_strdup(primary);
    if (alias != NULL)
        g_ptr_array_add(record->aliases, g_strdup(alias));
    return record;
}

static void finish(const Change *change, const char *mailbox)
{
    g_autoptr(Record) record = make_record(change->unique_id, mailbox, NULL, NULL);

    ck_assert(queue_finish(state, change, mailbox != NULL ? record : NULL, NULL, NULL));
}

static void provision(const char *unique_id, const char *mailbox)
{
    g_autoptr(Change) change = NULL;

    add(unique_id);
    change = lease();
    finish(change, mailbox);
}

/* John's entry, leased, wants Jane's mailbox. */
static Change *want(void)
{
    Change *change;

    add("john");
    change = lease();
    ck_assert_str_eq(change->unique_id, "john");
    change->waits_for = g_strdup(JANE);
    return change;
}

static void postpone(const Change *change)
{
    ck_assert(queue_postpone(state, change, DOMAIN, "jane", NULL, NULL));
}

START_TEST(a_postponed_change_is_due_when_the_owner_comes_to_an_end)
{
    static const char *const mailboxes[] = {"user/other@example.org", JANE, NULL}; /* moved, stayed, was in order */
    g_autoptr(Change) john = NULL, jane = NULL;
    QueuePlace place;

    provision("jane", JANE);
    john = want();
    add("jane");
    postpone(john);
    jane = lease();
    ck_assert_str_eq(jane->unique_id, "jane");
    assert_nothing_due();
    ck_assert(queue_look(state, DOMAIN, "john", &place, NULL));
    ck_assert_int_eq(place, QUEUE_PENDING);
    finish(jane, mailboxes[_i]);
    assert_next("john");
}
END_TEST

START_TEST(a_postponed_change_is_due_when_the_owner_fails)
{
    g_autoptr(Change) john = NULL, jane = NULL;
    QueuePlace place;

    provision("jane", JANE);
    john = want();
    add("jane");
    postpone(john);
    jane = lease();
    ck_assert(queue_fail(state, jane, _i == 0 ? FAULT_PARK : FAULT_RETRY, "it did not work", NULL, NULL));
    assert_next("john");
    ck_assert(queue_look(state, DOMAIN, "jane", &place, NULL));
    ck_assert_int_eq(place, QUEUE_FAILED);
}
END_TEST

START_TEST(a_change_is_not_postponed_when_the_owner_is_gone_or_has_nothing_to_do)
{
    g_autoptr(Change) john = NULL, jane = NULL;

    provision("jane", _i == 0 ? JANE : JOHN);
    john = want();
    if (_i == 1)
        add("jane");
    jane = lease();
    postpone(john);
    assert_next("john");
}
END_TEST

START_TEST(a_change_that_was_set_aside_is_due_when_the_mailbox_is_free_and_not_before)
{
    g_autoptr(Change) john = NULL;

    provision("jane", JANE);
    john = want();
    ck_assert(queue_fail(state, john, FAULT_PARK, "it belongs to jane", NULL, NULL));
    provision("jane", JANE);
    assert_nothing_due();
    provision("jane", "user/other@example.org");
    assert_next("john");
}
END_TEST

START_TEST(a_change_is_not_set_aside_for_a_mailbox_that_became_free_meanwhile)
{
    g_autoptr(Change) john = want();

    ck_assert(queue_fail(state, john, FAULT_PARK, "it belongs to jane", NULL, NULL));
    assert_next("john");
}
END_TEST

START_TEST(a_mailbox_under_way_has_one_owner_under_either_name_and_then_frees_the_old_one)
{
    g_autofree char *domain = NULL, *first = NULL, *second = NULL, *nobody = NULL;
    g_autofree char *other = NULL, *another = NULL;
    g_autofree char *fingerprint = NULL;
    g_autoptr(Record) known = make_record("jane", NULL, NULL, NULL);
    g_autoptr(Change) john = NULL;

    provision("jane", JANE);
    john = want();
    ck_assert(queue_fail(state, john, FAULT_PARK, "it belongs to jane", NULL, NULL));
    ck_assert(state_note_begin(state, known, "user/x@example.org", 5, NULL));
    ck_assert(state_find_owner(state, JANE, &domain, &first, NULL));
    ck_assert(state_find_owner(state, "user/x@example.org", &other, &second, NULL));
    ck_assert_str_eq(first, "jane");
    ck_assert_str_eq(second, "jane");
    assert_nothing_due();
    ck_assert(state_set_mailbox(state, DOMAIN, "jane", "user/x@example.org", NULL));
    ck_assert(state_find_owner(state, JANE, &another, &nobody, NULL));
    ck_assert_ptr_null(nobody);
    assert_next("john");
    ck_assert(state_find_fingerprint(state, DOMAIN, "jane", &fingerprint, NULL));
    ck_assert_ptr_null(fingerprint);
}
END_TEST

static void hold(const char *unique_id, const char *primary, const char *alias)
{
    g_autoptr(Record) record = make_record(unique_id, NULL, primary, alias);
    g_autoptr(Change) change = NULL;

    add(unique_id);
    change = lease();
    ck_assert(queue_finish(state, change, record, NULL, NULL));
}

START_TEST(a_mailbox_that_is_being_created_is_its_entrys)
{
    g_autoptr(Record) new = make_record("jane", NULL, NULL, NULL);
    g_autoptr(Record) found = NULL;
    g_autofree char *domain = NULL, *owner = NULL;

    ck_assert(state_note_begin(state, new, JANE, 5, NULL));
    ck_assert(state_find_owner(state, JANE, &domain, &owner, NULL));
    ck_assert_str_eq(owner, "jane");
    ck_assert(state_find_record(state, DOMAIN, "jane", &found, NULL));
    ck_assert_ptr_null(found->mailbox);
    ck_assert_str_eq(found->renaming_to, JANE);
    ck_assert_int_eq(found->quota_kib, 5);
    provision("jane", JANE);
    g_clear_pointer(&found, record_free);
    ck_assert(state_find_record(state, DOMAIN, "jane", &found, NULL));
    ck_assert_str_eq(found->mailbox, JANE);
    ck_assert_ptr_null(found->renaming_to);
}
END_TEST

START_TEST(who_was_given_what_is_now_somebodys_primary_address_is_queued_once)
{
    g_autoptr(GPtrArray) aliases = g_ptr_array_new();
    g_autoptr(GHashTable) present = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Change) john = NULL;
    bool by_policy = _i < 2, cut_off = _i == 1;

    g_ptr_array_add(aliases, (char *)"jane@example.org");
    if (cut_off)
        ck_assert(state_reserve(state, DOMAIN, "john", "john@example.org", aliases, present, NULL));
    if (!by_policy || cut_off)
        g_hash_table_add(present, (char *)"jane@example.org");
    ck_assert(state_reserve(state, DOMAIN, "john", "john@example.org", aliases, present, NULL));
    hold("john", "john@example.org", "jane@example.org");
    hold("jane", "Jane@example.org", NULL);
    ck_assert(state_find_lost(state, DOMAIN, "john", lost, NULL));
    ck_assert_uint_eq(lost->len, by_policy ? 1 : 0);
    john = lease();
    ck_assert_uint_eq(john != NULL, by_policy);
    if (john != NULL) {
        ck_assert_str_eq(john->reason, "exchange");
        finish(john, NULL);
    }
    hold("jane", "jane@example.org", NULL);
    assert_nothing_due();
}
END_TEST

static void fail_jane(Fault fault)
{
    g_autoptr(GPtrArray) journal = g_ptr_array_new();
    g_autoptr(Change) change = NULL;

    add("jane");
    change = lease();
    ck_assert(queue_fail(state, change, fault, "it failed", journal, NULL));
}

/* Also one that failed before. */
START_TEST(what_was_put_off_is_due_once_that_is_over)
{
    g_autoptr(GPtrArray) journal = g_ptr_array_new();
    g_autoptr(Change) change = NULL;

    if (_i == 1)
        fail_jane(FAULT_RETRY);
    add("jane");
    change = lease();
    ck_assert(queue_defer(state, change, g_get_monotonic_time() + G_TIME_SPAN_HOUR, journal, NULL));
    assert_nothing_due();
    ck_assert(queue_resume(state, NULL));
    assert_next("jane");
}
END_TEST

START_TEST(what_failed_waits_on_when_something_else_is_over)
{
    Fault faults[] = {FAULT_RETRY, FAULT_PARK};

    fail_jane(faults[_i]);
    ck_assert(queue_resume(state, NULL));
    assert_nothing_due();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("waits");
    TCase *cases = tcase_create("waits");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, a_postponed_change_is_due_when_the_owner_comes_to_an_end, 0, 3);
    tcase_add_loop_test(cases, a_postponed_change_is_due_when_the_owner_fails, 0, 2);
    tcase_add_loop_test(cases, a_change_is_not_postponed_when_the_owner_is_gone_or_has_nothing_to_do, 0, 2);
    tcase_add_test(cases, a_change_that_was_set_aside_is_due_when_the_mailbox_is_free_and_not_before);
    tcase_add_test(cases, a_change_is_not_set_aside_for_a_mailbox_that_became_free_meanwhile);
    tcase_add_test(cases, a_mailbox_under_way_has_one_owner_under_either_name_and_then_frees_the_old_one);
    tcase_add_test(cases, a_mailbox_that_is_being_created_is_its_entrys);
    tcase_add_loop_test(cases, who_was_given_what_is_now_somebodys_primary_address_is_queued_once, 0, 3);
    tcase_add_loop_test(cases, what_was_put_off_is_due_once_that_is_over, 0, 2);
    tcase_add_loop_test(cases, what_failed_waits_on_when_something_else_is_over, 0, 2);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
