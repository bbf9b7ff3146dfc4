/* What the reaper decides about departures, at the end of a one-shot run. */
#include "daemon/reaper.h"

#include "daemon/log.h"
#include "departures.h"
#include "imap_script.h"
#include "state_file.h"
#include "suite.h"

#include <check.h>
#include <signal.h>
#include <string.h>

static Config *config;
static State *state;
static Shared shared;
static const RunOptions options = {.sync = true};

static void set_up(void)
{
    log_init(LOG_LEVEL_ERROR);
    make_directory();
    state = open_state(STATE_OWN);
    open_listener(1);
}

static void tear_down(void)
{
    shared_clear(&shared);
    g_clear_pointer(&config, config_free);
    end_script();
    close_listener();
    g_clear_pointer(&state, state_close);
    remove_directory();
}

static void begin(const char *deletion)
{
    g_autofree char *text = g_strdup_printf("ldap: {uri: ldaps://ldap.example.org, bind_dn: 'cn=kolabd', bind_password_file: /p}\n"
                                            "imap: {uri: '%s', insecure: true, admin_login: cyrus, admin_password_file: /p}\n"
                                            "domains: {example.org: {}}\n"
                                            "deletion: {%s}\n", settings.uri, deletion);

    ck_assert(config_parse("x", text, strlen(text), false, &config, NULL));
    shared_init(&shared, config, &options, state, stop);
}

static const struct {
    const char *mode;
    DepartureStatus expected;
} MODES[] = {
    {"mode: delete, limit: 2", DEPARTURE_APPROVED},
    {"mode: keep, limit: 2", DEPARTURE_KEPT},
};

START_TEST(what_waits_when_the_mode_becomes_keep_is_kept)
{
    depart(state, "held", REASON_GONE, DEPARTURE_HELD, 0);
    depart(state, "jane", REASON_GONE, DEPARTURE_WAITING, G_TIME_SPAN_DAY);
    begin(MODES[_i].mode);
    ck_assert(reaper_settle(&shared));
    assert_status(state, "jane", MODES[_i].expected);
    assert_status(state, "held", DEPARTURE_HELD);
}
END_TEST

START_TEST(in_keep_mode_many_that_wait_are_kept_and_not_held)
{
    for (guint i = 0; i < 20; i++) {
        g_autofree char *name = g_strdup_printf("p%u", i);

        depart(state, name, REASON_GONE, DEPARTURE_WAITING, 0);
    }
    begin("mode: keep, limit: 2, limit_percent: 0");
    ck_assert(reaper_settle(&shared));
    assert_value("SELECT count(*) FROM departure WHERE status = 'kept'", "20");
}
END_TEST

/* A change of an entry that is not there, and that nobody could be asked about. */
static void miss(const char *unique_id)
{
    g_autoptr(Change) change = NULL;

    ck_assert(queue_add(state, "example.org", unique_id, "missing", false, NULL));
    change = lease(state, unique_id);
    ck_assert(queue_fail(state, change, FAULT_RETRY, "the connection is lost", NULL, NULL));
}

START_TEST(of_a_set_that_is_not_looked_through_nothing_is_released)
{
    serve(state, "lost");
    depart(state, "jane", REASON_GONE, DEPARTURE_WAITING, 0);
    miss("id-lost");
    begin("limit: 2");
    ck_assert(reaper_settle(&shared));
    assert_status(state, "jane", DEPARTURE_WAITING);
}
END_TEST

static const struct {
    const char *why;
    Turn last;
    const char *left; /* to be cleaned up in the next run */
    gint failed;
} CLEAN_UPS[] = {
    {"all is well", {"DELETEACL", {""}}, "0", 0},
    {"it is refused for good", {"DELETEACL", {"NO Permission denied"}}, "0", 1},
    {"a backend is down", {"DELETEACL", {UNAVAILABLE}}, "1", 1},
};

START_TEST(rights_that_cannot_be_removed_now_stay_on_the_list_and_a_refusal_counts_as_a_failure)
{
    const Turn script[] = {
        NAMESPACE, {"LIST", {LISTED("user/john@example.org")}}, {"GETACL", {JANE_IN("user/john@example.org")}}, CLEAN_UPS[_i].last,
        {NULL, {NULL}},
    };

    serve(state, "jane");
    depart(state, "jane", REASON_GONE, DEPARTURE_DELETED, 0);
    begin("");
    play_script(script);
    ck_assert(reaper_settle(&shared));
    ck_assert(reaper_settle(&shared));
    assert_value("SELECT count(*) FROM cleanup", CLEAN_UPS[_i].left);
    assert_value("SELECT count(*) FROM journal WHERE step = 'remove rights'", "1");
    ck_assert_msg(g_atomic_int_get(&shared.progress.failed) == CLEAN_UPS[_i].failed, "%s", CLEAN_UPS[_i].why);
    end_script();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reaper");
    TCase *tests = tcase_create("decisions");

    signal(SIGPIPE, SIG_IGN);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, what_waits_when_the_mode_becomes_keep_is_kept, 0, G_N_ELEMENTS(MODES));
    tcase_add_test(tests, in_keep_mode_many_that_wait_are_kept_and_not_held);
    tcase_add_test(tests, of_a_set_that_is_not_looked_through_nothing_is_released);
    tcase_add_loop_test(tests, rights_that_cannot_be_removed_now_stay_on_the_list_and_a_refusal_counts_as_a_failure, 0,
                        G_N_ELEMENTS(CLEAN_UPS));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
