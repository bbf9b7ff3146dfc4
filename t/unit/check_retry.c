#include "model/fault.h"
#include "state/queue.h"
#include "state_file.h"
#include "suite.h"

#include <check.h>
#include <string.h>

static State *owner;

static void setup(void)
{
    make_directory();
    owner = open_state(STATE_OWN);
}

static void teardown(void)
{
    g_clear_pointer(&owner, state_close);
    remove_directory();
}

static Change *lease(const char *unique_id)
{
    Change *change;

    ck_assert(queue_add(owner, "example.org", unique_id, "notice", false, NULL));
    ck_assert(queue_lease(owner, &change, NULL));
    ck_assert_ptr_nonnull(change);
    ck_assert_str_eq(change->unique_id, unique_id);
    return change;
}

static void serve(const char *name)
{
    g_autofree char *unique_id = g_strconcat("id-", name, NULL);
    g_autoptr(Record) record = record_new("example.org", unique_id);
    g_autoptr(Change) change = lease(unique_id);

    record->kind = g_strdup("user");
    record->dn = g_strdup_printf("uid=%s,dc=example,dc=org", name);
    record->mailbox = g_strdup_printf("user/%s@example.org", name);
    record->primary = g_strdup_printf("%s@example.org", name);
    g_ptr_array_add(record->aliases, g_strdup_printf("%s.alias@example.org", name));
    ck_assert(queue_finish(owner, change, record, NULL, NULL));
}

static void fail_with(const char *name, Fault fault)
{
    g_autofree char *unique_id = g_strconcat("id-", name, NULL);
    g_autoptr(Change) change = lease(unique_id);

    change->dn = g_strdup_printf("uid=%s,dc=example,dc=org", name);
    ck_assert(queue_fail(owner, change, fault, "it did not work", NULL, NULL));
}

static guint retry(const char *what)
{
    g_autoptr(State) operator = open_state(STATE_OPERATOR);
    guint count;

    ck_assert(queue_retry(operator, what, "ann", &count, NULL));
    return count;
}

static QueueCounts count(void)
{
    QueueCounts counts;

    ck_assert(queue_count(owner, &counts, NULL));
    return counts;
}

static const struct {
    const char *what;
    guint expected;
} WORDS[] = {
    {"id-parked", 1}, {"ID-Parked", 1}, {"uid=parked,dc=example,dc=org", 1}, {"UID=Parked,dc=example,dc=org", 1},
    {"user/parked@example.org", 1}, {"Parked@Example.org", 1}, {"parked.alias@example.org", 1},
    {"id-new", 1}, {"uid=new,dc=example,dc=org", 1}, {"id-later", 1}, {NULL, 3},
    {"id-served", 0}, {"served@example.org", 0}, {"id-queued", 0}, {"nobody", 0}, {"example.org", 0}, {"", 0}, {"%", 0},
    {"\xff", 0},
};

START_TEST(what_failed_is_made_due_by_unique_id_dn_address_or_mailbox)
{
    serve("served");
    serve("parked");
    fail_with("parked", FAULT_PARK);
    fail_with("new", FAULT_PARK);
    fail_with("later", FAULT_RETRY);
    ck_assert_uint_eq(count().due, 0);
    ck_assert(queue_add(owner, "example.org", "id-queued", "notice", false, NULL));
    ck_assert_uint_eq(retry(WORDS[_i].what), WORDS[_i].expected);
    ck_assert_uint_eq(count().due, 1 + WORDS[_i].expected);
    ck_assert_uint_eq(count().later + count().parked, 3 - WORDS[_i].expected);
}
END_TEST

START_TEST(a_change_that_is_made_due_keeps_its_history_and_may_fail_again)
{
    g_autoptr(Change) change = NULL;

    fail_with("a", FAULT_PARK);
    ck_assert_uint_eq(retry("id-a"), 1);
    ck_assert_uint_eq(retry("id-a"), 1);
    ck_assert(queue_lease(owner, &change, NULL));
    ck_assert_str_eq(change->reason, "operator");
    ck_assert_uint_eq(change->attempts, 1);
    ck_assert(queue_fail(owner, change, FAULT_PARK, "still not", NULL, NULL));
    ck_assert_uint_eq(count().parked, 1);
    ck_assert_uint_eq(count().due, 0);
}
END_TEST

START_TEST(what_is_retried_while_a_worker_fails_with_it_is_tried_once_more)
{
    g_autoptr(Change) change = NULL;

    fail_with("a", FAULT_PARK);
    change = lease("id-a");
    ck_assert_uint_eq(retry("id-a"), 1);
    ck_assert_uint_eq(count().due, 0);
    ck_assert(queue_fail(owner, change, FAULT_PARK, "it was mended too late", NULL, NULL));
    ck_assert_uint_eq(count().due, 1);
}
END_TEST

START_TEST(what_waits_for_another_entry_is_made_due_once_it_failed)
{
    g_autoptr(Change) parked = lease("id-a");

    serve("b");
    parked->waits_for = g_strdup("user/b@example.org");
    ck_assert(queue_fail(owner, parked, FAULT_PARK, "it belongs to somebody", NULL, NULL));
    ck_assert_uint_eq(retry(NULL), 1);
    ck_assert_uint_eq(count().due, 1);
}
END_TEST

static gpointer retry_soon(gpointer unused)
{
    g_usleep(100000);
    ck_assert_uint_eq(retry(NULL), 1);
    queue_wake(owner); /* as kolabctl asks the daemon to */
    return unused;
}

START_TEST(an_idle_worker_that_is_woken_sees_what_another_process_made_due)
{
    g_autoptr(Stop) stop = stop_new();
    gint64 deadline_us = g_get_monotonic_time() + 10 * (gint64)G_USEC_PER_SEC;
    GThread *operator;

    fail_with("a", FAULT_PARK);
    operator = g_thread_new("operator", retry_soon, NULL);
    queue_wait(owner, stop, queue_seen(owner), deadline_us);
    ck_assert_int_lt(g_get_monotonic_time(), deadline_us);
    ck_assert_uint_eq(count().due, 1);
    g_thread_join(operator);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retry");
    TCase *tests = tcase_create("retry");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, what_failed_is_made_due_by_unique_id_dn_address_or_mailbox, 0, G_N_ELEMENTS(WORDS));
    tcase_add_test(tests, a_change_that_is_made_due_keeps_its_history_and_may_fail_again);
    tcase_add_test(tests, what_is_retried_while_a_worker_fails_with_it_is_tried_once_more);
    tcase_add_test(tests, what_waits_for_another_entry_is_made_due_once_it_failed);
    tcase_add_test(tests, an_idle_worker_that_is_woken_sees_what_another_process_made_due);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
