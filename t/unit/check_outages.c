#include "daemon/log.h"
#include "daemon/outages.h"
#include "state_file.h"
#include "suite.h"

#define LDAP "ldaps://ldap.example.org"
#define IMAP "imaps://imap.example.org"

START_TEST(an_outage_is_shown_while_it_lasts_with_its_newest_message)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    Outages *outages = outages_new(state);

    outages_begin(outages, LDAP, NULL, g_get_monotonic_time(), "refused");
    outages_begin(outages, IMAP, NULL, g_get_monotonic_time(), "no route");
    outages_begin(outages, LDAP, NULL, g_get_monotonic_time(), "timeout");
    assert_value("SELECT group_concat(message) FROM (SELECT message FROM outage ORDER BY server)", "no route,timeout");
    outages_end(outages, LDAP);
    assert_value("SELECT group_concat(message) FROM outage", "no route");
    outages_free(outages);
    outages = outages_new(state);
    assert_value("SELECT count(*) FROM outage", "0");
    outages_free(outages);
}
END_TEST

START_TEST(who_asked_before_somebody_got_through_begins_no_outage)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    Outages *outages = outages_new(state);
    gint64 asked_us = g_get_monotonic_time();
    gint64 until_us;

    outages_end(outages, LDAP);
    outages_begin(outages, LDAP, NULL, asked_us - 1, "refused a moment ago");
    ck_assert(!outages_any(outages));
    outages_begin(outages, LDAP, NULL, g_get_monotonic_time() + 1, "refused");
    ck_assert(outages_is_out(outages, LDAP) && !outages_is_out(outages, IMAP));
    ck_assert(!outages_may_try(outages, LDAP, &until_us) && until_us > g_get_monotonic_time());
    ck_assert(outages_may_try(outages, IMAP, &until_us));
    outages_free(outages);
}
END_TEST

START_TEST(what_could_not_be_noted_is_noted_once_the_state_file_can_be_used)
{
    g_autofree char *away = g_strconcat(path, ".away", NULL);
    g_autoptr(State) state = open_state(STATE_OWN);
    Outages *outages = outages_new(state);
    StateRevival revival;

    outages_begin(outages, LDAP, NULL, g_get_monotonic_time(), "refused");
    g_rename(path, away);
    ck_assert(g_file_set_contents(path, "no state", -1, NULL));
    ck_assert(!state_revive(state, &revival, NULL));
    outages_begin(outages, "state file", NULL, g_get_monotonic_time(), "replaced");
    outages_begin(outages, IMAP, NULL, g_get_monotonic_time(), "no route");
    outages_end(outages, LDAP);
    g_rename(away, path);
    ck_assert(state_revive(state, &revival, NULL));
    assert_value("SELECT group_concat(server) FROM outage", LDAP);
    outages_end(outages, "state file");
    assert_value("SELECT group_concat(server) FROM outage", IMAP);
    outages_free(outages);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("outages");
    TCase *cases = tcase_create("state");

    log_init(LOG_LEVEL_ERROR);
    tcase_add_checked_fixture(cases, make_directory, remove_directory);
    tcase_add_test(cases, an_outage_is_shown_while_it_lasts_with_its_newest_message);
    tcase_add_test(cases, who_asked_before_somebody_got_through_begins_no_outage);
    tcase_add_test(cases, what_could_not_be_noted_is_noted_once_the_state_file_can_be_used);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
