#include "model/account.h"
#include "model/fault.h"
#include "state/lock.h"
#include "state/queue.h"
#include "state/report.h"
#include "state/state.h"
#include "state_file.h"
#include "suite.h"

#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *refusal(const char *file, StateMode mode)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(State) state = state_open(file, mode, &error);

    ck_assert_ptr_null(state);
    ck_assert_int_eq(fault_of(error), FAULT_STOP);
    return g_strdup(error->message);
}

static void assert_refused(StateMode mode, const char *part)
{
    g_autofree char *message = refusal(path, mode);

    ck_assert_msg(strstr(message, part) != NULL, "%s", message);
    ck_assert_msg(strstr(message, path) != NULL, "%s", message);
}

static GPtrArray *strings(const char *first, const char *second)
{
    GPtrArray *array = g_ptr_array_new_with_free_func(g_free);

    if (first != NULL)
        g_ptr_array_add(array, g_strdup(first));
    if (second != NULL)
        g_ptr_array_add(array, g_strdup(second));
    return array;
}

static Record *jane(void)
{
    Record *record = record_new("example.org", "id-jane");

    record->kind = g_strdup("user");
    record->dn = g_strdup("uid=jane,ou=People,dc=example,dc=org");
    record->modify_timestamp = g_strdup("20261121080527Z");
    record->result_attribute = g_strdup("Jane@example.org");
    record->mailbox = g_strdup("user/jane@example.org");
    record->mail_host = g_strdup("imap1.example.org");
    record->quota_kib = 1048576;
    record->fingerprint = g_strdup("f1");
    record->attributes = g_strdup("alias mail");
    record->primary = g_strdup("jane@example.org");
    g_ptr_array_add(record->aliases, g_strdup("j.doe@example.org"));
    g_ptr_array_add(record->aliases, g_strdup("jane.doe@example.org"));
    g_ptr_array_add(record->folders, g_strdup("Calendar"));
    g_ptr_array_add(record->folders, g_strdup("Entwürfe \"neu\" \\ &"));
    g_ptr_array_add(record->acl, g_strdup("john@example.org"));
    g_ptr_array_add(record->acl, g_strdup("anyone, +p"));
    record->blocked = g_strdup("set metadata: x=y");
    return record;
}

/* As a worker does it: queued, leased, finished. */
static void store(State *state, const Record *record)
{
    g_autoptr(Change) change = NULL;

    ck_assert(queue_add(state, record->domain, record->unique_id, "notice", false, NULL));
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert(queue_finish(state, change, record, NULL, NULL));
}

static void store_jane(State *state)
{
    g_autoptr(Record) record = jane();

    store(state, record);
}

static void assert_texts(GPtrArray *got, GPtrArray *expected)
{
    ck_assert_uint_eq(got->len, expected->len);
    for (guint i = 0; i < got->len; i++)
        ck_assert_str_eq(g_ptr_array_index(got, i), g_ptr_array_index(expected, i));
}

START_TEST(a_record_comes_back_as_it_was_written)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) expected = jane();
    g_autoptr(Record) got = NULL;

    store(state, expected);
    ck_assert(state_find_record(state, "example.org", "id-jane", &got, NULL));
    ck_assert_str_eq(got->kind, expected->kind);
    ck_assert_str_eq(got->dn, expected->dn);
    ck_assert_str_eq(got->modify_timestamp, expected->modify_timestamp);
    ck_assert_str_eq(got->result_attribute, expected->result_attribute);
    ck_assert_str_eq(got->mailbox, expected->mailbox);
    ck_assert_str_eq(got->mail_host, expected->mail_host);
    ck_assert_str_eq(got->attributes, expected->attributes);
    ck_assert_int_eq(got->quota_kib, expected->quota_kib);
    ck_assert_str_eq(got->fingerprint, expected->fingerprint);
    ck_assert_str_eq(got->primary, expected->primary);
    ck_assert(!got->departed);
    assert_texts(got->aliases, expected->aliases);
    assert_texts(got->folders, expected->folders);
    assert_texts(got->acl, expected->acl);
    ck_assert_str_eq(got->blocked, expected->blocked);
}
END_TEST

START_TEST(an_empty_record_comes_back_empty)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) record = record_new("example.org", "id-1");
    g_autoptr(Record) got = NULL;

    store(state, record);
    ck_assert(state_find_record(state, "example.org", "id-1", &got, NULL));
    ck_assert_ptr_null(got->mailbox);
    ck_assert_ptr_null(got->primary);
    ck_assert_int_eq(got->quota_kib, QUOTA_ANY);
    ck_assert_uint_eq(got->aliases->len, 0);
    ck_assert_uint_eq(got->folders->len, 0);
}
END_TEST

START_TEST(what_is_not_recorded_is_found_as_nothing)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) record = NULL;
    g_autofree char *fingerprint = NULL;
    g_autofree char *domain = NULL;
    g_autofree char *unique_id = NULL;
    g_autoptr(GHashTable) entries = NULL;

    ck_assert(state_find_record(state, "example.org", "id-9", &record, NULL));
    ck_assert_ptr_null(record);
    ck_assert(state_find_fingerprint(state, "example.org", "id-9", &fingerprint, NULL));
    ck_assert_ptr_null(fingerprint);
    ck_assert(state_find_owner(state, "user/nobody@example.org", &domain, &unique_id, NULL));
    ck_assert_ptr_null(domain);
    ck_assert_ptr_null(unique_id);
    ck_assert(state_list_entries(state, "example.org", &entries, NULL));
    ck_assert_uint_eq(g_hash_table_size(entries), 0);
}
END_TEST

