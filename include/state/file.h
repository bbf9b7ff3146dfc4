/* file.h - the state's file: checking, making, opening, copying it. Private to src/state.
 *
 * All errors say what the operator can do. Called before the state is shared, or with its lock held. */
#pragma once

#include "state/database.h"

/* Of the file at the state's path that is there: it must be ours; only an absent one may be made. */
bool file_check(const State *state, bool *absent, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Fills an empty file `name` by way of the state's connection, which is none yet. */
typedef bool (*FileFill)(State *state, const char *name, State *from, GError **error);
/* Makes the file complete under another name and gives it its own then, so that a crash leaves either none or a whole one. What
 * an earlier one left beside it is removed. The connection is closed again. */
bool file_make(State *state, FileFill fill, State *from, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* An empty state: the tables. `from` is not looked at. Also in memory (":memory:"), which stays open. */
bool file_fill_empty(State *state, const char *name, State *from, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* All that another state has, checked. */
bool file_fill_copy(State *state, const char *name, State *from, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Opens an existing file to own it: write-ahead log, migration, a first write. */
bool file_open_own(State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Opens it, changing nothing on the disk. */
bool file_open_reading(State *state, int *version, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Opens it to write beside its owner. */
bool file_open_operator(State *state, int *version, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Copies the whole database into memory and makes that the state's. */
bool file_copy_to_memory(State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void file_close(State *state);

/* Reads all of it: no page and no index is damaged. */
bool file_check_integrity(State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A write that changes nothing, with some room to spare: what comes next can be written too. */
bool file_try_to_write(State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "state file F WHY". Returns false. */
bool file_fail(const State *state, const char *why, GError **error);
