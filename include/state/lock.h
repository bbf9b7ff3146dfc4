/* lock.h - the lock beside the state file that lets only one process own it. Private to src/state, and for kolabctl.
 *
 * An open file description lock (fcntl(2), F_OFD_SETLK) on FILE.lock: the kernel drops it with the process, however that
 * ends. The file stays, and holds the owner's process id for people. */
#pragma once

#include <glib.h>

/* Takes the lock of the state file at `path`: *fd is closed by the caller to give it back.
 * FAULT_STOP: somebody has it (the message names the process), or the directory cannot be written. */
bool lock_take(const char *path, int *fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef enum {
    LOCK_FREE,
    LOCK_HELD,
    LOCK_UNKNOWN, /* the lock's file cannot be read */
} LockStatus;

/* Whether some process owns the state file; looks without touching the lock. */
LockStatus lock_look(const char *path);
