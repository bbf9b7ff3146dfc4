/* place.h - what lies where the open state file should be: it, nothing, or something else. Private to src/state.
 *
 * An open file stays what it is when its name is removed or given to another one; a crash would lose it then. Four looks at
 * inodes, no reading: cheap enough for every few statements. What cannot be looked at (a directory whose permissions were
 * changed) counts as unchanged: an open file does not mind. */
#pragma once

#include <glib.h>
#include <sqlite3.h>

typedef struct Place Place;

typedef enum {
    PLACE_OURS,
    PLACE_REMOVED, /* it, its log or the log's index: only who has it open still has all of it */
    PLACE_WRITTEN, /* it is there, but somebody else wrote into it */
    PLACE_OTHER,   /* another file */
} PlaceFinding;

/* Remembers what lies there now: the database of `path` is open in `db`, and has a write-ahead log. */
Place *place_new(const char *path, sqlite3 *db);
void place_free(Place *place);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Place, place_free)

PlaceFinding place_look(const Place *place);
/* We have just written into the file: what it is now is right. */
void place_settle(Place *place);
/* Its log and the index of that are there. */
bool place_has_log(const Place *place);
/* Removes them, if they are: beside another file they would be taken for that one's. */
void place_remove_log(const Place *place);