START_TEST(a_departed_entry_keeps_its_mailbox_and_has_no_fingerprint)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) record = jane();
    g_autoptr(Record) got = NULL;
    g_autofree char *fingerprint = NULL;
    g_autofree char *domain = NULL;
    g_autofree char *unique_id = NULL;
    g_autoptr(GHashTable) entries = NULL;

    store(state, record);
    record->departed = true;
    record->departure = (Departure){.reason = REASON_MOVED, .status = DEPARTURE_KEPT};
    store(state, record);
    ck_assert(state_find_fingerprint(state, "example.org", "id-jane", &fingerprint, NULL));
    ck_assert_ptr_null(fingerprint);
    ck_assert(state_list_entries(state, "example.org", &entries, NULL));
    ck_assert_uint_eq(g_hash_table_size(entries), 0);
    ck_assert(state_find_owner(state, "user/jane@example.org", &domain, &unique_id, NULL));
    ck_assert_str_eq(domain, "example.org");
    ck_assert_str_eq(unique_id, "id-jane");
    ck_assert(state_find_record(state, "example.org", "id-jane", &got, NULL));
    ck_assert(got->departed);
}
END_TEST

START_TEST(addresses_that_an_entry_no_longer_has_are_dropped)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) record = jane();
    g_autoptr(Record) got = NULL;
    g_autoptr(GPtrArray) expected = strings("jane.doe@example.org", "jane@example.org");

    store(state, record);
    g_free(record->primary);
    record->primary = g_strdup("jane.smith@example.org");
    g_ptr_array_unref(record->aliases);
    record->aliases = strings("jane@example.org", "jane.doe@example.org");
    store(state, record);
    ck_assert(state_find_record(state, "example.org", "id-jane", &got, NULL));
    ck_assert_str_eq(got->primary, "jane.smith@example.org");
    assert_texts(got->aliases, expected);
}
END_TEST

static guint count_reserved(State *state, const char *domain, const char *unique_id)
{
    g_autoptr(GPtrArray) addresses = strings("jane@example.org", "jd@example.org");
    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    ck_assert(state_find_reserved(state, domain, unique_id, addresses, taken, NULL));
    return g_hash_table_size(taken);
}

START_TEST(a_reservation_blocks_other_entries_of_the_domain_until_the_record_is_written)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GPtrArray) aliases = strings("jd@example.org", "other@example.org");

    ck_assert(state_reserve(state, "example.org", "id-jane", "jane@example.org", aliases, NULL, NULL));
    ck_assert_uint_eq(count_reserved(state, "example.org", "id-2"), 2);
    ck_assert_uint_eq(count_reserved(state, "example.org", "id-jane"), 0);
    ck_assert_uint_eq(count_reserved(state, "example.net", "id-2"), 0);
    store_jane(state);
    ck_assert_uint_eq(count_reserved(state, "example.org", "id-2"), 0);
}
END_TEST

START_TEST(a_new_reservation_replaces_the_entrys_earlier_one)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GPtrArray) aliases = strings("jd@example.org", NULL);

    ck_assert(state_reserve(state, "example.org", "id-jane", "jane@example.org", aliases, NULL, NULL));
    ck_assert(state_reserve(state, "example.org", "id-jane", "jane@example.org", NULL, NULL, NULL));
    ck_assert_uint_eq(count_reserved(state, "example.org", "id-2"), 1);
}
END_TEST

START_TEST(an_outcome_without_a_record_drops_the_reservation)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Change) change = NULL;

    ck_assert(state_reserve(state, "example.org", "id-jane", "jane@example.org", NULL, NULL, NULL));
    ck_assert(queue_add(state, "example.org", "id-jane", "notice", false, NULL));
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert(queue_finish(state, change, NULL, NULL, NULL));
    ck_assert_uint_eq(count_reserved(state, "example.org", "id-2"), 0);
}
END_TEST

START_TEST(a_new_file_is_readable_to_the_group_only_whatever_the_umask)
{
    const mode_t masks[] = {0, 022, 077};

    for (guint i = 0; i < G_N_ELEMENTS(masks); i++) {
        mode_t before = umask(masks[i]);
        g_autoptr(State) state = open_state(STATE_OWN);
        const char *names[] = {"", "-wal", ".lock"};

        umask(before);
        store_jane(state);
        for (guint j = 0; j < G_N_ELEMENTS(names); j++) {
            g_autofree char *name = g_strconcat(path, names[j], NULL);
            GStatBuf status;

            ck_assert_int_eq(g_stat(name, &status), 0);
            ck_assert_msg((status.st_mode & 0777) == 0640, "%s %o", name, status.st_mode & 0777);
        }
        g_clear_pointer(&state, state_close);
        g_unlink(path);
    }
}
END_TEST

START_TEST(an_absent_directory_is_named_with_what_to_do)
{
    g_autofree char *absent = g_build_filename(directory, "absent", "state.db", NULL);
    g_autofree char *message = refusal(absent, STATE_OWN);

    ck_assert_msg(strstr(message, "/absent does not exist; create it") != NULL, "%s", message);
}
END_TEST

static void write_foreign(void)
{
    run_sql("CREATE TABLE t (a)");
}

