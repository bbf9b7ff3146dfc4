#include "model/fault.h"
#include "state/lock.h"
#include "state/queue.h"
#include "state/report.h"
#include "state_file.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char GARBAGE[] = "This is no database, but long enough to be looked at as if it were one: "
                              "0123456789012345678901234567890123456789";

static char *beside(const char *suffix)
{
    return g_strconcat(path, suffix, NULL);
}

static void remove_part(const char *suffix)
{
    g_autofree char *name = beside(suffix);

    ck_assert_int_eq(g_unlink(name), 0);
}

static bool is_there(const char *suffix)
{
    g_autofree char *name = beside(suffix);

    return g_file_test(name, G_FILE_TEST_EXISTS);
}

static void move(const char *from, const char *to)
{
    g_autofree char *old = beside(from);
    g_autofree char *new = beside(to);

    ck_assert_int_eq(g_rename(old, new), 0);
}

/* Over what is there: the same inode, as cp does it. */
static void write_in_place(const char *data, gsize len)
{
    int fd = open(path, O_WRONLY | O_TRUNC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, len), (gssize)len);
    close(fd);
}

static Record *person(const char *unique_id)
{
    Record *record = record_new("example.org", unique_id);

    record->mailbox = g_strdup_printf("user/%s@example.org", unique_id);
    record->primary = g_strdup_printf("%s@example.org", unique_id);
    record->fingerprint = g_strdup("f1");
    return record;
}

static bool add(State *state, const char *unique_id, GError **error)
{
    return queue_add(state, "example.org", unique_id, "notice", false, error);
}

/* As a worker does it: queued, leased, finished with a step in the journal. */
static void store(State *state, const char *unique_id)
{
    g_autoptr(Record) record = person(unique_id);
    g_autoptr(GPtrArray) journal = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);
    g_autoptr(Change) change = NULL;

    g_ptr_array_add(journal, journal_row_new("create mailbox"));
    ck_assert(add(state, unique_id, NULL));
    ck_assert(queue_lease(state, &change, NULL));
    ck_assert(queue_finish(state, change, record, journal, NULL));
}

static bool knows(State *state, const char *unique_id)
{
    g_autofree char *fingerprint = NULL;

    ck_assert(state_find_fingerprint(state, "example.org", unique_id, &fingerprint, NULL));
    return fingerprint != NULL;
}

static void revive(State *state, StateRevival expected)
{
    g_autoptr(GError) error = NULL;
    StateRevival revival;

    ck_assert_msg(state_revive(state, &revival, &error), "%s", error != NULL ? error->message : "?");
    ck_assert_int_eq(revival, expected);
}

static void assert_not_revived(State *state, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) refusal = NULL;
    StateRevival revival;

    ck_assert(!state_revive(state, &revival, &error));
    ck_assert_int_eq(fault_of(error), FAULT_STATE);
    ck_assert_msg(strstr(error->message, part) != NULL && strstr(error->message, directory) != NULL, "%s", error->message);
    ck_assert(!add(state, "id-refused", &refusal));
    ck_assert_int_eq(fault_of(refusal), FAULT_STATE);
    ck_assert_str_eq(refusal->message, error->message);
}

/* What is seen at the path is complete, and it is what the state writes to. */
static void assert_in_place(State *state)
{
    assert_value("SELECT count(*) FROM journal WHERE unique_id = 'id-1'", "1");
    assert_value("SELECT count(*) FROM change WHERE unique_id = 'id-2'", "1");
    assert_value("PRAGMA integrity_check", "ok");
    store(state, "id-3");
    assert_value("SELECT count(*) FROM entry WHERE unique_id = 'id-3'", "1");
}

static State *open_with_people(void)
{
    State *state = open_state(STATE_OWN);

    store(state, "id-1");
    ck_assert(add(state, "id-2", NULL));
    return state;
}

static const struct {
    const char *suffixes[5];
    bool lock; /* that of the owner, too */
} REMOVED[] = {
    {{"", "-wal", "-shm", ".lock"}, true},
    {{"", "-wal", "-shm"}, false},
    {{""}, false},
    {{"-wal", "-shm"}, false},
    {{"-wal"}, false},
    {{"-shm"}, false},
};

START_TEST(what_is_removed_is_written_again_with_all_that_it_had)
{
    g_autoptr(State) state = open_with_people();
    g_autoptr(GError) error = NULL;

    for (guint i = 0; REMOVED[_i].suffixes[i] != NULL; i++)
        remove_part(REMOVED[_i].suffixes[i]);
    revive(state, REVIVED_WRITTEN_AGAIN);
    ck_assert(knows(state, "id-1"));
    assert_in_place(state);
    ck_assert_ptr_null(state_open(path, STATE_OWN, &error));
    ck_assert_msg(strstr(error->message, "in use by another kolabd") != NULL, "%s", error->message);
    g_clear_pointer(&state, state_close);
    state = open_state(STATE_OWN);
    ck_assert(knows(state, "id-3"));
}
END_TEST

