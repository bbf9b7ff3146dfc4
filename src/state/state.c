#include "state/state.h"

#include "model/fault.h"
#include "state/file.h"
#include "state/lock.h"
#include "state/outcome.h"
#include "state/revive.h"
#include "state/schema.h"
#include "state/told.h"

#include <glib/gstdio.h>
#include <unistd.h>

static void free_statement(gpointer statement)
{
    sqlite3_finalize(statement);
}

State *database_new(const char *path)
{
    State *state = g_new0(State, 1);

    state->path = g_strdup(path);
    state->lock_fd = -1;
    state->statements = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, free_statement);
    state->leased = lease_table_new();
    state->slow = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    state->groups = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    g_mutex_init(&state->lock);
    g_cond_init(&state->changed);
    return state;
}

void state_close(State *state)
{
    if (state == NULL)
        return;
    revive_before_end(state);
    file_close(state);
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    place_free(state->place);
    g_free(state->problem);
    g_free(state->since);
    g_hash_table_unref(state->statements);
    g_hash_table_unref(state->leased);
    g_hash_table_unref(state->slow);
    g_hash_table_unref(state->groups);
    g_cond_clear(&state->changed);
    g_mutex_clear(&state->lock);
    g_free(state->path);
    g_free(state);
}

static bool open_own(State *state, GError **error)
{
    bool absent;

    if (!lock_take(state->path, &state->lock_fd, error) || !file_check(state, &absent, error)
        || (absent && !file_make(state, file_fill_empty, NULL, error)) || !file_open_own(state, error))
        return false;
    database_settle(state);
    return true;
}

/* kolabctl makes no state file. */
static bool check_exists(const State *state, GError **error)
{
    bool absent;

    return file_check(state, &absent, error)
        && (!absent || file_fail(state, "does not exist: kolabd has not run yet, or keeps it elsewhere (--state FILE)", error));
}

static bool check_current(const State *state, int version, GError **error)
{
    return version == SCHEMA_VERSION
        || file_fail(state, "has the tables of an older kolabd; start kolabd once, which migrates it", error);
}

static bool open_read(State *state, GError **error)
{
    int version;

    return check_exists(state, error) && file_open_reading(state, &version, error) && check_current(state, version, error)
        && told_show(state, error);
}

/* SQLite lets several processes write; a daemon's transactions are short. */
static bool open_operator(State *state, GError **error)
{
    int version;

    return check_exists(state, error) && file_open_operator(state, &version, error) && check_current(state, version, error);
}

static bool open_scratch(State *state, GError **error)
{
    bool absent;
    int version;

    if (!file_check(state, &absent, error))
        return false;
    if (absent)
        return file_fill_empty(state, ":memory:", NULL, error);
    return file_open_reading(state, &version, error) && file_copy_to_memory(state, error)
        && schema_migrate(state, version, error);
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

/* The write-ahead log beside the file is newer after a crash. */
static gint64 find_written_us(const State *state)
{
    g_autofree char *log = g_strconcat(state->path, "-wal", NULL);
    const char *const names[] = {state->path, log};
    gint64 written_us = 0;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        GStatBuf status;

        if (g_stat(names[i], &status) == 0)
            written_us = MAX(written_us, status.st_mtim.tv_sec * (gint64)G_USEC_PER_SEC + status.st_mtim.tv_nsec / 1000);
    }
    return written_us;
}

gint64 state_last_written_us(const State *state)
{
    return state->written_us;
}

State *state_open(const char *path, StateMode mode, GError **error)
{
    g_autoptr(State) state = database_new(path);
    g_autoptr(GError) fault = NULL;

    state->written_us = find_written_us(state);
    if (open_in_mode(state, mode, &fault))
        return g_steal_pointer(&state);
    /* Nobody works with it so far: what might be over later is to be mended first. */
    fault->code = FAULT_STOP;
    g_propagate_error(error, g_steal_pointer(&fault));
    return NULL;
}