static void write_newer(void)
{
    g_autoptr(State) state = open_state(STATE_OWN);

    g_clear_pointer(&state, state_close);
    run_sql("PRAGMA user_version = 99");
}

static void write_damaged(void)
{
    run_sql("PRAGMA application_id = 0x6b6c6264; PRAGMA user_version = 1");
}

static void write_garbage(void)
{
    ck_assert(g_file_set_contents(path, "This is no database, but long enough to be looked at as if it were one: "
                                        "0123456789012345678901234567890123456789", -1, NULL));
}

static void write_empty(void)
{
    ck_assert(g_file_set_contents(path, "", 0, NULL));
}

static void write_directory(void)
{
    ck_assert_int_eq(g_mkdir(path, 0755), 0);
}

static const struct {
    const char *name;
    void (*write)(void);
    const char *message;
} UNUSABLE[] = {
    {"another program's", write_foreign, "belongs to another program"},
    {"newer", write_newer, "written by a newer kolabd (schema 99, this one knows 4)"},
    {"without tables", write_damaged, "has no schema"},
    {"garbage", write_garbage, "file is not a database; it is damaged"},
    {"empty", write_empty, "is empty"},
    {"a directory", write_directory, "no regular file"},
};

START_TEST(an_unusable_file_is_refused_in_every_mode_and_stays_as_it_is)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    gsize before_length = 0;
    gsize after_length = 0;

    UNUSABLE[_i].write();
    g_file_get_contents(path, &before, &before_length, NULL);
    assert_refused(STATE_OWN, UNUSABLE[_i].message);
    assert_refused(STATE_SCRATCH, UNUSABLE[_i].message);
    assert_refused(STATE_READ, UNUSABLE[_i].message);
    g_file_get_contents(path, &after, &after_length, NULL);
    ck_assert_uint_eq(before_length, after_length);
    ck_assert(before == NULL || memcmp(before, after, before_length) == 0);
    g_rmdir(path);
}
END_TEST

START_TEST(a_file_cut_short_is_refused_or_fails_when_it_is_used)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) entries = NULL;

    store_jane(state);
    g_clear_pointer(&state, state_close);
    ck_assert_int_eq(truncate(path, 8192), 0);
    state = state_open(path, STATE_OWN, &error);
    ck_assert(state == NULL || !state_list_entries(state, "example.org", &entries, &error));
    ck_assert_int_eq(fault_of(error), FAULT_STOP);
    ck_assert_msg(strstr(error->message, "damaged") != NULL, "%s", error->message);
}
END_TEST

START_TEST(a_second_owner_is_refused_and_told_the_process_of_the_first)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autofree char *expected = g_strdup_printf("in use by another kolabd, process %d; stop that one", (int)getpid());

    assert_refused(STATE_OWN, expected);
    ck_assert_int_eq(lock_look(path), LOCK_HELD);
    g_clear_pointer(&state, state_close);
    ck_assert_int_eq(lock_look(path), LOCK_FREE);
    state = open_state(STATE_OWN);
}
END_TEST

/* Root may write everywhere, so these give up that right for a moment. */
static void become_nobody(void)
{
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
}

static void become_root_again(void)
{
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
}

START_TEST(a_directory_that_cannot_be_written_is_refused)
{
    g_autofree char *message = NULL;

    g_chmod(directory, 0555);
    become_nobody();
    message = refusal(path, STATE_OWN);
    become_root_again();
    g_chmod(directory, 0755);
    ck_assert_msg(strstr(message, "cannot write") != NULL && strstr(message, "chown") != NULL, "%s", message);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_or_written_is_refused)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autofree char *lock = g_strconcat(path, ".lock", NULL);
    g_autofree char *read_only = NULL;
    g_autofree char *unreadable = NULL;

    g_clear_pointer(&state, state_close);
    g_chmod(directory, 0777);
    g_unlink(lock);
    g_chmod(path, 0444);
    become_nobody();
    read_only = refusal(path, STATE_OWN);
    become_root_again();
    g_chmod(path, 0);
    become_nobody();
    unreadable = refusal(path, STATE_READ);
    become_root_again();
    ck_assert_msg(strstr(read_only, "is read-only for this user") != NULL, "%s", read_only);
    ck_assert_msg(strstr(unreadable, "cannot be read: Permission denied") != NULL, "%s", unreadable);
}
END_TEST

START_TEST(a_group_member_reads_a_state_whose_directory_it_cannot_write)
{
    g_autoptr(State) owner = open_state(STATE_OWN);
    g_autoptr(State) idle = NULL;
    g_autoptr(State) busy = NULL;

    store_jane(owner);
    g_chmod(directory, 0555);
    g_chmod(path, 0444); /* as if the group were ours: the other files inherited 0640, so give them too */
    for (guint i = 0; i < 2; i++) {
        const char *names[] = {"-wal", "-shm"};
        g_autofree char *name = g_strconcat(path, names[i], NULL);

        g_chmod(name, 0444);
    }
    become_nobody();
    busy = open_state(STATE_READ);
    become_root_again();
    g_chmod(directory, 0755);
    g_clear_pointer(&busy, state_close);
    g_clear_pointer(&owner, state_close);
    g_chmod(directory, 0555);
    become_nobody();
    idle = open_state(STATE_READ);
    become_root_again();
    g_chmod(directory, 0755);
}
END_TEST

