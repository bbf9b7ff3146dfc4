/* lock.h - the lock beside the state file that lets only one process own it. Private to src/state, and for kolabctl.
 *
 * An open file description lock (fcntl(2), F_OFD_SETLK) on FILE.lock: the kernel drops it with the process, however that
 * ends. The file stays, and holds the owner's process id, and why the owner cannot use the state file, if so: in blocks that it
 * has already, because a full disk is such a reason. */
#pragma once

#include <glib.h>

/* Takes the lock of the state file at `path`: *fd is closed by the caller to give it back.
 * FAULT_STOP: somebody has it (the message names the process), or the directory cannot be written. */
bool lock_take(const char *path, int *fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether that lock's file is still the one at its path: without, a second owner would find nothing that is locked. */
bool lock_is_ours(const char *path, int fd);
/* Tells other processes why the state file cannot be used, and since when; NULL: it can. fd -1: nobody. */
void lock_note(int fd, const char *since, const char *problem);
/* What the owner told so, "SINCE MESSAGE", owned by the caller; NULL: nothing, or there is no owner. */
char *lock_read_note(const char *path);
/* Some room is left on the file system. FAULT_STATE: there is not. */
bool lock_check_room(const char *path, int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef enum {
    LOCK_FREE,
    LOCK_HELD,
    LOCK_UNKNOWN, /* the lock's file cannot be read */
} LockStatus;

/* Whether some process owns the state file; looks without touching the lock. */
LockStatus lock_look(const char *path);
