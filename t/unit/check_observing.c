/* When what is on record counts, and when the IMAP server is asked: one that does not answer shows it. */
#include "daemon/observing.h"
#include "imap_listener.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>

#define JANE "user/jane@example.org"

static Mailstore *mailstore;

static void set_up(void)
{
    open_listener(1);
    shutdown(listener, SHUT_RDWR); /* nobody listens any more, and nobody else gets the port */
    mailstore = mailstore_new(&settings, NULL, NULL, stop);
}

static void tear_down(void)
{
    mailstore_free(mailstore);
    close_listener();
}

static Record *make_record(gint64 quota_kib)
{
    Record *record = record_new("example.org", "ab-12");

    record->mailbox = g_strdup(JANE);
    record->fingerprint = g_strdup("as it was");
    record->quota_kib = quota_kib;
    return record;
}

static Account *make_account(gint64 quota_kib)
{
    Account *account = account_new();

    account->mailbox = g_strdup(JANE);
    account->login = g_strdup("jane@example.org");
    account->quota_kib = quota_kib;
    return account;
}

static const struct {
    gint64 recorded, wanted;
    bool asked;
} quotas[] = {
    {1024, 2048, false},
    {1024, QUOTA_UNLIMITED, false},
    {1024, QUOTA_ANY, false},
    {QUOTA_UNLIMITED, 1024, false},
    {QUOTA_UNLIMITED, QUOTA_UNLIMITED, false},
    {QUOTA_ANY, 1024, false},
    {QUOTA_ANY, QUOTA_ANY, false},
    {QUOTA_ANY, QUOTA_UNLIMITED, true}, /* the limit may be somebody else's */
};

START_TEST(the_server_is_asked_before_a_limit_that_is_not_on_record_is_lifted)
{
    Change change = {.generation = 1};
    Job job = {.mailstore = mailstore, .change = &change};
    g_autoptr(GError) error = NULL;

    job.record = make_record(quotas[_i].recorded);
    job.account = make_account(quotas[_i].wanted);
    ck_assert(observing_observe(&job, &error) != quotas[_i].asked);
    ck_assert_int_eq(change.verify, quotas[_i].asked);
    if (quotas[_i].asked)
        ck_assert_int_eq(fault_of(error), FAULT_RETRY);
    else
        ck_assert_int_eq(job.observed->quota_kib, MAX(quotas[_i].recorded, QUOTA_UNLIMITED));
    g_clear_pointer(&job.observed, observed_free);
    record_free(job.record);
    account_free(job.account);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("observing");
    TCase *tests = tcase_create("observing");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, the_server_is_asked_before_a_limit_that_is_not_on_record_is_lifted, 0, G_N_ELEMENTS(quotas));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