START_TEST(a_reader_needs_the_file)
{
    assert_refused(STATE_READ, "does not exist");
}
END_TEST

START_TEST(a_reader_sees_each_commit_of_the_owner_and_cannot_write)
{
    g_autoptr(State) owner = open_state(STATE_OWN);
    g_autoptr(State) reader = open_state(STATE_READ);
    g_autofree char *none = NULL;
    g_autofree char *fingerprint = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert(state_find_fingerprint(reader, "example.org", "id-jane", &none, NULL));
    ck_assert_ptr_null(none);
    store_jane(owner);
    ck_assert(state_find_fingerprint(reader, "example.org", "id-jane", &fingerprint, NULL));
    ck_assert_str_eq(fingerprint, "f1");
    ck_assert(!state_note(reader, "pid", "1", &error));
    ck_assert_int_eq(fault_of(error), FAULT_STATE);
}
END_TEST

static gint compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every file of the directory with its content and its times. */
static char *snapshot(void)
{
    g_autoptr(GDir) files = g_dir_open(directory, 0, NULL);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    for (const char *name; (name = g_dir_read_name(files)) != NULL;) {
        g_autofree char *file = g_build_filename(directory, name, NULL);
        g_autofree char *content = NULL;
        g_autofree char *digest = NULL;
        gsize length;
        GStatBuf status;

        ck_assert(g_file_get_contents(file, &content, &length, NULL));
        ck_assert_int_eq(g_stat(file, &status), 0);
        digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)content, length);
        g_ptr_array_add(lines, g_strdup_printf("%s %s %ld.%09ld", name, digest, (long)status.st_mtim.tv_sec,
                                               (long)status.st_mtim.tv_nsec));
    }
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

/* A scratch state on the file as it is knows `fingerprint` of Jane, can be written, and leaves no trace. */
static void assert_scratch(const char *fingerprint)
{
    g_autofree char *before = snapshot();
    g_autofree char *after = NULL;
    g_autofree char *found = NULL;
    g_autoptr(State) scratch = open_state(STATE_SCRATCH);
    g_autoptr(Record) record = record_new("example.org", "id-new");

    ck_assert(state_find_fingerprint(scratch, "example.org", "id-jane", &found, NULL));
    ck_assert_pstr_eq(found, fingerprint);
    store(scratch, record);
    ck_assert(state_note(scratch, "pid", "1", NULL));
    g_clear_pointer(&scratch, state_close);
    after = snapshot();
    ck_assert_str_eq(before, after);
}

START_TEST(a_scratch_state_of_an_absent_file_makes_none)
{
    assert_scratch(NULL);
}
END_TEST

START_TEST(a_scratch_state_leaves_a_closed_file_untouched)
{
    g_autoptr(State) state = open_state(STATE_OWN);

    store_jane(state);
    g_clear_pointer(&state, state_close);
    assert_scratch("f1");
}
END_TEST

/* Ends as kill -9 does, with the outcome committed to the write-ahead log only. The state is static so that valgrind
 * does not call it lost. */
static void crash_after_storing(void)
{
    static State *state;
    pid_t child = fork();
    int status;

    if (child == 0) {
        state = open_state(STATE_OWN);
        store_jane(state);
        ck_assert(queue_add(state, "example.org", "id-2", "notice", false, NULL));
        kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
}

START_TEST(a_scratch_state_leaves_what_a_crash_left_untouched)
{
    crash_after_storing();
    assert_scratch("f1");
}
END_TEST

START_TEST(a_state_survives_a_crash_with_its_queue)
{
    g_autoptr(State) state = NULL;
    g_autoptr(Change) change = NULL;
    g_autofree char *fingerprint = NULL;

    crash_after_storing();
    state = open_state(STATE_OWN);
    ck_assert(state_find_fingerprint(state, "example.org", "id-jane", &fingerprint, NULL));
    ck_assert_str_eq(fingerprint, "f1");
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert_str_eq(change->unique_id, "id-2");
}
END_TEST

START_TEST(the_log_of_a_removed_file_is_not_replayed_into_a_new_one)
{
    g_autoptr(State) state = NULL;
    g_autofree char *fingerprint = NULL;

    crash_after_storing();
    g_unlink(path);
    state = open_state(STATE_OWN);
    ck_assert(state_find_fingerprint(state, "example.org", "id-jane", &fingerprint, NULL));
    ck_assert_ptr_null(fingerprint);
}
END_TEST

#define TRIGGERS "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name)"

/* Of the first version, which had all but the triggers that note former names. */
START_TEST(a_file_of_an_older_version_is_migrated_with_what_is_in_it)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autofree char *triggers = look(TRIGGERS);
    g_autofree char *drops = look("SELECT group_concat('DROP TRIGGER ' || name, ';') FROM sqlite_schema WHERE type = 'trigger'"
                                  " AND sql LIKE '%journal_name%'");

    ck_assert_ptr_nonnull(drops);
    g_clear_pointer(&state, state_close);
    run_sql(drops);
    run_sql("DROP INDEX change_due; ALTER TABLE change DROP COLUMN server; CREATE INDEX change_due ON change (state, due)");
    run_sql("INSERT INTO note (name, value, time) VALUES ('old', 'kept', '2026-01-01T00:00:00.000Z'); PRAGMA user_version = 1");
    assert_refused(STATE_READ, "has the tables of an older kolabd; start kolabd once");
    state = open_state(STATE_OWN);
    assert_value(TRIGGERS, triggers);
    assert_value("PRAGMA user_version", "4");
    assert_value("SELECT count(server) FROM change", "0");
    assert_value("SELECT value FROM note WHERE name = 'old'", "kept");
}
END_TEST

