#include "daemon/since.h"
#include "model/fault.h"
#include "state/prune.h"
#include "state/queue.h"
#include "state/report.h"
#include "state_file.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define ROWS "SELECT group_concat(step || ' ' || target || ' ' || outcome, '; ') FROM (SELECT * FROM journal ORDER BY time, id)"

static State *state;

static void setup(void)
{
    make_directory();
    state = open_state(STATE_OWN);
}

static void teardown(void)
{
    g_clear_pointer(&state, state_close);
    remove_directory();
}

/* One step; `outcome` NULL: ok. */
static GPtrArray *journal_of(const char *step, const char *target, const char *outcome)
{
    GPtrArray *journal = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);
    JournalRow *row = journal_row_new(step);

    row->target = g_strdup(target);
    row->mailbox = g_strdup("user/jane@example.org");
    row->after = g_strdup(target);
    row->outcome = g_strdup(outcome != NULL ? outcome : "ok");
    g_ptr_array_add(journal, row);
    return journal;
}

static Change *lease(const char *unique_id)
{
    Change *change;

    ck_assert(queue_add(state, "example.org", unique_id, "notice", false, NULL));
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert_ptr_nonnull(change);
    ck_assert_str_eq(change->unique_id, unique_id);
    return change;
}

/* A try that fails at one step. */
static void fail_at(const char *step, const char *target, const char *outcome)
{
    g_autoptr(GPtrArray) journal = journal_of(step, target, outcome);
    g_autoptr(Change) change = lease("id-jane");

    ck_assert(queue_fail(state, change, FAULT_PARK, outcome, journal, NULL));
}

static void succeed_at(const char *step, const char *target)
{
    g_autoptr(GPtrArray) journal = journal_of(step, target, NULL);
    g_autoptr(Change) change = lease("id-jane");

    ck_assert(queue_finish(state, change, NULL, journal, NULL));
}

START_TEST(a_step_that_fails_again_as_before_is_told_once)
{
    for (int i = 0; i < 3; i++)
        fail_at("create folder", "Sent", "NO \"Permission denied\"");
    fail_at("create folder", "Drafts", "NO \"Permission denied\"");
    fail_at("create folder", "Sent", "NO \"Permission denied\"");
    assert_value(ROWS, "create folder Sent NO \"Permission denied\"; create folder Drafts NO \"Permission denied\"");
    fail_at("create folder", "Sent", "NO \"Over quota\"");
    fail_at("create folder", "Sent", "NO \"Permission denied\"");
    assert_value("SELECT count(*) FROM journal", "4");
    succeed_at("create folder", "Sent");
    fail_at("create folder", "Sent", "NO \"Permission denied\"");
    assert_value("SELECT count(*) FROM journal", "6");
}
END_TEST

START_TEST(a_step_that_takes_effect_is_told_each_time)
{
    succeed_at("set quota", "user/jane@example.org");
    succeed_at("set quota", "user/jane@example.org");
    assert_value("SELECT count(*) FROM journal", "2");
}
END_TEST

START_TEST(what_was_done_of_a_change_that_is_broken_off_is_told_and_the_change_stays)
{
    g_autoptr(GPtrArray) journal = journal_of("create mailbox", "user/jane@example.org", NULL);
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();
    g_autoptr(Change) change = lease("id-jane");
    g_autoptr(Change) again = NULL;
    g_autoptr(Change) once_more = NULL;

    ck_assert(queue_break_off(state, change, journal, NULL));
    assert_value(ROWS, "create mailbox user/jane@example.org ok");
    ck_assert(queue_lease(state, &again, NULL));
    ck_assert_ptr_nonnull(again);
    ck_assert_uint_eq(again->attempts, 0);
    ck_assert(queue_break_off(state, again, nothing, NULL));
    ck_assert(queue_lease(state, &once_more, NULL));
    ck_assert_ptr_nonnull(once_more);
    assert_value("SELECT count(*) FROM journal", "1");
}
END_TEST

