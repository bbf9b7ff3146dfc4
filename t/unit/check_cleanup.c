/* A clean-up against a server in a thread of the test: what no real one does on command. */
#include "imap/cleanup.h"
#include "imap_script.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>
#include <signal.h>

static GHashTable *identifiers;
static GPtrArray *removals;
static CleanupResult result;

static void set_up(void)
{
    open_listener(1);
    identifiers = g_hash_table_new(g_str_hash, g_str_equal);
    removals = g_ptr_array_new_with_free_func((GDestroyNotify)removal_free);
    g_hash_table_add(identifiers, (gpointer) "jane@example.org");
}

static void tear_down(void)
{
    end_script();
    g_hash_table_unref(identifiers);
    g_ptr_array_unref(removals);
    close_listener();
}

static bool clean_up(const Turn *script, GError **error)
{
    g_autoptr(Mailstore) mailstore = mailstore_new(&settings, NULL, NULL, stop);

    play_script(script);
    return mailstore_clean_up(mailstore, identifiers, removals, &result, error);
}

static const Removal *removal_at(guint i)
{
    return g_ptr_array_index(removals, i);
}

static const Turn REMOVES[] = {
    NAMESPACE,
    {"LIST", {LISTED("user/john@example.org") LISTED("user/mary@example.org")}},
    {"GETACL \"user/john@example.org\"", {JANE_IN("user/john@example.org")}},
    {NULL, {NULL}},
};

START_TEST(a_name_is_taken_out_of_every_list)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(clean_up(REMOVES, &error), "%s", error != NULL ? error->message : "");
    ck_assert_uint_eq(result.mailboxes, 2);
    ck_assert_uint_eq(result.removed, 1);
    ck_assert_uint_eq(removals->len, 1);
    ck_assert_str_eq(removal_at(0)->mailbox, "user/john@example.org");
    ck_assert_str_eq(removal_at(0)->rights, "lrs");
    ck_assert_ptr_null(removal_at(0)->refusal);
}
END_TEST

#define BOTH {"LIST", {LISTED("user/john@example.org") LISTED("user/mary@example.org")}}

static const struct {
    const char *why;
    const Turn script[6];
    bool complete;
    guint removed, refused;
} REFUSALS[] = {
    {"a list may not be changed",
     {NAMESPACE, BOTH, {"GETACL", {JANE_IN("x")}}, {"DELETEACL \"user/john", {"NO Permission denied"}}}, true, 1, 1},
    {"a list may not be seen",
     {NAMESPACE, BOTH, {"GETACL \"user/john", {"NO Permission denied"}}, {"GETACL", {JANE_IN("x")}}}, true, 1, 1},
    {"a backend is down", {NAMESPACE, BOTH, {"GETACL", {JANE_IN("x")}}, {"DELETEACL \"user/john", {UNAVAILABLE}}}, false, 1, 0},
    {"a list cannot be seen now", {NAMESPACE, BOTH, {"GETACL \"user/john", {UNAVAILABLE}}, {"GETACL", {JANE_IN("x")}}}, false, 1, 0},
    {"one now, one ever", {NAMESPACE, BOTH, {"GETACL", {JANE_IN("x")}}, {"DELETEACL \"user/john", {UNAVAILABLE}},
                           {"DELETEACL", {"NO Permission denied"}}}, false, 0, 1},
};

START_TEST(a_refusal_that_may_not_last_is_no_end_and_keeps_the_other_lists_from_nothing)
{
    g_autoptr(GError) error = NULL;
    bool complete = clean_up(REFUSALS[_i].script, &error);

    ck_assert_msg(complete == REFUSALS[_i].complete, "%s", REFUSALS[_i].why);
    ck_assert_int_eq(error == NULL, complete);
    if (!complete) {
        ck_assert_int_eq(fault_of(error), FAULT_RETRY);
        ck_assert_ptr_nonnull(strstr(error->message, "Server(s) unavailable"));
    }
    ck_assert_uint_eq(result.removed, REFUSALS[_i].removed);
    ck_assert_uint_eq(result.refused, REFUSALS[_i].refused);
}
END_TEST

#define IN_JOHNS(folder) LISTED("user/john/" folder "@example.org")