START_TEST(a_half_made_new_file_is_made_again)
{
    g_autofree char *left_over = g_strconcat(path, ".new", NULL);
    g_autoptr(State) state = NULL;

    ck_assert(g_file_set_contents(left_over, "half", -1, NULL));
    state = open_state(STATE_OWN);
    store_jane(state);
}
END_TEST

static char *status_json(State *state)
{
    GString *json = g_string_new(NULL);

    ck_assert(report_status(state, true, json, NULL));
    return g_string_free(json, FALSE);
}

#define IMAPS "imaps://imap.example.org"

START_TEST(a_server_that_dies_of_a_step_is_a_problem_until_it_is_lifted)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autofree char *none = NULL;
    g_autofree char *version = NULL;
    g_autofree char *gone = NULL;
    g_autofree char *problem = NULL;
    g_autofree char *after = NULL;
    g_autoptr(Change) change = NULL;

    store_jane(state);
    ck_assert(state_find_block(state, IMAPS, &none, NULL));
    ck_assert_ptr_null(none);
    ck_assert(state_note_block(state, IMAPS, "Cyrus 1", "it dies", NULL));
    ck_assert(state_find_block(state, IMAPS, &version, NULL));
    ck_assert_str_eq(version, "Cyrus 1");
    problem = status_json(state);
    ck_assert_msg(strstr(problem, "\"problems\":1") != NULL, "%s", problem);
    ck_assert(state_lift_block(state, IMAPS, NULL));
    ck_assert(state_find_block(state, IMAPS, &gone, NULL));
    ck_assert_ptr_null(gone);
    after = status_json(state);
    ck_assert_msg(strstr(after, "\"problems\":0") != NULL, "%s", after);
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert_str_eq(change->unique_id, "id-jane");
    ck_assert(change->verify);
}
END_TEST

START_TEST(of_a_backend_that_no_longer_dies_of_a_step_only_its_own_entries_are_looked_at_again)
{
    static const char *const hosts[] = {"Backend1.example.org", "backend2.example.org"};
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Change) change = NULL;
    g_autoptr(Change) none = NULL;
    bool any;

    for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
        g_autoptr(Record) record = record_new("example.org", hosts[i]);

        record->mail_host = g_strdup(hosts[i]);
        record->blocked = g_strdup("set metadata: x=y");
        store(state, record);
    }
    ck_assert(state_has_block(state, &any, NULL));
    ck_assert(!any);
    ck_assert(state_note_block(state, "backend1.example.org", "Cyrus 1", "it dies", NULL));
    ck_assert(state_note_block(state, "backend2.example.org", "Cyrus 1", "it dies", NULL));
    ck_assert(state_lift_block(state, "backend1.example.org", NULL));
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert_str_eq(change->unique_id, hosts[0]);
    ck_assert(queue_lease(state, &none, NULL));
    ck_assert_ptr_null(none);
    ck_assert(state_has_block(state, &any, NULL));
    ck_assert(any);
}
END_TEST

static void store_mailbox(State *state, const char *unique_id, const char *mailbox)
{
    g_autoptr(Record) record = record_new("example.org", unique_id);

    record->mailbox = g_strdup(mailbox);
    store(state, record);
}

static const char *const below[][2] = {
    {"shared/A/B@example.org", "shared/X/Y/B@example.net"},
    {"shared/A/B/C@example.org", "shared/X/Y/B/C@example.net"},
    {"shared/A@example.org", "shared/A@example.org"},
    {"shared/AB/C@example.org", "shared/AB/C@example.org"},
    {"shared/a/B@example.org", "shared/a/B@example.org"},
    {"shared/A/B@example.com", "shared/A/B@example.com"},
    {"shared/Z/A/B@example.org", "shared/Z/A/B@example.org"},
    {"user/A/B@example.org", "user/A/B@example.org"},
};

START_TEST(what_is_below_a_renamed_mailbox_is_renamed_and_queued)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) record = NULL;
    g_autoptr(Change) change = NULL;
    bool moves = strcmp(below[_i][0], below[_i][1]) != 0;

    store_mailbox(state, "id-1", below[_i][0]);
    ck_assert(state_move_below(state, "shared/A@example.org", "shared/X/Y@example.net", NULL));
    ck_assert(state_find_record(state, "example.org", "id-1", &record, NULL));
    ck_assert_str_eq(record->mailbox, below[_i][1]);
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert((change != NULL) == moves);
    ck_assert(change == NULL || change->verify);
}
END_TEST

START_TEST(an_incomplete_sweep_is_a_problem_of_its_domain_until_a_complete_one)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autofree char *failed = NULL;
    g_autofree char *complete = NULL;

    ck_assert(state_note_sweep(state, "example.org", "dc=example,dc=org", 6, NULL, NULL));
    ck_assert(state_note_sweep(state, "example.org", "dc=example,dc=org", 2, "size limit exceeded", NULL));
    failed = status_json(state);
    ck_assert_msg(strstr(failed, "\"problems\":1") != NULL, "%s", failed);
    ck_assert_msg(strstr(failed, "\"entries\":6,\"last_sweep\"") != NULL, "%s", failed);
    ck_assert_msg(strstr(failed, "\"problem\":\"size limit exceeded\"") != NULL, "%s", failed);
    ck_assert(state_note_sweep(state, "example.org", "dc=example,dc=org", 7, NULL, NULL));
    complete = status_json(state);
    ck_assert_msg(strstr(complete, "\"problems\":0") != NULL, "%s", complete);
    ck_assert_msg(strstr(complete, "\"problem\":null") != NULL, "%s", complete);
}
END_TEST