START_TEST(a_failure_that_an_operator_had_tried_again_is_told_again)
{
    g_autoptr(State) operator = open_state(STATE_OPERATOR);
    guint count;

    fail_at("create folder", "Sent", "NO");
    ck_assert(queue_retry(operator, "id-jane", "ann", &count, NULL));
    fail_at("create folder", "Sent", "NO");
    fail_at("create folder", "Sent", "NO");
    assert_value(ROWS, "create folder Sent NO; retry change ok; create folder Sent NO");
    assert_value("SELECT before || ' ' || after || ' ' || operator FROM journal WHERE step = 'retry'", "NO due ann");
}
END_TEST

/* --- who is meant */

static Record *record_of(const char *name)
{
    g_autofree char *unique_id = g_strconcat("id-", name, NULL);
    Record *record = record_new("example.org", unique_id);

    record->kind = g_strdup("user");
    record->dn = g_strdup_printf("uid=%s,ou=People,dc=example,dc=org", name);
    record->mailbox = g_strdup_printf("user/%s@example.org", name);
    record->primary = g_strdup_printf("%s@example.org", name);
    g_ptr_array_add(record->aliases, g_strdup_printf("%s.alias@example.org", name));
    return record;
}

static void finish(const char *unique_id, const Record *record, const char *step, const char *target)
{
    g_autoptr(GPtrArray) journal = step != NULL ? journal_of(step, target, NULL) : g_ptr_array_new();
    g_autoptr(Change) change = lease(unique_id);

    ck_assert(queue_finish(state, change, record, journal, NULL));
}

/* Jane came, was renamed to Janet, and is gone; John took her first address and stays. */
static void live(void)
{
    g_autoptr(Record) jane = record_of("jane");
    g_autoptr(Record) janet = record_of("janet");
    g_autoptr(Record) john = record_of("john");

    finish("id-jane", jane, "create mailbox", "user/jane@example.org");
    g_free(janet->unique_id);
    janet->unique_id = g_strdup("id-jane");
    finish("id-jane", janet, "rename mailbox", "user/jane@example.org");
    g_ptr_array_add(john->aliases, g_strdup("jane@example.org"));
    finish("id-john", john, "create mailbox", "user/john@example.org");
    janet->departed = true;
    janet->departure = (Departure){.reason = REASON_GONE, .status = DEPARTURE_DELETED};
    finish("id-jane", janet, "delete mailbox", "user/janet@example.org");
}

static bool collect(const char *lines, gpointer user_data)
{
    g_string_append(user_data, lines);
    return true;
}

static char *report(const char *entry, const char *since, bool json, guint *found)
{
    const JournalFilter filter = {.entry = entry, .since = since};
    GString *out = g_string_new(NULL);

    *found = 0;
    ck_assert(report_journal(state, &filter, json, collect, out, found, NULL));
    return g_string_free(out, FALSE);
}

static const struct {
    const char *what;
    guint rows;
} NAMES[] = {
    {NULL, 4},
    {"id-jane", 3},
    {"ID-JANE", 3},
    {"uid=jane,ou=People,dc=example,dc=org", 3},
    {"UID=janet,ou=people,dc=example,dc=org", 3},
    {"user/jane@example.org", 3},
    {"Janet@example.org", 3},
    {"janet.alias@example.org", 3},
    {"jane.alias@example.org", 3},
    {"jane@example.org", 4},
    {"id-john", 1},
    {"user/john@example.org", 1},
    {"nobody@example.org", 0},
    {"%", 0},
    {"", 0},
    {"\xff", 0},
};

START_TEST(the_journal_finds_an_entry_by_all_that_it_was_ever_called)
{
    g_autofree char *text = NULL;
    guint found, rows = 0;

    live();
    text = report(NAMES[_i].what, NULL, false, &found);
    for (const char *c = text; *c != '\0'; c++)
        rows += *c == '\n';
    ck_assert_msg(rows == NAMES[_i].rows, "%s:\n%s", NAMES[_i].what, text);
    ck_assert_msg((found > 0) == (NAMES[_i].what != NULL && NAMES[_i].rows > 0), "%s: %u", NAMES[_i].what, found);
}
END_TEST

