#include "state/revive.h"

#include "model/fault.h"
#include "state/file.h"
#include "state/lock.h"
#include "state/outcome.h"
#include "state/schema.h"

#include <unistd.h>

/* Everybody waits for the lock meanwhile, and there will be another try. */
enum { BUSY_MS = 100 };

/* From here on it is `fresh` that is open. The one before is closed without writing its log into its file. */
static void exchange(State *state, State *fresh)
{
    sqlite3 *db = state->db;
    GHashTable *statements = state->statements;

    if (db != NULL)
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    state->db = fresh->db;
    state->statements = fresh->statements;
    fresh->db = db;
    fresh->statements = statements;
    database_settle(state);
    state->clock_us = 0;
}

/* Nobody else has what is in a file without a name. */
static bool write_again(State *state, GError **error)
{
    g_autoptr(State) fresh = database_new(state->path);

    if (state->db == NULL)
        return file_fail(state, "is not there, and the one before could not be used: put one there, or restart kolabd: a new one "
                                "compares every entry again", error);
    if (!file_make(fresh, file_fill_copy, state, error) || !file_open_own(fresh, error))
        return false;
    exchange(state, fresh);
    return true;
}

/* Whether the file can be used as it lies there; nothing is written. */
static bool examine(const State *state, GError **error)
{
    g_autoptr(State) candidate = database_new(state->path);
    bool absent;
    int version;

    if (!file_check(candidate, &absent, error))
        return false;
    return !absent ? file_open_reading(candidate, &version, error) && file_check_integrity(candidate, error)
                   : file_fail(candidate, "is not there", error);
}

/* Our log belongs to what we had open, not to what lies there now. A file that was moved away gets what the log has. */
static void leave(State *state, bool written)
{
    if (!written && state->db != NULL)
        sqlite3_wal_checkpoint_v2(state->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    place_remove_log(state->place);
    if (state->db == NULL)
        return;
    sqlite3_db_config(state->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (written)
        file_close(state);
}

/* Somebody who makes a checkpoint, or touches the file, writes into it too: then it and our log still are one. */
static bool fits_log(State *state)
{
    return state->db != NULL && place_has_log(state->place) && examine(state, NULL);
}

static bool take_other(State *state, bool written, GError **error)
{
    g_autoptr(State) fresh = database_new(state->path);

    if (!written || !fits_log(state)) {
        leave(state, written);
        if (!examine(state, error))
            return false;
    }
    if (!file_open_own(fresh, error))
        return false;
    exchange(state, fresh);
    return true;
}

/* It lies where it should: whatever failed may work now. */
static bool try_again(State *state, int failure, GError **error)
{
    if (failure == SQLITE_FULL) /* gives back the room of the log */
        sqlite3_wal_checkpoint_v2(state->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    place_settle(state->place);
    if ((failure == SQLITE_CORRUPT || failure == SQLITE_NOTADB || failure == SQLITE_IOERR) && !file_check_integrity(state, error))
        return false;
    return file_try_to_write(state, error);
}

/* The lock's file may have been removed with the others. */
static bool keep_lock(State *state, GError **error)
{
    int fd;

    if (lock_is_ours(state->path, state->lock_fd))
        return true;
    if (!lock_take(state->path, &fd, error))
        return false;
    close(state->lock_fd);
    state->lock_fd = fd;
    return true;
}

static bool mend(State *state, PlaceFinding finding, int failure, GError **error)
{
    if (!keep_lock(state, error))
        return false;
    switch (finding) {
    case PLACE_OURS:
        return try_again(state, failure, error);
    case PLACE_REMOVED:
        return write_again(state, error);
    case PLACE_WRITTEN:
    case PLACE_OTHER:
        return take_other(state, finding == PLACE_WRITTEN, error);
    }
    g_assert_not_reached();
}

static const char *explain(PlaceFinding finding)
{
    switch (finding) {
    case PLACE_OURS:
        return "";
    case PLACE_REMOVED:
        return " (it was removed while kolabd works with it; kolabd still has it open and writes it again as soon as it can: do not "
               "stop kolabd)";
    case PLACE_WRITTEN:
        return " (another program wrote over it while kolabd works with it; put back a copy)";
    case PLACE_OTHER:
        return " (it is not the file any more that kolabd works with; put that one back, or another one that can be used)";
    }
    g_assert_not_reached();
}

static StateRevival revival_of(PlaceFinding finding)
{
    switch (finding) {
    case PLACE_OURS:
        return REVIVED_ITSELF;
    case PLACE_REMOVED:
        return REVIVED_WRITTEN_AGAIN;
    case PLACE_WRITTEN:
    case PLACE_OTHER:
        return REVIVED_OTHER;
    }
    g_assert_not_reached();
}

static PlaceFinding look(const State *state)
{
    PlaceFinding finding = place_look(state->place);

    return finding == PLACE_OURS && state->db == NULL ? PLACE_OTHER : finding;
}

static bool try_to_mend(State *state, PlaceFinding finding, GError **error)
{
    bool mended;

    if (state->db != NULL)
        sqlite3_busy_timeout(state->db, BUSY_MS);
    state->reviving = true;
    mended = mend(state, finding, state->failure, error);
    state->reviving = false;
    if (state->db != NULL)
        sqlite3_busy_timeout(state->db, DATABASE_BUSY_MS);
    return mended;
}

bool state_revive(State *state, StateRevival *revival, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&state->lock);
    g_autoptr(GError) fault = NULL;
    g_autofree char *message = NULL;
    PlaceFinding finding;

    *revival = REVIVED_ITSELF;
    if (database_is_in_order(state))
        return true;
    finding = look(state);
    if (try_to_mend(state, finding, &fault)) {
        database_note_problem(state, SQLITE_OK, NULL);
        *revival = revival_of(finding);
        queue_rouse_locked(state); /* who waits could not see when a change is due */
        return true;
    }
    message = g_strconcat(fault->message, explain(finding), NULL);
    database_note_problem(state, state->failure, message);
    g_set_error_literal(error, FAULT, FAULT_STATE, message);
    return false;
}

/* Nobody is told any more: only what is certain is done. */
void revive_before_end(State *state)
{
    g_autoptr(GError) fault = NULL;

    if (state->place == NULL || state->db == NULL)
        return;
    state->reviving = true;
    switch (place_look(state->place)) {
    case PLACE_OURS:
        break;
    case PLACE_REMOVED:
        if (!keep_lock(state, &fault) || !write_again(state, &fault))
            g_critical("%s; it was removed, and what it held is lost", fault->message);
        break;
    case PLACE_WRITTEN:
        if (!fits_log(state))
            leave(state, true);
        break;
    case PLACE_OTHER:
        leave(state, false);
        break;
    }
}