/* Notes these, and no others. Returns those that are removed by it. */
static GPtrArray *note_domains(State *state, const DomainNote *notes, guint count)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    GPtrArray *removed = NULL;

    for (guint i = 0; i < count; i++)
        g_ptr_array_add(list, (gpointer)&notes[i]);
    ck_assert(state_note_domains(state, list, &removed, NULL));
    return removed;
}

START_TEST(a_domain_that_is_gone_is_removed_once_and_its_entries_stay)
{
    const DomainNote notes[] = {{"a.org", "dc=a,dc=org", "served", NULL}, {"b.org", "dc=b,dc=org", "served", NULL}};
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GPtrArray) first = note_domains(state, notes, 2);
    g_autoptr(Record) record = record_new("b.org", "id-1");
    g_autoptr(Change) change = NULL;
    g_autoptr(GPtrArray) gone = NULL;
    g_autoptr(GPtrArray) again = NULL;
    g_autoptr(GHashTable) entries = NULL;
    g_autofree char *status = NULL;

    ck_assert_uint_eq(first->len, 0);
    ck_assert(queue_add(state, "b.org", "id-1", "notice", false, NULL));
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert(queue_finish(state, change, record, NULL, NULL));
    gone = note_domains(state, notes, 1);
    again = note_domains(state, notes, 1);
    ck_assert_uint_eq(gone->len, 1);
    ck_assert_str_eq(g_ptr_array_index(gone, 0), "b.org");
    ck_assert_uint_eq(again->len, 0);
    ck_assert(state_list_entries(state, "b.org", &entries, NULL));
    ck_assert_uint_eq(g_hash_table_size(entries), 1);
    status = status_json(state);
    ck_assert_msg(strstr(status, "\"name\":\"b.org\",\"base_dn\":\"dc=b,dc=org\",\"status\":\"removed\"") != NULL, "%s", status);
    ck_assert_msg(strstr(status, "\"problems\":0") != NULL, "%s", status);
}
END_TEST

START_TEST(a_domain_without_entries_is_forgotten_when_it_is_gone)
{
    const DomainNote notes[] = {{"a.org", "dc=a,dc=org", "served", NULL}, {"b.org", "dc=b,dc=org", "served", NULL}};
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GPtrArray) first G_GNUC_UNUSED = note_domains(state, notes, 2);
    g_autoptr(GPtrArray) gone = note_domains(state, notes, 1);
    g_autofree char *status = status_json(state);

    ck_assert_uint_eq(gone->len, 1);
    ck_assert_msg(strstr(status, "b.org") == NULL, "%s", status);
}
END_TEST

START_TEST(the_changes_of_a_domain_that_is_not_served_leave_the_queue)
{
    const DomainNote notes[] = {{"a.org", "dc=a,dc=org", "served", NULL}, {"b.org", "dc=b,dc=org", "suspended", "it says so"}};
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GPtrArray) removed = NULL;
    QueueCounts counts;

    ck_assert(queue_add(state, "a.org", "id-1", "notice", false, NULL));
    ck_assert(queue_add(state, "b.org", "id-2", "notice", false, NULL));
    ck_assert(queue_add(state, "c.org", "id-3", "notice", false, NULL));
    removed = note_domains(state, notes, 2);
    ck_assert(queue_count(state, &counts, NULL));
    ck_assert_uint_eq(counts.due, 1);
}
END_TEST

START_TEST(who_has_a_change_that_leaves_the_queue_with_its_domain_is_looked_at_by_the_next_sweep)
{
    const DomainNote suspended = {"example.org", "dc=example,dc=org", "suspended", "it says so"};
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) john = record_new("example.org", "id-john");
    g_autoptr(GPtrArray) removed = NULL;
    g_autofree char *janes = NULL;
    g_autofree char *johns = NULL;

    john->fingerprint = g_strdup("f2");
    store(state, john);
    store_jane(state);
    ck_assert(queue_add(state, "example.org", "id-jane", "parent", true, NULL));
    removed = note_domains(state, &suspended, 1);
    assert_value("SELECT count(*) FROM change", "0");
    ck_assert(state_find_fingerprint(state, "example.org", "id-jane", &janes, NULL));
    ck_assert_ptr_null(janes);
    ck_assert(state_find_fingerprint(state, "example.org", "id-john", &johns, NULL));
    ck_assert_str_eq(johns, "f2");
}
END_TEST

static void end_in_some_way(State *state, const Change *change, int way)
{
    g_autoptr(Record) record = record_new(change->domain, change->unique_id);

    if (way == 0)
        ck_assert(queue_finish(state, change, record, NULL, NULL));
    else
        ck_assert(queue_fail(state, change, way == 1 ? FAULT_RETRY : FAULT_PARK, "it did not work", NULL, NULL));
}