START_TEST(a_removed_lock_alone_is_taken_again)
{
    g_autoptr(State) state = open_with_people();

    remove_part(".lock");
    ck_assert_int_eq(lock_look(path), LOCK_FREE);
    revive(state, REVIVED_ITSELF);
    ck_assert_int_eq(lock_look(path), LOCK_HELD);
    assert_in_place(state);
}
END_TEST

START_TEST(an_owner_that_lost_its_lock_to_another_one_waits_until_that_has_ended)
{
    g_autoptr(State) state = open_with_people();
    g_autoptr(State) other = NULL;

    remove_part(".lock");
    other = open_state(STATE_OWN);
    assert_not_revived(state, "in use by another kolabd");
    ck_assert(add(other, "id-other", NULL));
    g_clear_pointer(&other, state_close);
    revive(state, REVIVED_ITSELF);
    assert_value("SELECT count(*) FROM change WHERE unique_id = 'id-other'", "1");
    assert_in_place(state);
}
END_TEST

START_TEST(what_was_removed_is_seen_soon_and_nothing_is_done_before_it_is_written_again)
{
    g_autoptr(State) state = open_with_people();
    g_autoptr(GError) error = NULL;
    gint64 deadline_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    remove_part("");
    while (add(state, "id-4", &error))
        ck_assert(g_get_monotonic_time() < deadline_us);
    ck_assert_int_eq(fault_of(error), FAULT_STATE);
    ck_assert_msg(strstr(error->message, "was removed, replaced or overwritten") != NULL, "%s", error->message);
    revive(state, REVIVED_WRITTEN_AGAIN);
    ck_assert(add(state, "id-4", NULL));
    assert_in_place(state);
}
END_TEST

START_TEST(what_was_removed_just_before_the_end_is_written_again)
{
    g_autoptr(State) state = open_with_people();

    remove_part("");
    remove_part("-wal");
    remove_part("-shm");
    remove_part(".lock");
    g_clear_pointer(&state, state_close);
    state = open_state(STATE_OWN);
    ck_assert(knows(state, "id-1"));
    assert_in_place(state);
}
END_TEST

START_TEST(what_was_removed_waits_for_a_directory_that_can_be_written)
{
    g_autoptr(State) state = open_with_people();
    g_autofree char *away = g_strconcat(directory, ".away", NULL);

    remove_part("");
    ck_assert_int_eq(g_rename(directory, away), 0);
    assert_not_revived(state, "does not exist");
    ck_assert_int_eq(g_rename(away, directory), 0);
    revive(state, REVIVED_WRITTEN_AGAIN);
    assert_in_place(state);
}
END_TEST

START_TEST(a_file_that_was_away_for_a_while_is_used_as_if_nothing_had_been)
{
    g_autoptr(State) state = open_with_people();
    g_autofree char *away = g_strconcat(directory, ".away", NULL);
    StateRevival revival;

    ck_assert_int_eq(g_rename(directory, away), 0);
    ck_assert(!state_revive(state, &revival, NULL));
    ck_assert_int_eq(g_rename(away, directory), 0);
    revive(state, REVIVED_ITSELF);
    assert_in_place(state);
}
END_TEST

static void assert_garbage(void)
{
    g_autofree char *content = NULL;
    gsize len;

    ck_assert(g_file_get_contents(path, &content, &len, NULL));
    ck_assert_uint_eq(len, strlen(GARBAGE));
    ck_assert_mem_eq(content, GARBAGE, len);
    ck_assert(!is_there("-wal") && !is_there("-shm"));
}

START_TEST(garbage_in_its_place_is_left_alone_until_the_old_one_is_put_back)
{
    g_autoptr(State) state = open_with_people();

    move("", ".moved");
    ck_assert(g_file_set_contents(path, GARBAGE, -1, NULL));
    assert_not_revived(state, "not a database");
    assert_not_revived(state, "put that one back");
    assert_garbage();
    move(".moved", "");
    revive(state, REVIVED_OTHER);
    ck_assert(knows(state, "id-1"));
    assert_in_place(state);
}
END_TEST

