#include "state/state.h"

#include "model/fault.h"
#include "state/lock.h"
#include "state/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* Readable to the group, so that operators in it can use kolabctl and sqlite3. */
enum { STATE_FILE_MODE = 0640 };

/* Somebody's sqlite3 shell may hold the lock for a moment; for longer is a mistake that must be seen. */
enum { BUSY_TIMEOUT_MS = 10000 };

/* NORMAL: a power cut can take the last commits, never the file; the sweep finds those changes again. The limit shrinks
 * a write-ahead log that a long reader let grow. */
static const char OWNER_SETTINGS[] = "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864";

static void free_statement(gpointer statement)
{
    sqlite3_finalize(statement);
}

static State *state_new(const char *path)
{
    State *state = g_new0(State, 1);

    state->path = g_strdup(path);
    state->lock_fd = -1;
    state->statements = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, free_statement);
    state->leased = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    state->groups = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    g_mutex_init(&state->lock);
    g_cond_init(&state->changed);
    return state;
}

static void close_database(State *state)
{
    g_hash_table_remove_all(state->statements);
    sqlite3_close(state->db);
    state->db = NULL;
}

void state_close(State *state)
{
    if (state == NULL)
        return;
    close_database(state);
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    g_hash_table_unref(state->statements);
    g_hash_table_unref(state->leased);
    g_hash_table_unref(state->groups);
    g_cond_clear(&state->changed);
    g_mutex_clear(&state->lock);
    g_free(state->path);
    g_free(state);
}

/* `flags` as for sqlite3_open_v2; one lock of ours makes SQLite's own superfluous. */
static bool open_database(State *state, const char *name, int flags, GError **error)
{
    close_database(state);
    if (sqlite3_open_v2(name, &state->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return database_fail(state, "open it", error);
    sqlite3_extended_result_codes(state->db, 1);
    sqlite3_busy_timeout(state->db, BUSY_TIMEOUT_MS);
    return true;
}

static bool fail_file(const State *state, const char *why, GError **error)
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

/* A file that is there must be ours: only an absent one is made. */
static bool check_file(const State *state, bool *absent, GError **error)
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
        return fail_file(state, "is no regular file", error);
    if (status.st_size == 0)
        return fail_file(state, "is empty: something truncated it; put back a copy, or remove it: a new one compares "
                                "every entry again", error);
    return true;
}

static bool make_tables(State *state, const char *name, GError **error)
{
    return open_database(state, name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error)
        && schema_migrate(state, 0, error);
}

/* Makes the file complete under another name, so that a crash here leaves either no state file or a whole one. */
static bool create_file(State *state, GError **error)
{
    static const char *const LEFT_OVERS[] = {"-wal", "-shm", "-journal", ".new", ".new-journal"};
    g_autofree char *name = g_strconcat(state->path, ".new", NULL);
    int fd;

    /* The write-ahead log of a file that somebody removed would be replayed into the new one. */
    for (guint i = 0; i < G_N_ELEMENTS(LEFT_OVERS); i++) {
        g_autofree char *left_over = g_strconcat(state->path, LEFT_OVERS[i], NULL);

        if (g_unlink(left_over) < 0 && errno != ENOENT)
            return fail_errno(state, "cannot be made: what an earlier one left beside it cannot be removed", error);
    }
    fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, STATE_FILE_MODE);
    if (fd < 0)
        return fail_errno(state, "cannot be made", error);
    fchmod(fd, STATE_FILE_MODE); /* whatever the umask */
    close(fd);
    if (!make_tables(state, name, error))
        return false;
    close_database(state);
    if (g_rename(name, state->path) < 0)
        return fail_errno(state, "cannot be made", error);
    return true;
}

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
        || fail_file(state, "is on a file system that cannot hold a write-ahead log; keep it on a local one", error);
}

/* A lock that somebody holds shows now and not in the middle of work; and it makes the log, by which readers see that
 * the file is in use. */
static bool try_to_write(State *state, GError **error)
{
    g_auto(Transaction) transaction = {0};

    return transaction_begin(&transaction, state, error) && transaction_commit(&transaction, error);
}

static bool open_own(State *state, GError **error)
{
    bool absent;
    int version;

    if (!lock_take(state->path, &state->lock_fd, error) || !check_file(state, &absent, error)
        || (absent && !create_file(state, error))
        || !open_database(state, state->path, SQLITE_OPEN_READWRITE, error) || !schema_check(state, &version, error))
        return false;
    /* SQLite falls back to read-only by itself. */
    if (sqlite3_db_readonly(state->db, "main") == 1)
        return fail_file(state, "is read-only for this user; check its owner and permissions", error);
    return use_write_ahead_log(state, error) && database_run(state, OWNER_SETTINGS, "set it up", error)
        && try_to_write(state, error) && schema_migrate(state, version, error);
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
static bool open_reading(State *state, int *version, GError **error)
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

/* kolabctl makes no state file. */
static bool check_file_exists(const State *state, GError **error)
{
    bool absent;

    return check_file(state, &absent, error)
        && (!absent || fail_file(state, "does not exist: kolabd has not run yet, or keeps it elsewhere (--state FILE)", error));
}

static bool check_current(const State *state, int version, GError **error)
{
    return version == SCHEMA_VERSION
        || fail_file(state, "has the tables of an older kolabd; start kolabd once, which migrates it", error);
}

static bool open_read(State *state, GError **error)
{
    int version;

    return check_file_exists(state, error) && open_reading(state, &version, error) && check_current(state, version, error);
}

/* SQLite lets several processes write; a daemon's transactions are short. */
static bool open_operator(State *state, GError **error)
{
    int version;

    if (!check_file_exists(state, error) || !open_database(state, state->path, SQLITE_OPEN_READWRITE, error)
        || !schema_check(state, &version, error) || !check_current(state, version, error))
        return false;
    return sqlite3_db_readonly(state->db, "main") != 1
        || fail_file(state, "cannot be written by this user; run kolabctl as the user of kolabd, or as root", error);
}

/* Copies the whole database into memory and makes that the state's. */
static bool copy_to_memory(State *state, GError **error)
{
    sqlite3 *file = g_steal_pointer(&state->db);
    sqlite3_backup *copy;
    int result;

    if (!open_database(state, ":memory:", SQLITE_OPEN_READWRITE, error)) {
        sqlite3_close(file);
        return false;
    }
    copy = sqlite3_backup_init(state->db, "main", file, "main");
    result = copy == NULL ? SQLITE_ERROR : sqlite3_backup_step(copy, -1);
    sqlite3_backup_finish(copy);
    sqlite3_close(file);
    return result == SQLITE_DONE || database_fail(state, "copy it into memory", error);
}

static bool open_scratch(State *state, GError **error)
{
    bool absent;
    int version;

    if (!check_file(state, &absent, error))
        return false;
    if (absent)
        return make_tables(state, ":memory:", error);
    if (!open_reading(state, &version, error))
        return false;
    g_hash_table_remove_all(state->statements);
    return copy_to_memory(state, error) && schema_migrate(state, version, error);
}

static bool open_in_mode(State *state, StateMode mode, GError **error)
{
    switch (mode) {
    case STATE_OWN:
        return open_own(state, error);
    case STATE_SCRATCH:
        return open_scratch(state, error);
    case STATE_READ:
        return open_read(state, error);
    case STATE_OPERATOR:
        return open_operator(state, error);
    }
    g_assert_not_reached();
}

State *state_open(const char *path, StateMode mode, GError **error)
{
    g_autoptr(State) state = state_new(path);

    return open_in_mode(state, mode, error) ? g_steal_pointer(&state) : NULL;
}