START_TEST(a_change_that_is_made_anew_while_a_worker_has_the_dropped_one_is_due_after_it_whatever_its_outcome)
{
    const DomainNote served = {"a.org", "dc=a,dc=org", "served", NULL};
    const DomainNote suspended = {"a.org", "dc=a,dc=org", "suspended", "it says so"};
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GPtrArray) first G_GNUC_UNUSED = note_domains(state, &served, 1);
    g_autoptr(GPtrArray) second = NULL;
    g_autoptr(GPtrArray) third = NULL;
    g_autoptr(Change) dropped = NULL;
    g_autoptr(Change) anew = NULL;
    g_autoptr(Change) none = NULL;

    ck_assert(queue_add(state, "a.org", "id-1", "notice", false, NULL));
    ck_assert(queue_lease(state, &dropped, NULL));
    second = note_domains(state, &suspended, 1);
    third = note_domains(state, &served, 1);
    ck_assert(queue_add(state, "a.org", "id-1", "sweep", false, NULL));
    end_in_some_way(state, dropped, _i);
    ck_assert(queue_lease(state, &anew, NULL));
    ck_assert_ptr_nonnull(anew);
    ck_assert_str_eq(anew->reason, "sweep");
    ck_assert(queue_finish(state, anew, NULL, NULL, NULL));
    ck_assert(queue_lease(state, &none, NULL));
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(a_worker_that_has_a_dropped_change_leaves_nothing_behind_and_others_keep_theirs)
{
    const DomainNote notes[] = {{"a.org", "dc=a,dc=org", "served", NULL}, {"b.org", "dc=b,dc=org", "suspended", "it says so"}};
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Change) kept = NULL;
    g_autoptr(Change) dropped = NULL;
    g_autoptr(GPtrArray) removed = NULL;

    ck_assert(queue_add(state, "a.org", "id-1", "notice", false, NULL));
    ck_assert(queue_lease(state, &kept, NULL));
    ck_assert(queue_add(state, "b.org", "id-2", "notice", false, NULL));
    ck_assert(queue_lease(state, &dropped, NULL));
    removed = note_domains(state, notes, 2);
    end_in_some_way(state, kept, 0);
    end_in_some_way(state, dropped, _i);
    assert_value("SELECT count(*) FROM change", "0");
}
END_TEST

START_TEST(a_refused_or_unwatched_domain_is_a_problem_and_a_suspended_one_is_none)
{
    const DomainNote notes[] = {{"a.org", "dc=a,dc=org", "served", NULL},
                                {"b.org", "dc=b,dc=org", "suspended", "it says so"},
                                {"c.org", NULL, "refused", "two entries"}};
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(GPtrArray) removed G_GNUC_UNUSED = note_domains(state, notes, 3);
    g_autofree char *refused = status_json(state);
    g_autofree char *unwatched = NULL;
    g_autofree char *suspended = NULL;
    g_autoptr(GPtrArray) again = NULL;

    ck_assert_msg(strstr(refused, "\"problems\":1") != NULL, "%s", refused);
    ck_assert(state_note_watch(state, "a.org", "no such object", NULL));
    unwatched = status_json(state);
    ck_assert_msg(strstr(unwatched, "\"problems\":2") != NULL, "%s", unwatched);
    ck_assert_msg(strstr(unwatched, "\"watch_problem\":\"no such object\"") != NULL, "%s", unwatched);
    again = note_domains(state, notes + 1, 1);
    suspended = status_json(state);
    ck_assert_msg(strstr(suspended, "\"problems\":0") != NULL, "%s", suspended);
}
END_TEST

START_TEST(an_entry_that_moved_takes_its_record_to_the_other_domain)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autoptr(Record) record = record_new("a.org", "id-1");
    g_autoptr(Record) departed = record_new("a.org", "id-1");
    g_autoptr(Record) before = NULL;
    g_autoptr(Record) after = NULL;
    g_autoptr(Change) change = NULL;
    g_autoptr(Change) late = NULL;
    g_autofree char *other = NULL;
    g_autofree char *none = NULL;

    record->mailbox = g_strdup("user/jane@a.org");
    record->primary = g_strdup("jane@a.org");
    record->fingerprint = g_strdup("1234");
    ck_assert(queue_add(state, "a.org", "id-1", "notice", false, NULL) && queue_lease(state, &change, NULL));
    ck_assert(queue_finish(state, change, record, NULL, NULL));
    ck_assert(state_find_elsewhere(state, "b.org", "id-1", &other, NULL));
    ck_assert(state_find_elsewhere(state, "a.org", "id-1", &none, NULL));
    ck_assert_pstr_eq(other, "a.org");
    ck_assert_ptr_null(none);
    ck_assert(state_take_over(state, "a.org", "b.org", "id-1", NULL));
    /* The first domain's change, read before, ends after. */
    departed->mailbox = g_strdup("user/jane@a.org");
    departed->departed = true;
    departed->departure.status = DEPARTURE_KEPT;
    departed->departure.reason = REASON_MOVED;
    ck_assert(queue_add(state, "a.org", "id-1", "notice", false, NULL) && queue_lease(state, &late, NULL));
    ck_assert(queue_finish(state, late, departed, NULL, NULL));
    ck_assert(state_find_record(state, "a.org", "id-1", &before, NULL));
    ck_assert(state_find_record(state, "b.org", "id-1", &after, NULL));
    ck_assert_ptr_null(before);
    ck_assert_str_eq(after->mailbox, "user/jane@a.org");
    ck_assert_str_eq(after->primary, "jane@a.org");
    ck_assert_ptr_null(after->fingerprint);
    ck_assert(!after->departed);
}
END_TEST