START_TEST(an_entry_that_leaves_without_a_trace_is_found_by_its_addresses)
{
    g_autoptr(Record) jane = record_of("jane");
    g_autofree char *text = NULL;
    guint found;

    g_clear_pointer(&jane->mailbox, g_free);
    finish("id-jane", jane, "write attribute", "alias");
    jane->departed = true;
    jane->departure = (Departure){.reason = REASON_GONE, .status = DEPARTURE_NONE};
    finish("id-jane", jane, NULL, NULL);
    assert_value("SELECT count(*) FROM entry", "0");
    assert_value("SELECT count(*) FROM departure", "0");
    text = report("jane.alias@example.org", NULL, false, &found);
    ck_assert_uint_eq(found, 1);
    ck_assert_ptr_nonnull(strstr(text, "write attribute   alias"));
}
END_TEST

/* --- what is shown */

/* A row of time, step, target, mailbox, before, after, outcome, as SQL values. */
static void add_row(const char *values)
{
    g_autofree char *sql = g_strdup_printf("INSERT INTO journal (domain, unique_id, dn, time, step, target, mailbox, before, after,"
                                           " outcome, operator) VALUES ('example.org', 'id-jane', 'uid=jane,dc=example,dc=org', %s)",
                                           values);

    run_sql(sql);
}

START_TEST(a_line_says_when_what_whose_before_after_and_outcome)
{
    g_autofree char *text = NULL;
    guint found;

    add_row("'2026-11-21T08:00:00.000Z', 'create mailbox', 'user/jane@example.org', 'user/jane@example.org', NULL,"
            " 'user/jane@example.org', 'ok', NULL");
    add_row("'2026-11-21T08:00:01.000Z', 'set quota', 'user/jane@example.org', 'user/jane@example.org', '1024', '2048', 'ok', NULL");
    add_row("'2026-11-21T08:00:02.000Z', 'create folder', 'Sent', 'user/jane@example.org', NULL, 'Sent', 'NO \"Over quota\"', NULL");
    add_row("'2026-11-21T08:00:03.000Z', 'retry', 'change', NULL, 'no space', 'due', 'ok', 'root'");
    add_row("'2026-11-21T08:00:04.000Z', 'write attribute', 'alias', 'user/jane@example.org', 'j@example.org', NULL, 'ok', NULL");
    add_row("'2026-11-21T08:00:05.000Z', 'delete mailbox', 'user/jane@example.org', 'user/jane@example.org',"
            " 'user/jane@example.org', NULL, 'ok', NULL");
    text = report("id-jane", NULL, false, &found);
    ck_assert_str_eq(
        text,
        "2026-11-21T08:00:00.000Z  ok      create mailbox    user/jane@example.org  (uid=jane,dc=example,dc=org)\n"
        "2026-11-21T08:00:01.000Z  ok      set quota         user/jane@example.org from \"1024\" to \"2048\""
        "  (uid=jane,dc=example,dc=org)\n"
        "2026-11-21T08:00:02.000Z  failed  create folder     Sent in user/jane@example.org  (uid=jane,dc=example,dc=org):"
        " NO \"Over quota\"\n"
        "2026-11-21T08:00:03.000Z  ok      retry             change from \"no space\" to \"due\"  (uid=jane,dc=example,dc=org) by root\n"
        "2026-11-21T08:00:04.000Z  ok      write attribute   alias in user/jane@example.org from \"j@example.org\" to none"
        "  (uid=jane,dc=example,dc=org)\n"
        "2026-11-21T08:00:05.000Z  ok      delete mailbox    user/jane@example.org  (uid=jane,dc=example,dc=org)\n");
}
END_TEST

