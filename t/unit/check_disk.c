/* A disk that fails at the n-th write, for each n: whatever the state does is then recorded whole or not at all. */
#include "model/fault.h"
#include "state/cleanup.h"
#include "state/queue.h"
#include "state_file.h"
#include "suite.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef ssize_t (*WriteAt)(int, const void *, size_t, off_t);

static WriteAt real_write;
static guint writes_left; /* before the disk fails */
static int failure;       /* errno; 0: the disk works */
static int kind_of_failure;

static ssize_t write_at(int fd, const void *data, size_t len, off_t offset)
{
    if (failure == 0)
        return real_write(fd, data, len, offset);
    if (writes_left > 0) {
        writes_left--;
        return real_write(fd, data, len, offset);
    }
    /* The half of a page, as a full disk does it: then an error. */
    if (len > 1)
        (void)!real_write(fd, data, len / 2, offset);
    errno = failure;
    return -1;
}

/* All that SQLite writes goes through one of these. */
static void stand_in_the_way(void)
{
    static const char *const NAMES[] = {"pwrite64", "pwrite"};
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(NAMES); i++) {
        sqlite3_syscall_ptr present = vfs->xGetSystemCall(vfs, NAMES[i]);

        if (present == NULL)
            continue;
        real_write = (WriteAt)present;
        ck_assert_int_eq(vfs->xSetSystemCall(vfs, NAMES[i], (sqlite3_syscall_ptr)write_at), SQLITE_OK);
    }
    ck_assert_ptr_nonnull(real_write);
}

static void setup(void)
{
    make_directory();
    if (real_write == NULL)
        stand_in_the_way();
    failure = 0;
}

/* --- what the state is asked to do. Each may fail, and is asked again then */

static Change *leased;

static Record *person(const char *unique_id)
{
    Record *record = record_new("example.org", unique_id);

    record->kind = g_strdup("user");
    record->dn = g_strdup_printf("uid=%s,ou=People,dc=example,dc=org", unique_id);
    record->mailbox = g_strdup_printf("user/%s@example.org", unique_id);
    record->primary = g_strdup_printf("%s@example.org", unique_id);
    record->fingerprint = g_strdup("f1");
    g_ptr_array_add(record->aliases, g_strdup_printf("%s.alias@example.org", unique_id));
    g_ptr_array_add(record->folders, g_strdup("Calendar"));
    g_ptr_array_add(record->identifiers, g_strdup(record->primary));
    return record;
}

static bool serve(State *state, GError **error)
{
    DomainNote served = {.name = "example.org", .base_dn = "dc=example,dc=org", .status = "served"};
    g_autoptr(GPtrArray) notes = g_ptr_array_new();
    g_autoptr(GPtrArray) removed = NULL;

    g_ptr_array_add(notes, &served);
    return state_note_domains(state, notes, &removed, error);
}

static bool add(State *state, const char *unique_id, GError **error)
{
    return queue_add(state, "example.org", unique_id, "notice", false, error);
}

static bool add_1(State *state, GError **error)
{
    return add(state, "id-1", error);
}

static bool add_group(State *state, GError **error)
{
    bool added;

    ck_assert(queue_group_begin(state, NULL));
    added = add(state, "id-2", NULL) && add(state, "id-3", NULL) && add(state, "id-4", NULL);
    ck_assert(added);
    return queue_group_end(state, error);
}

static bool reserve(State *state, GError **error)
{
    g_autoptr(Record) record = person("id-1");

    return state_reserve(state, "example.org", "id-1", record->primary, record->aliases, NULL, error);
}

static bool begin(State *state, GError **error)
{
    g_autoptr(Record) record = person("id-1");

    return state_note_begin(state, record, record->mailbox, 1024, error);
}

static GPtrArray *steps(void)
{
    GPtrArray *journal = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);

    g_ptr_array_add(journal, journal_row_new("create mailbox"));
    g_ptr_array_add(journal, journal_row_new("create folder"));
    return journal;
}

static bool finish_with(State *state, Record *record, GError **error)
{
    g_autoptr(GPtrArray) journal = steps();

    if (!queue_finish(state, leased, record, journal, error))
        return false;
    g_clear_pointer(&leased, change_free);
    return true;
}

static bool finish(State *state, GError **error)
{
    g_autoptr(Record) record = person(leased->unique_id);

    return finish_with(state, record, error);
}

static bool set_aside(State *state, GError **error)
{
    g_autoptr(GPtrArray) journal = steps();

    if (!queue_fail(state, leased, FAULT_PARK, "refused", journal, error))
        return false;
    g_clear_pointer(&leased, change_free);
    return true;
}