START_TEST(a_note_holds_its_last_value_and_goes_with_none)
{
    g_autoptr(State) state = open_state(STATE_OWN);
    g_autofree char *noted = NULL;
    g_autofree char *removed = NULL;

    ck_assert(state_note(state, "imap", "first", NULL));
    ck_assert(state_note(state, "imap", "second", NULL));
    noted = status_json(state);
    ck_assert_msg(strstr(noted, "\"notes\":{\"imap\":\"second\"}") != NULL, "%s", noted);
    ck_assert(state_note(state, "imap", NULL, NULL));
    removed = status_json(state);
    ck_assert_msg(strstr(removed, "\"notes\":{}") != NULL, "%s", removed);
}
END_TEST

static void add_files(TCase *cases)
{
    tcase_add_test(cases, a_new_file_is_readable_to_the_group_only_whatever_the_umask);
    tcase_add_test(cases, an_absent_directory_is_named_with_what_to_do);
    tcase_add_loop_test(cases, an_unusable_file_is_refused_in_every_mode_and_stays_as_it_is, 0,
                        G_N_ELEMENTS(UNUSABLE));
    tcase_add_test(cases, a_file_cut_short_is_refused_or_fails_when_it_is_used);
    tcase_add_test(cases, a_second_owner_is_refused_and_told_the_process_of_the_first);
    tcase_add_test(cases, a_directory_that_cannot_be_written_is_refused);
    tcase_add_test(cases, a_file_that_cannot_be_read_or_written_is_refused);
    tcase_add_test(cases, a_group_member_reads_a_state_whose_directory_it_cannot_write);
    tcase_add_test(cases, a_reader_needs_the_file);
    tcase_add_test(cases, a_reader_sees_each_commit_of_the_owner_and_cannot_write);
    tcase_add_test(cases, a_scratch_state_of_an_absent_file_makes_none);
    tcase_add_test(cases, a_scratch_state_leaves_a_closed_file_untouched);
    tcase_add_test(cases, a_scratch_state_leaves_what_a_crash_left_untouched);
    tcase_add_test(cases, a_state_survives_a_crash_with_its_queue);
    tcase_add_test(cases, the_log_of_a_removed_file_is_not_replayed_into_a_new_one);
    tcase_add_test(cases, a_file_of_an_older_version_is_migrated_with_what_is_in_it);
    tcase_add_test(cases, a_half_made_new_file_is_made_again);
}

static void add_records(TCase *cases)
{
    tcase_add_test(cases, a_record_comes_back_as_it_was_written);
    tcase_add_test(cases, an_empty_record_comes_back_empty);
    tcase_add_test(cases, what_is_not_recorded_is_found_as_nothing);
    tcase_add_test(cases, a_departed_entry_keeps_its_mailbox_and_has_no_fingerprint);
    tcase_add_test(cases, addresses_that_an_entry_no_longer_has_are_dropped);
    tcase_add_test(cases, a_reservation_blocks_other_entries_of_the_domain_until_the_record_is_written);
    tcase_add_test(cases, a_new_reservation_replaces_the_entrys_earlier_one);
    tcase_add_test(cases, an_outcome_without_a_record_drops_the_reservation);
    tcase_add_test(cases, a_server_that_dies_of_a_step_is_a_problem_until_it_is_lifted);
    tcase_add_test(cases, of_a_backend_that_no_longer_dies_of_a_step_only_its_own_entries_are_looked_at_again);
    tcase_add_loop_test(cases, what_is_below_a_renamed_mailbox_is_renamed_and_queued, 0, G_N_ELEMENTS(below));
    tcase_add_test(cases, an_incomplete_sweep_is_a_problem_of_its_domain_until_a_complete_one);
    tcase_add_test(cases, a_domain_that_is_gone_is_removed_once_and_its_entries_stay);
    tcase_add_test(cases, a_domain_without_entries_is_forgotten_when_it_is_gone);
    tcase_add_test(cases, the_changes_of_a_domain_that_is_not_served_leave_the_queue);
    tcase_add_test(cases, who_has_a_change_that_leaves_the_queue_with_its_domain_is_looked_at_by_the_next_sweep);
    tcase_add_loop_test(cases, a_change_that_is_made_anew_while_a_worker_has_the_dropped_one_is_due_after_it_whatever_its_outcome,
                        0, 3);
    tcase_add_loop_test(cases, a_worker_that_has_a_dropped_change_leaves_nothing_behind_and_others_keep_theirs, 0, 3);
    tcase_add_test(cases, a_refused_or_unwatched_domain_is_a_problem_and_a_suspended_one_is_none);
    tcase_add_test(cases, an_entry_that_moved_takes_its_record_to_the_other_domain);
    tcase_add_test(cases, a_note_holds_its_last_value_and_goes_with_none);
}

int main(void)
{
    Suite *suite = suite_create("state");
    TCase *files = tcase_create("files");
    TCase *records = tcase_create("records");

    tcase_add_checked_fixture(files, make_directory, remove_directory);
    tcase_add_checked_fixture(records, make_directory, remove_directory);
    tcase_set_timeout(files, 60);
    tcase_set_timeout(records, 60);
    add_files(files);
    add_records(records);
    suite_add_tcase(suite, files);
    suite_add_tcase(suite, records);
    return run_suite(suite);
}