START_TEST(no_value_steers_the_terminal)
{
    g_autofree char *text = NULL;
    g_autofree char *json = NULL;
    guint found;

    run_sql("INSERT INTO journal (domain, unique_id, dn, time, step, target, mailbox, before, after, outcome, operator)"
            " VALUES ('example.org', 'id-x', 'uid=\x1b[2J', '2026-11-21T08:00:00.000Z\r', 'set\x1b quota', 'a\nb', 'm\x07', 'x\x1b',"
            " '\xc2\x9b' || '1m', 'NO \x1b]0;x\x07', 'ro\x1bot')");
    text = report(NULL, NULL, false, &found);
    json = report(NULL, NULL, true, &found);
    for (const char *c = text; *c != '\0'; c++)
        ck_assert_msg(!g_ascii_iscntrl(*c) || (*c == '\n' && c[1] == '\0'), "%s", text);
    for (const char *c = json; *c != '\0'; c++)
        ck_assert_msg(!g_ascii_iscntrl(*c) || (*c == '\n' && c[1] == '\0'), "%s", json);
    ck_assert_ptr_null(strstr(text, "\xc2\x9b"));
    ck_assert_ptr_null(strstr(json, "\xc2\x9b"));
    ck_assert_ptr_nonnull(strstr(json, "\"dn\":\"uid=\\u001b[2J\""));
}
END_TEST

/* Some thousand rows, of which many have the same time, written in another order than they happened. */
static void add_many(void)
{
    run_sql("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)"
            " INSERT INTO journal (time, domain, unique_id, step, target, outcome) SELECT"
            " strftime('%Y-%m-%dT%H:%M:%fZ', '2026-11-21', ((2999 - i) / 700) || ' seconds'), 'example.org', 'id-' || (i % 3),"
            " 'step', i, 'ok' FROM n");
}

static const struct {
    const char *entry;
    const char *since;
    guint rows;
} PARTS[] = {
    {NULL, NULL, 3000},
    {"id-1", NULL, 1000},
    {NULL, "2026-11-21T00:00:02.000Z", 1600},
    {NULL, "2026-11-21T00:00:02.001Z", 900},
    {"id-0", "2026-11-21T00:00:04.000Z", 67},
    {NULL, "2026-11-22T00:00:00.000Z", 0},
};

typedef struct {
    guint rows;
    guint pieces;
    char *last;
} Tally;

/* Each line as "time target" comes after the one before. */
static bool check_order(const char *lines, gpointer user_data)
{
    g_auto(GStrv) each = g_strsplit(lines, "\n", -1);
    Tally *tally = user_data;

    for (char **line = each; *line != NULL && **line != '\0'; line++, tally->rows++) {
        g_autofree char *time = g_strndup(*line, strlen("2026-11-21T00:00:00.000Z"));
        g_autofree char *key = g_strdup_printf("%s %06d", time, atoi(strstr(*line, "step") + strlen("step")));

        ck_assert_msg(tally->last == NULL || strcmp(tally->last, key) < 0, "%s after %s", key, tally->last);
        g_free(tally->last);
        tally->last = g_steal_pointer(&key);
    }
    tally->pieces++;
    return true;
}

START_TEST(a_long_journal_comes_in_pieces_and_in_order_each_row_once)
{
    const JournalFilter filter = {.entry = PARTS[_i].entry, .since = PARTS[_i].since};
    Tally tally = {0};
    guint found;

    add_many();
    ck_assert(report_journal(state, &filter, false, check_order, &tally, &found, NULL));
    ck_assert_uint_eq(tally.rows, PARTS[_i].rows);
    ck_assert_uint_ge(tally.pieces, PARTS[_i].rows / 500);
    g_free(tally.last);
}
END_TEST

static bool write_and_go_on(const char *lines, gpointer user_data)
{
    Tally *tally = user_data;

    tally->pieces++;
    for (const char *c = lines; *c != '\0'; c++)
        tally->rows += *c == '\n';
    for (guint i = 0; i < 600; i++)
        succeed_at("create folder", "Sent");
    return true;
}

START_TEST(rows_that_are_written_meanwhile_are_not_chased)
{
    const JournalFilter filter = {.entry = NULL};
    Tally tally = {0};
    guint found;

    run_sql("PRAGMA synchronous = OFF");
    succeed_at("create folder", "Sent");
    ck_assert(report_journal(state, &filter, false, write_and_go_on, &tally, &found, NULL));
    ck_assert_uint_eq(tally.rows, 1);
}
END_TEST