static const struct {
    const char *why;
    const Turn script[8];
    bool complete;
    guint removed;
} MOVES[] = {
    {"a folder is renamed before its list is read",
     {NAMESPACE, {"LIST", {IN_JOHNS("a"), IN_JOHNS("b")}}, {"GETACL \"user/john/a", {ABSENT}},
      {"GETACL", {JANE_IN("x")}}}, true, 1},
    {"a folder is renamed before its list is changed",
     {NAMESPACE, {"LIST", {IN_JOHNS("a"), IN_JOHNS("b")}}, {"GETACL", {JANE_IN("x")}}, {"DELETEACL \"user/john/a", {ABSENT}}}, true, 1},
    {"it is renamed twice",
     {NAMESPACE, {"LIST", {IN_JOHNS("a"), IN_JOHNS("b"), IN_JOHNS("c")}}, {"GETACL", {JANE_IN("x")}},
      {"DELETEACL \"user/john/a", {ABSENT}}, {"DELETEACL \"user/john/b", {ABSENT}}}, true, 1},
    {"it is renamed all the time",
     {NAMESPACE, {"LIST", {IN_JOHNS("a"), IN_JOHNS("b"), IN_JOHNS("c")}}, {"GETACL", {JANE_IN("x")}},
      {"DELETEACL", {ABSENT}}}, false, 0},
    {"another one gets the name",
     {NAMESPACE, {"LIST", {IN_JOHNS("a") IN_JOHNS("b"), IN_JOHNS("a")}}, {"GETACL \"user/john/a", {ABSENT, JANE_IN("x")}},
      {"GETACL \"user/john/b", {ABSENT}}}, true, 1},
    {"a folder is deleted",
     {NAMESPACE, {"LIST", {IN_JOHNS("a") IN_JOHNS("b"), IN_JOHNS("b")}}, {"GETACL \"user/john/a", {ABSENT}},
      {"GETACL", {JANE_IN("x")}}}, true, 1},
    {"a name is listed, and never there",
     {NAMESPACE, {"LIST", {IN_JOHNS("a") IN_JOHNS("b")}}, {"GETACL \"user/john/a", {ABSENT}}, {"GETACL", {JANE_IN("x")}}}, true, 1},
    {"it comes back and is renamed again",
     {NAMESPACE, {"LIST", {IN_JOHNS("a"), IN_JOHNS("a"), IN_JOHNS("b")}}, {"GETACL \"user/john/a", {ABSENT, JANE_IN("x")}},
      {"GETACL", {JANE_IN("x")}}, {"DELETEACL \"user/john/a", {ABSENT}}}, true, 1},
};

START_TEST(a_mailbox_that_is_renamed_meanwhile_does_not_take_rights_along)
{
    g_autoptr(GError) error = NULL;
    bool complete = clean_up(MOVES[_i].script, &error);

    ck_assert_msg(complete == MOVES[_i].complete, "%s", MOVES[_i].why);
    ck_assert(complete || fault_of(error) == FAULT_RETRY);
    ck_assert_msg(result.removed == MOVES[_i].removed, "%s", MOVES[_i].why);
    ck_assert_uint_eq(result.refused, 0);
}
END_TEST

static const Turn NEWCOMER[] = {
    NAMESPACE,
    {"LIST", {IN_JOHNS("a"), IN_JOHNS("b") LISTED("user/jane@example.org")}},
    {"GETACL \"user/john/a", {ABSENT}},
    {"GETACL", {JANE_IN("x")}},
    {NULL, {NULL}},
};

START_TEST(who_got_the_login_meanwhile_keeps_its_rights)
{
    ck_assert(clean_up(NEWCOMER, NULL));
    ck_assert_uint_eq(result.removed, 0);
    ck_assert_uint_eq(g_hash_table_size(identifiers), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cleanup");
    TCase *tests = tcase_create("lists");

    signal(SIGPIPE, SIG_IGN);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_name_is_taken_out_of_every_list);
    tcase_add_loop_test(tests, a_refusal_that_may_not_last_is_no_end_and_keeps_the_other_lists_from_nothing, 0,
                        G_N_ELEMENTS(REFUSALS));
    tcase_add_loop_test(tests, a_mailbox_that_is_renamed_meanwhile_does_not_take_rights_along, 0, G_N_ELEMENTS(MOVES));
    tcase_add_test(tests, who_got_the_login_meanwhile_keeps_its_rights);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
