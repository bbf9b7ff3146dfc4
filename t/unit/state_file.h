/* state_file.h - a state file in a directory of its own, for one test: the fixture of all unit tests that need one. */
#pragma once

#include "state/state.h"

#include <check.h>
#include <glib/gstdio.h>
#include <sqlite3.h>

static char *directory;
static char *path; /* of the state file; there is none yet */

static inline void make_directory(void)
{
    directory = g_dir_make_tmp("check_state.XXXXXX", NULL);
    ck_assert_ptr_nonnull(directory);
    path = g_build_filename(directory, "state.db", NULL);
}

static inline void remove_directory(void)
{
    g_autoptr(GDir) files = g_dir_open(directory, 0, NULL);

    for (const char *name; (name = g_dir_read_name(files)) != NULL;) {
        g_autofree char *file = g_build_filename(directory, name, NULL);

        g_unlink(file);
    }
    g_rmdir(directory);
    g_clear_pointer(&directory, g_free);
    g_clear_pointer(&path, g_free);
}

static inline State *open_state(StateMode mode)
{
    g_autoptr(GError) error = NULL;
    State *state = state_open(path, mode, &error);

    ck_assert_msg(state != NULL, "%s", error != NULL ? error->message : "?");
    return state;
}

/* Runs SQL on the file as the sqlite3 shell would. */
static inline void run_sql(const char *sql)
{
    sqlite3 *db;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* One value from the file, by another connection; owned by the caller. NULL: no row, or NULL in it. */
static inline char *look(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *query;
    char *value;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    value = sqlite3_step(query) == SQLITE_ROW ? g_strdup((const char *)sqlite3_column_text(query, 0)) : NULL;
    sqlite3_finalize(query);
    sqlite3_close(db);
    return value;
}

static inline void assert_value(const char *sql, const char *expected)
{
    g_autofree char *value = look(sql);

    ck_assert_msg(g_strcmp0(value, expected) == 0, "%s: %s", sql, value);
}