static bool refuse(G_GNUC_UNUSED const char *lines, gpointer user_data)
{
    ++*(guint *)user_data;
    return false;
}

START_TEST(a_reader_that_went_away_ends_the_report)
{
    const JournalFilter filter = {.entry = NULL};
    guint pieces = 0, found;

    add_many();
    ck_assert(report_journal(state, &filter, true, refuse, &pieces, &found, NULL));
    ck_assert_uint_eq(pieces, 1);
}
END_TEST

/* --- what is forgotten */

static guint prune(guint days)
{
    guint rounds = 0;
    bool more = true;

    for (; more; rounds++)
        ck_assert(journal_prune(state, days, &more, NULL));
    return rounds;
}

START_TEST(old_rows_go_in_short_transactions_and_young_ones_stay)
{
    run_sql("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1199)"
            " INSERT INTO journal (time, domain, unique_id, step, outcome)"
            " SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-31 days'), 'example.org', 'id-' || i, 'step', 'ok' FROM n;"
            "INSERT INTO journal (time, domain, unique_id, step, outcome)"
            " VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-29 days'), 'example.org', 'id-young', 'step', 'ok')");
    ck_assert_uint_eq(prune(32), 1);
    assert_value("SELECT count(*) FROM journal", "1201");
    ck_assert_uint_eq(prune(30), 3);
    assert_value("SELECT group_concat(unique_id) FROM journal", "id-young");
}
END_TEST

START_TEST(with_the_rows_of_an_entry_that_is_gone_its_names_and_its_departure_go)
{
    guint found;

    live();
    finish("id-john", NULL, "set quota", "user/john@example.org");
    ck_assert_uint_eq(prune(30), 1);
    g_free(report("janet@example.org", NULL, false, &found));
    ck_assert_uint_eq(found, 1);
    run_sql("UPDATE journal SET time = '2020-01-01T00:00:00.000Z' WHERE unique_id = 'id-jane';"
            "UPDATE journal_name SET last_day = '2020-01-01' WHERE unique_id = 'id-jane';"
            "UPDATE departure SET decided_at = '2020-01-01T00:00:00.000Z'");
    ck_assert_uint_eq(prune(30), 1);
    g_free(report("janet@example.org", NULL, false, &found));
    ck_assert_uint_eq(found, 0);
    assert_value("SELECT group_concat(unique_id) FROM journal", "id-john,id-john");
    assert_value("SELECT count(*) FROM journal_name", "0"); /* what john is called the other tables tell */
    assert_value("SELECT count(*) FROM departure", "0");
    assert_value("SELECT group_concat(unique_id) FROM entry", "id-john");
}
END_TEST

START_TEST(a_departure_that_is_not_settled_is_never_forgotten)
{
    g_autoptr(Record) jane = record_of("jane");

    jane->departed = true;
    jane->departure = (Departure){.reason = REASON_GONE, .status = DEPARTURE_KEPT};
    finish("id-jane", jane, NULL, NULL);
    run_sql("UPDATE departure SET since = '2020-01-01T00:00:00.000Z', decided_at = since, due = since");
    prune(1);
    assert_value("SELECT status FROM departure", "kept");
}
END_TEST

/* --- since when */

#define NOW_US (G_GINT64_CONSTANT(1795248327) * G_USEC_PER_SEC + 123456) /* 2026-11-21T08:05:27.123Z */

