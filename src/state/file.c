#include "state/file.h"

#include "model/fault.h"
#include "state/lock.h"
#include "state/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

/* Readable to the group, so that operators in it can use kolabctl and sqlite3. */
enum { STATE_FILE_MODE = 0640 };

/* NORMAL: a power cut can take the last commits, never the file; the sweep finds those changes again. The limit shrinks
 * a write-ahead log that a long reader let grow. */
static const char OWNER_SETTINGS[] = "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864";

/* Nobody but the owner writes into the file itself (see place.h): an operator's commit stays in the log. */
static const char OPERATOR_SETTINGS[] = "PRAGMA wal_autocheckpoint = 0";

void file_close(State *state)
{
    g_hash_table_remove_all(state->statements);
    sqlite3_close(state->db);
    state->db = NULL;
}

/* Nobody asks SQLite how much memory it has, and to know that takes a lock at each allocation. Too late for a process that has used it
 * before, which does no harm. */
static void configure_once(void)
{
    static gsize done = 0;

    if (g_once_init_enter(&done)) {
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
        g_once_init_leave(&done, 1);
    }
}

/* `flags` as for sqlite3_open_v2; one lock of ours makes SQLite's own superfluous. */
static bool open_database(State *state, const char *name, int flags, GError **error)
{
    configure_once();
    file_close(state);
    if (sqlite3_open_v2(name, &state->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return database_fail(state, "open it", error);
    sqlite3_extended_result_codes(state->db, 1);
    sqlite3_busy_timeout(state->db, DATABASE_BUSY_MS);
    return true;
}

bool file_fail(const State *state, const char *why, GError **error)
{
    g_set_error(error, FAULT, FAULT_STOP, "state file %s %s", state->path, why);
    return false;
}

static bool fail_errno(const State *state, const char *what, GError **error)
{
    g_set_error(error, FAULT, FAULT_STOP, "state file %s %s: %s; check its owner and permissions and its directory's",
                state->path, what, g_strerror(errno));
    return false;
}

bool file_check(const State *state, bool *absent, GError **error)
{
    GStatBuf status;

    *absent = false;
    if (g_stat(state->path, &status) < 0 || euidaccess(state->path, R_OK) < 0) {
        if (errno == ENOENT) {
            *absent = true;
            return true;
        }
        return fail_errno(state, "cannot be read", error);
    }
    if (!S_ISREG(status.st_mode))
        return file_fail(state, "is no regular file", error);
    if (status.st_size == 0)
        return file_fail(state, "is empty: something truncated it; put back a copy, or remove it: a new one compares "
                                "every entry again", error);
    return true;
}

/* --- making */

bool file_fill_empty(State *state, const char *name, State *from G_GNUC_UNUSED, GError **error)
{
    return open_database(state, name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error)
        && schema_migrate(state, 0, error);
}

/* Copies all of one database into another. */
static bool copy(State *state, sqlite3 *from, GError **error)
{
    sqlite3_backup *backup = sqlite3_backup_init(state->db, "main", from, "main");
    int result = backup == NULL ? SQLITE_ERROR : sqlite3_backup_step(backup, -1);

    sqlite3_backup_finish(backup);
    return result == SQLITE_DONE || database_fail(state, "copy it", error);
}

bool file_fill_copy(State *state, const char *name, State *from, GError **error)
{
    int version;

    return open_database(state, name, SQLITE_OPEN_READWRITE, error) && copy(state, from->db, error)
        && schema_check(state, &version, error) && file_check_integrity(state, error);
}

static bool remove_left_overs(const State *state, const char *const *suffixes, GError **error)
{
    for (; *suffixes != NULL; suffixes++) {
        g_autofree char *left_over = g_strconcat(state->path, *suffixes, NULL);

        if (g_unlink(left_over) < 0 && errno != ENOENT)
            return fail_errno(state, "cannot be made: what an earlier one left beside it cannot be removed", error);
    }
    return true;
}

static bool make_empty_file(const State *state, const char *name, GError **error)
{
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, STATE_FILE_MODE);

    if (fd < 0)
        return fail_errno(state, "cannot be made", error);
    fchmod(fd, STATE_FILE_MODE); /* whatever the umask */
    close(fd);
    return true;
}

/* A power cut must not take the name back. */
static void sync_directory(const State *state)
{
    g_autofree char *directory = g_path_get_dirname(state->path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

bool file_make(State *state, FileFill fill, State *from, GError **error)
{
    static const char *const HALF_MADE[] = {".new", ".new-journal", ".new-wal", ".new-shm", NULL};
    static const char *const OF_ANOTHER[] = {"-wal", "-shm", "-journal", NULL};
    g_autofree char *name = g_strconcat(state->path, ".new", NULL);
    bool filled;

    if (!remove_left_overs(state, HALF_MADE, error) || !make_empty_file(state, name, error))
        return false;
    filled = fill(state, name, from, error);
    file_close(state);
    if (!filled) {
        remove_left_overs(state, HALF_MADE, NULL);
        return false;
    }
    /* The write-ahead log of a file that somebody removed would be replayed into the new one. */
    if (!remove_left_overs(state, OF_ANOTHER, error))
        return false;
    if (g_rename(name, state->path) < 0)
        return fail_errno(state, "cannot be made", error);
    sync_directory(state);
    return true;
}

/* --- opening */

/* Readers look at the file while the daemon writes only with a write-ahead log, which needs shared memory. */
static bool use_write_ahead_log(State *state, GError **error)
{
    g_autoptr(Query) query = query_begin(state, "PRAGMA journal_mode = WAL", error);
    g_autofree char *mode = NULL;
    bool row;

    if (query == NULL || !query_step(state, query, "set it up", &row, error))
        return false;
    mode = row ? query_text(query, 0) : NULL;
    return g_strcmp0(mode, "wal") == 0
        || file_fail(state, "is on a file system that cannot hold a write-ahead log; keep it on a local one", error);
}

/* It shows now, and not in the middle of work, whether somebody holds a lock or the disk is full; and it makes the log, by which
 * readers see that the file is in use. */
bool file_try_to_write(State *state, GError **error)
{
    g_autofree char *write = g_strdup_printf("PRAGMA user_version = %d", SCHEMA_VERSION);
    g_auto(Transaction) transaction = {0};

    return (state->lock_fd < 0 || lock_check_room(state->path, state->lock_fd, error))
        && transaction_begin(&transaction, state, error) && database_run(state, write, "write to it", error)
        && transaction_commit(&transaction, error);
}

bool file_open_own(State *state, GError **error)
{
    int version;

    if (!open_database(state, state->path, SQLITE_OPEN_READWRITE, error) || !schema_check(state, &version, error))
        return false;
    /* SQLite falls back to read-only by itself. */
    if (sqlite3_db_readonly(state->db, "main") == 1)
        return file_fail(state, "is read-only for this user; check its owner and permissions", error);
    return use_write_ahead_log(state, error) && database_run(state, OWNER_SETTINGS, "set it up", error)
        && schema_migrate(state, version, error) && file_try_to_write(state, error);
}

/* How to open the file without changing anything on the disk. While a write-ahead log is there, another process has the
 * file open or crashed: SQLite then needs its index, FILE-shm, and readonly_shm lets it look without writing there; on
 * the second try an absent index is made. Without a log nobody writes to the file itself. */
static char *reading_uri(const State *state, int attempt)
{
    g_autofree char *log = g_strconcat(state->path, "-wal", NULL);
    g_autofree char *escaped = g_uri_escape_string(state->path, "/", TRUE);

    if (!g_file_test(log, G_FILE_TEST_EXISTS))
        return g_strconcat("file:", escaped, "?mode=ro&immutable=1", NULL);
    return g_strconcat("file:", escaped, attempt == 0 ? "?mode=ro&readonly_shm=1" : "?mode=ro", NULL);
}

/* More than one try: a daemon that starts or ends meanwhile makes or removes the log. */
bool file_open_reading(State *state, int *version, GError **error)
{
    enum { ATTEMPTS = 3 };

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        g_autofree char *uri = reading_uri(state, attempt);

        g_clear_error(error);
        if (open_database(state, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, error)
            && schema_check(state, version, error))
            return true;
        if ((sqlite3_errcode(state->db) & 0xff) != SQLITE_CANTOPEN)
            return false;
    }
    return false;
}

bool file_open_operator(State *state, int *version, GError **error)
{
    if (!open_database(state, state->path, SQLITE_OPEN_READWRITE, error) || !schema_check(state, version, error))
        return false;
    if (sqlite3_db_readonly(state->db, "main") == 1)
        return file_fail(state, "cannot be written by this user; run kolabctl as the user of kolabd, or as root", error);
    return database_run(state, OPERATOR_SETTINGS, "set it up", error);
}

bool file_copy_to_memory(State *state, GError **error)
{
    sqlite3 *file;
    bool copied;

    g_hash_table_remove_all(state->statements);
    file = g_steal_pointer(&state->db);
    copied = open_database(state, ":memory:", SQLITE_OPEN_READWRITE, error) && copy(state, file, error);
    sqlite3_close(file);
    return copied;
}

bool file_check_integrity(State *state, GError **error)
{
    g_autoptr(Query) query = query_begin(state, "PRAGMA integrity_check(1)", error);
    g_autofree char *finding = NULL;
    bool row;

    if (query == NULL || !query_step(state, query, "check it", &row, error))
        return false;
    finding = row ? query_text(query, 0) : NULL;
    if (g_strcmp0(finding, "ok") == 0)
        return true;
    g_set_error(error, FAULT, FAULT_STOP, "state file %s is damaged (%s); put back a copy, or stop kolabd and move the file away: "
                "a new one compares every entry again", state->path, finding);
    return false;
}