static bool finish_departed(State *state, DepartureStatus status, GError **error)
{
    g_autoptr(Record) record = person(leased->unique_id);

    record->departed = true;
    record->departure.reason = REASON_GONE;
    record->departure.status = status;
    return finish_with(state, record, error);
}

static bool depart(State *state, GError **error)
{
    return finish_departed(state, DEPARTURE_WAITING, error);
}

static bool delete(State *state, GError **error)
{
    return finish_departed(state, DEPARTURE_DELETED, error);
}

static bool clean_up(State *state, GError **error)
{
    g_autoptr(GPtrArray) leftovers = NULL;
    g_autoptr(GPtrArray) journals = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    gint64 age_us;

    if (!cleanup_list(state, &leftovers, &age_us, error))
        return false;
    for (guint i = 0; i < leftovers->len; i++)
        g_ptr_array_add(journals, steps());
    return cleanup_finish(state, leftovers, journals, true, error);
}

static bool hold(State *state, GError **error)
{
    return departure_hold(state, "example.org", error);
}

static bool release(State *state, GError **error)
{
    guint released;

    return departure_release(state, "example.org", true, G_MAXUINT, &released, error);
}

static bool requeue(State *state, GError **error)
{
    return departure_requeue(state, "example.org", error);
}

static bool rename_above(State *state, GError **error)
{
    return state_move_below(state, "shared/Team@example.org", "shared/Crew@example.org", error);
}

static bool move(State *state, GError **error)
{
    return state_take_over(state, "example.org", "example.net", "id-1", error);
}

static bool lift(State *state, GError **error)
{
    return state_lift_block(state, "imaps://imap.example.org", error);
}

static bool sweep(State *state, GError **error)
{
    return state_note_sweep(state, "example.org", "dc=example,dc=org", 3, NULL, error);
}

static bool note(State *state, GError **error)
{
    return state_note(state, "mode", "daemon", error);
}

/* --- what was before */

static void lease(State *state)
{
    ck_assert(add(state, "id-1", NULL));
    ck_assert(queue_lease(state, &leased, NULL));
    ck_assert_ptr_nonnull(leased);
}

static void store(State *state)
{
    lease(state);
    ck_assert(finish(state, NULL));
}

/* Others wait for what it has. */
static void lease_wanted(State *state)
{
    store(state);
    ck_assert(add(state, "id-2", NULL));
    ck_assert(queue_lease(state, &leased, NULL));
    leased->waits_for = g_strdup("user/id-1@example.org");
    ck_assert(set_aside(state, NULL));
    lease(state);
}

static void store_departed(State *state)
{
    lease_wanted(state);
    ck_assert(depart(state, NULL));
    ck_assert(add(state, "id-2", NULL));
    ck_assert(queue_lease(state, &leased, NULL));
    leased->waits_for = g_strdup("user/id-1@example.org");
    ck_assert(set_aside(state, NULL));
}

static void store_stranded(State *state)
{
    store_departed(state);
    ck_assert(release(state, NULL));
    run_sql("DELETE FROM change");
    run_sql("INSERT INTO departure SELECT domain, 'id-7', kind, dn, NULL, reason, since, due, status, decided_at, approved_at, message"
            " FROM departure");
}

static void lease_approved(State *state)
{
    store_departed(state);
    ck_assert(release(state, NULL));
    ck_assert(queue_lease(state, &leased, NULL));
    ck_assert_str_eq(leased->unique_id, "id-1");
}

static void store_deleted(State *state)
{
    lease_approved(state);
    ck_assert(delete(state, NULL));
}

static void store_below(State *state)
{
    for (guint i = 0; i < 5; i++) {
        g_autofree char *id = g_strdup_printf("id-%u", i);
        g_autoptr(Record) record = person(id);

        ck_assert(add(state, id, NULL) && queue_lease(state, &leased, NULL));
        g_free(record->mailbox);
        record->mailbox = g_strdup_printf("shared/Team/%u@example.org", i);
        ck_assert(finish_with(state, record, NULL));
    }
}

static void store_blocked(State *state)
{
    store_below(state);
    run_sql("UPDATE entry SET blocked = 'set metadata'");
    ck_assert(state_note_block(state, "imaps://imap.example.org", "1", "dies", NULL));
}

static void remove_domain(State *state)
{
    ck_assert(add(state, "id-1", NULL));
    run_sql("INSERT INTO domain (name) VALUES ('example.net'), ('example.com')");
}