static const struct {
    const char *text;
    const char *time; /* NULL: refused */
} TIMES[] = {
    {"2026-11-21T08:05:27.123Z", "2026-11-21T08:05:27.123Z"},
    {"2026-11-21T08:05:27Z", "2026-11-21T08:05:27.000Z"},
    {"2026-11-21T08:05:27", "2026-11-21T08:05:27.000Z"},
    {"2026-11-21T10:05:27+02:00", "2026-11-21T08:05:27.000Z"},
    {"2026-11-21", "2026-11-21T00:00:00.000Z"},
    {"1969-12-31", "1970-01-01T00:00:00.000Z"},
    {"0s", "2026-11-21T08:05:27.123Z"},
    {"27s", "2026-11-21T08:05:00.123Z"},
    {"90m", "2026-11-21T06:35:27.123Z"},
    {"2h", "2026-11-21T06:05:27.123Z"},
    {"3d", "2026-11-18T08:05:27.123Z"},
    {"99999d", "1970-01-01T00:00:00.000Z"},
    {"99999999999999999999d", "1970-01-01T00:00:00.000Z"},
    {"", NULL},
    {"2", NULL},
    {"2026", NULL},
    {"-2h", NULL},
    {"2 h", NULL},
    {"2h30m", NULL},
    {"2w", NULL},
    {"h", NULL},
    {"yesterday", NULL},
    {"2026-13-01", NULL},
    {"2026-02-30", NULL},
    {"21.11.2026", NULL},
    {"2026-11-21T25:00:00Z", NULL},
    {"2026-11-21T08:05:27Z;", NULL},
    {"\xff\x1b", NULL},
};

START_TEST(a_time_is_a_date_a_moment_or_an_age)
{
    g_autofree char *time = NULL;
    g_autoptr(GError) error = NULL;
    bool parsed = since_parse(TIMES[_i].text, NOW_US, &time, &error);

    ck_assert_msg(parsed == (TIMES[_i].time != NULL), "%s: %s", TIMES[_i].text, time);
    if (parsed) {
        ck_assert_str_eq(time, TIMES[_i].time);
        return;
    }
    ck_assert_int_eq(fault_of(error), FAULT_STOP);
    ck_assert(g_str_has_prefix(error->message, "want a time such as 2026-11-21T08:05:27Z"));
    ck_assert(g_utf8_validate(error->message, -1, NULL) && strchr(error->message, '\x1b') == NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("journal");
    TCase *written = tcase_create("written");
    TCase *shown = tcase_create("shown");
    TCase *old = tcase_create("old");
    TCase *since = tcase_create("since");

    tcase_add_checked_fixture(written, setup, teardown);
    tcase_add_test(written, a_step_that_fails_again_as_before_is_told_once);
    tcase_add_test(written, a_step_that_takes_effect_is_told_each_time);
    tcase_add_test(written, a_failure_that_an_operator_had_tried_again_is_told_again);
    tcase_add_test(written, what_was_done_of_a_change_that_is_broken_off_is_told_and_the_change_stays);
    tcase_add_checked_fixture(shown, setup, teardown);
    tcase_add_loop_test(shown, the_journal_finds_an_entry_by_all_that_it_was_ever_called, 0, G_N_ELEMENTS(NAMES));
    tcase_add_test(shown, an_entry_that_leaves_without_a_trace_is_found_by_its_addresses);
    tcase_add_test(shown, a_line_says_when_what_whose_before_after_and_outcome);
    tcase_add_test(shown, no_value_steers_the_terminal);
    tcase_add_loop_test(shown, a_long_journal_comes_in_pieces_and_in_order_each_row_once, 0, G_N_ELEMENTS(PARTS));
    tcase_add_test(shown, rows_that_are_written_meanwhile_are_not_chased);
    tcase_add_test(shown, a_reader_that_went_away_ends_the_report);
    tcase_add_loop_test(since, a_time_is_a_date_a_moment_or_an_age, 0, G_N_ELEMENTS(TIMES));
    tcase_add_checked_fixture(old, setup, teardown);
    tcase_add_test(old, old_rows_go_in_short_transactions_and_young_ones_stay);
    tcase_add_test(old, with_the_rows_of_an_entry_that_is_gone_its_names_and_its_departure_go);
    tcase_add_test(old, a_departure_that_is_not_settled_is_never_forgotten);
    suite_add_tcase(suite, written);
    suite_add_tcase(suite, shown);
    suite_add_tcase(suite, old);
    suite_add_tcase(suite, since);
    return run_suite(suite);
}