START_TEST(garbage_in_its_place_stays_and_the_old_one_is_complete_when_kolabd_ends)
{
    g_autoptr(State) state = open_with_people();

    move("", ".moved");
    ck_assert(g_file_set_contents(path, GARBAGE, -1, NULL));
    if (_i == 1)
        assert_not_revived(state, "not a database");
    g_clear_pointer(&state, state_close);
    assert_garbage();
    move(".moved", "");
    state = open_state(STATE_OWN);
    assert_in_place(state);
}
END_TEST

/* Another state file, with somebody else, as a backup would be: PATH.other. */
static void make_other(void)
{
    g_autofree char *name = beside(".other");
    g_autoptr(State) other = state_open(name, STATE_OWN, NULL);

    ck_assert_ptr_nonnull(other);
    store(other, "id-other");
}

START_TEST(another_sane_file_in_its_place_is_taken_into_use_without_our_log)
{
    g_autoptr(State) state = open_with_people();

    make_other();
    move(".other", "");
    revive(state, REVIVED_OTHER);
    ck_assert(knows(state, "id-other") && !knows(state, "id-1"));
    assert_value("SELECT count(*) FROM change", "0");
    store(state, "id-5");
    assert_value("SELECT count(*) FROM entry", "2");
    g_clear_pointer(&state, state_close);
    assert_value("PRAGMA integrity_check", "ok");
    assert_value("SELECT count(*) FROM entry", "2");
}
END_TEST

START_TEST(the_log_of_the_old_file_is_not_left_for_the_next_start_beside_another)
{
    g_autoptr(State) state = open_with_people();

    make_other();
    move(".other", "");
    g_clear_pointer(&state, state_close);
    state = open_state(STATE_OWN);
    ck_assert(knows(state, "id-other") && !knows(state, "id-1"));
}
END_TEST

static void overwrite_with_garbage(void)
{
    write_in_place(GARBAGE, strlen(GARBAGE));
}

static void truncate_all(void)
{
    write_in_place("", 0);
}