static const struct {
    void (*before)(State *state);
    bool (*ask)(State *state, GError **error);
} ASKED[] = {
    {remove_domain, serve},      {NULL, add_1},           {NULL, add_group},
    {NULL, reserve},             {NULL, begin},           {lease, finish},
    {lease_wanted, finish},      {lease_wanted, set_aside},    {lease_wanted, depart},
    {store_departed, hold},      {store_departed, release}, {store_stranded, requeue},
    {lease_approved, delete},    {store_deleted, clean_up}, {store_below, rename_above},
    {store, move},               {store_blocked, lift},   {NULL, sweep},
    {NULL, note},
};

/* --- */

static void append_rows(GString *text, sqlite3 *db, const char *table)
{
    g_autofree char *sql = g_strdup_printf("SELECT * FROM \"%s\"", table);
    sqlite3_stmt *query;

    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    while (sqlite3_step(query) == SQLITE_ROW) {
        g_string_append_printf(text, "\n%s", table);
        for (int i = 0; i < sqlite3_column_count(query); i++)
            g_string_append_printf(text, "|%s", (const char *)sqlite3_column_text(query, i));
    }
    sqlite3_finalize(query);
}

/* All rows of all tables, as another process sees them. */
static char *see_all(void)
{
    GString *text = g_string_new(NULL);
    sqlite3_stmt *tables;
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table'", -1, &tables, NULL), SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW)
        append_rows(text, db, (const char *)sqlite3_column_text(tables, 0));
    sqlite3_finalize(tables);
    sqlite3_close(db);
    return g_string_free(text, FALSE);
}

/* With the time it happened at made one. */
static char *without_times(const char *text)
{
    g_autoptr(GRegex) time = g_regex_new("\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z", 0, 0, NULL);

    return g_regex_replace_literal(time, text, -1, 0, "TIME", 0, NULL);
}

static char *ask_undisturbed(guint which)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autofree char *all = NULL;

    if (ASKED[which].before != NULL)
        ASKED[which].before(state);
    ck_assert(ASKED[which].ask(state, NULL));
    all = see_all();
    g_clear_pointer(&state, state_close);
    ck_assert_int_eq(g_unlink(path), 0);
    return without_times(all);
}

/* Fails at a write, changes nothing, and can be asked again. False: it was done before the disk failed. */
static bool ask_with_writes(State *state, guint which, guint writes)
{
    g_autofree char *before = see_all();
    g_autofree char *after = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) refusal = NULL;
    StateRevival revival;
    bool done;

    writes_left = writes;
    failure = kind_of_failure;
    done = ASKED[which].ask(state, &error);
    failure = 0;
    if (done)
        return false;
    ck_assert_int_eq(fault_of(error), FAULT_STATE);
    ck_assert_msg(!note(state, &refusal) && strcmp(refusal->message, error->message) == 0, "nothing is done before state_revive");
    after = see_all();
    ck_assert_msg(strcmp(before, after) == 0, "after %u writes, before:%s\nafter:%s", writes, before, after);
    ck_assert(state_revive(state, &revival, NULL));
    ck_assert_int_eq(revival, REVIVED_ITSELF);
    return true;
}

static void fail_at_each_write(guint which)
{
    g_autofree char *expected = ask_undisturbed(which);
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autofree char *all = NULL;
    g_autofree char *got = NULL;
    guint writes = 0;

    if (ASKED[which].before != NULL)
        ASKED[which].before(state);
    while (ask_with_writes(state, which, writes))
        writes++;
    ck_assert_uint_gt(writes, 1);
    all = see_all();
    got = without_times(all);
    ck_assert_str_eq(got, expected);
}

START_TEST(on_a_full_disk_nothing_is_recorded_by_halves_and_the_next_try_does_it)
{
    kind_of_failure = ENOSPC;
    fail_at_each_write((guint)_i);
}
END_TEST

START_TEST(on_a_broken_disk_nothing_is_recorded_by_halves_and_the_next_try_does_it)
{
    kind_of_failure = EIO;
    fail_at_each_write((guint)_i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disk");
    TCase *cases = tcase_create("writes");

    tcase_add_checked_fixture(cases, setup, remove_directory);
    tcase_add_loop_test(cases, on_a_full_disk_nothing_is_recorded_by_halves_and_the_next_try_does_it, 0, G_N_ELEMENTS(ASKED));
    tcase_add_loop_test(cases, on_a_broken_disk_nothing_is_recorded_by_halves_and_the_next_try_does_it, 0, G_N_ELEMENTS(ASKED));
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