static void overwrite_with_another_programs(void)
{
    g_autofree char *name = beside(".foreign");
    g_autofree char *content = NULL;
    gsize len;
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(name, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    ck_assert(g_file_get_contents(name, &content, &len, NULL));
    write_in_place(content, len);
}

static void cut_in_half(void)
{
    GStatBuf status;

    ck_assert_int_eq(g_stat(path, &status), 0);
    ck_assert_int_eq(truncate(path, status.st_size / 8192 * 4096), 0);
}

/* Not what tells what the file is, and which tables it has. */
static void damage(void)
{
    g_autofree char *page = look("SELECT rootpage FROM sqlite_schema WHERE name = 'journal'");
    g_autofree char *content = NULL;
    gsize len;

    ck_assert(g_file_get_contents(path, &content, &len, NULL));
    memset(content + (atoi(page) - 1) * 4096, 'x', 4096);
    write_in_place(content, len);
}

static const struct {
    void (*write)(void);
    const char *message;
} OVERWRITTEN[] = {
    {overwrite_with_garbage, "not a database"},
    {truncate_all, "is empty"},
    {overwrite_with_another_programs, "belongs to another program"},
    {cut_in_half, "state file"},
    {damage, "damaged"},
};

static void make_checkpoint(void)
{
    g_free(look("PRAGMA wal_checkpoint(TRUNCATE)"));
}

/* The log is in the way of none of them: all was written into the file at a checkpoint. */
static void checkpoint_all(State *state)
{
    make_checkpoint();
    revive(state, REVIVED_OTHER);
}

START_TEST(a_file_that_is_overwritten_is_left_alone_until_a_sane_one_is_copied_there)
{
    g_autoptr(State) state = open_with_people();
    g_autofree char *backup = NULL;
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    gsize len, before_len, after_len;

    checkpoint_all(state);
    ck_assert(g_file_get_contents(path, &backup, &len, NULL));
    OVERWRITTEN[_i].write();
    ck_assert(g_file_get_contents(path, &before, &before_len, NULL));
    assert_not_revived(state, OVERWRITTEN[_i].message);
    assert_not_revived(state, "wrote over it");
    ck_assert(g_file_get_contents(path, &after, &after_len, NULL));
    ck_assert(before_len == after_len && memcmp(before, after, before_len) == 0);
    ck_assert(!is_there("-wal") && !is_there("-shm"));
    write_in_place(backup, len);
    revive(state, REVIVED_OTHER);
    assert_in_place(state);
}
END_TEST

START_TEST(a_sane_copy_over_a_spoilt_file_is_taken_into_use)
{
    g_autoptr(State) state = open_with_people();
    g_autofree char *backup = NULL;
    gsize len;

    checkpoint_all(state);
    ck_assert(g_file_get_contents(path, &backup, &len, NULL));
    store(state, "id-later");
    overwrite_with_garbage();
    assert_not_revived(state, "not a database");
    write_in_place(backup, len);
    revive(state, REVIVED_OTHER);
    ck_assert(knows(state, "id-1") && !knows(state, "id-later"));
    assert_in_place(state);
}
END_TEST

START_TEST(a_spoilt_file_that_is_removed_is_not_written_again_as_it_was)
{
    g_autoptr(State) state = open_with_people();
    g_autofree char *backup = NULL;
    gsize len;

    checkpoint_all(state);
    ck_assert(g_file_get_contents(path, &backup, &len, NULL));
    overwrite_with_garbage();
    remove_part("");
    assert_not_revived(state, "damaged");
    ck_assert(!is_there("") && !is_there(".new"));
    ck_assert(g_file_set_contents(path, backup, (gssize)len, NULL));
    revive(state, REVIVED_OTHER);
    assert_in_place(state);
}
END_TEST

static void touch(void)
{
    ck_assert_int_eq(utimensat(AT_FDCWD, path, NULL, 0), 0);
}

static void vacuum(void)
{
    run_sql("VACUUM");
}

static const struct {
    void (*do_it)(void);
    StateRevival revival;
} HARMLESS[] = {
    {touch, REVIVED_OTHER},
    {make_checkpoint, REVIVED_OTHER},
    {vacuum, REVIVED_ITSELF}, /* what it writes is in the log */
};

START_TEST(what_does_no_harm_to_the_file_loses_nothing)
{
    g_autoptr(State) state = open_with_people();

    HARMLESS[_i].do_it();
    revive(state, HARMLESS[_i].revival);
    ck_assert(knows(state, "id-1"));
    assert_in_place(state);
    HARMLESS[_i].do_it();
    g_clear_pointer(&state, state_close);
    state = open_state(STATE_OWN);
    ck_assert(knows(state, "id-3"));
}
END_TEST

START_TEST(owner_and_permissions_do_not_matter_while_it_is_open)
{
    g_autoptr(State) state = open_with_people();

    g_chmod(path, 0);
    if (geteuid() == 0)
        ck_assert_int_eq(chown(path, 65534, 65534), 0);
    revive(state, REVIVED_ITSELF);
    ck_assert(add(state, "id-4", NULL));
    g_chmod(path, 0640);
    assert_in_place(state);
}
END_TEST

static off_t size_of(const char *suffix)
{
    g_autofree char *name = beside(suffix);
    GStatBuf status;

    ck_assert_int_eq(g_stat(name, &status), 0);
    return status.st_size;
}

START_TEST(our_own_checkpoints_are_nobodys_doing)
{
    g_autoptr(State) state = open_with_people();
    off_t before = size_of("");

    for (guint i = 0; i < 1500; i++) {
        g_autofree char *id = g_strdup_printf("id-%u", i);

        ck_assert(add(state, id, NULL));
    }
    ck_assert_int_gt(size_of(""), before);
    revive(state, REVIVED_ITSELF);
}
END_TEST

START_TEST(an_operators_word_stays_in_the_log)
{
    enum { FRAME_BYTES = 4096 + 24, NEARLY = 985 }; /* a checkpoint is made at 1000 pages */
    g_autoptr(State) state = open_with_people();
    g_autoptr(State) operator = NULL;
    off_t before = size_of("");
    guint count;

    for (guint i = 0; size_of("-wal") < (off_t)NEARLY * FRAME_BYTES; i++) {
        g_autofree char *id = g_strdup_printf("id-%u", i);

        ck_assert(add(state, id, NULL));
        if (i == 100)
            run_sql("UPDATE change SET attempts = 1");
    }
    operator = open_state(STATE_OPERATOR);
    ck_assert(queue_retry(operator, NULL, "root", &count, NULL));
    ck_assert_uint_gt(count, 100);
    g_clear_pointer(&operator, state_close);
    ck_assert_int_eq(size_of(""), before);
    revive(state, REVIVED_ITSELF);
}
END_TEST

START_TEST(why_it_cannot_be_used_is_told_to_other_processes_while_it_lasts)
{
    g_autoptr(State) state = open_with_people();
    g_autofree char *none = lock_read_note(path);
    g_autofree char *note = NULL;
    g_autofree char *later = NULL;
    g_autofree char *over = NULL;

    ck_assert_ptr_null(none);
    move("", ".moved");
    ck_assert(g_file_set_contents(path, GARBAGE, -1, NULL));
    assert_not_revived(state, "not a database");
    note = lock_read_note(path);
    ck_assert_msg(note != NULL && strstr(note, "Z state file ") != NULL && strstr(note, "not a database") != NULL, "%s", note);
    assert_not_revived(state, "not a database");
    later = lock_read_note(path);
    ck_assert_str_eq(note, later);
    move(".moved", "");
    revive(state, REVIVED_OTHER);
    over = lock_read_note(path);
    ck_assert_ptr_null(over);
}
END_TEST

static char *report(bool problems, bool json, guint *count)
{
    g_autoptr(State) reader = open_state(STATE_READ);
    GString *text = g_string_new(NULL);

    ck_assert(problems ? report_problems(reader, json, text, count, NULL) : report_status(reader, json, text, NULL));
    return g_string_free(text, FALSE);
}

START_TEST(a_reader_sees_the_outage_of_the_file_beside_others)
{
    g_autoptr(State) state = open_with_people();
    g_autofree char *status = NULL;
    g_autofree char *status_json = NULL;
    g_autofree char *problems = NULL;
    g_autofree char *problems_json = NULL;
    g_autofree char *over = NULL;
    g_autofree char *half_made = beside(".new");
    guint count;

    ck_assert(state_note_outage(state, "ldaps://ldap.example.org", "cannot be reached", NULL));
    remove_part("-shm");
    ck_assert(g_mkdir_with_parents(half_made, 0755) == 0);
    assert_not_revived(state, "cannot be made");
    status = report(false, false, NULL);
    status_json = report(false, true, NULL);
    problems = report(true, false, &count);
    ck_assert_uint_eq(count, 2);
    problems_json = report(true, true, &count);
    ck_assert_msg(strstr(status, "cannot be made") != NULL && strstr(status, "cannot be reached") != NULL, "%s", status);
    ck_assert_msg(strstr(status_json, "\"problems\":2") != NULL && strstr(status_json, "\"server\":\"state file /") != NULL, "%s",
                  status_json);
    ck_assert_msg(strstr(problems, "cannot be made") != NULL, "%s", problems);
    ck_assert_msg(strstr(problems_json, "cannot be made") != NULL, "%s", problems_json);
    ck_assert_int_eq(g_rmdir(half_made), 0);
    revive(state, REVIVED_WRITTEN_AGAIN);
    over = report(true, false, &count);
    ck_assert_uint_eq(count, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("revive");
    TCase *cases = tcase_create("file");

    tcase_add_checked_fixture(cases, make_directory, remove_directory);
    tcase_add_loop_test(cases, what_is_removed_is_written_again_with_all_that_it_had, 0, G_N_ELEMENTS(REMOVED));
    tcase_add_test(cases, a_removed_lock_alone_is_taken_again);
    tcase_add_test(cases, an_owner_that_lost_its_lock_to_another_one_waits_until_that_has_ended);
    tcase_add_test(cases, what_was_removed_is_seen_soon_and_nothing_is_done_before_it_is_written_again);
    tcase_add_test(cases, what_was_removed_just_before_the_end_is_written_again);
    tcase_add_test(cases, what_was_removed_waits_for_a_directory_that_can_be_written);
    tcase_add_test(cases, a_file_that_was_away_for_a_while_is_used_as_if_nothing_had_been);
    tcase_add_test(cases, garbage_in_its_place_is_left_alone_until_the_old_one_is_put_back);
    tcase_add_loop_test(cases, garbage_in_its_place_stays_and_the_old_one_is_complete_when_kolabd_ends, 0, 2);
    tcase_add_test(cases, another_sane_file_in_its_place_is_taken_into_use_without_our_log);
    tcase_add_test(cases, the_log_of_the_old_file_is_not_left_for_the_next_start_beside_another);
    tcase_add_loop_test(cases, a_file_that_is_overwritten_is_left_alone_until_a_sane_one_is_copied_there, 0, G_N_ELEMENTS(OVERWRITTEN));
    tcase_add_test(cases, a_sane_copy_over_a_spoilt_file_is_taken_into_use);
    tcase_add_test(cases, a_spoilt_file_that_is_removed_is_not_written_again_as_it_was);
    tcase_add_loop_test(cases, what_does_no_harm_to_the_file_loses_nothing, 0, G_N_ELEMENTS(HARMLESS));
    tcase_add_test(cases, owner_and_permissions_do_not_matter_while_it_is_open);
    tcase_add_test(cases, our_own_checkpoints_are_nobodys_doing);
    tcase_add_test(cases, an_operators_word_stays_in_the_log);
    tcase_add_test(cases, why_it_cannot_be_used_is_told_to_other_processes_while_it_lasts);
    tcase_add_test(cases, a_reader_sees_the_outage_of_the_file_beside_others);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
