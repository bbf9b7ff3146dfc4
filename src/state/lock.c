#include "state/lock.h"

#include "model/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_FILE_MODE = 0640 };

static char *lock_path(const char *path)
{
    return g_strconcat(path, ".lock", NULL);
}

/* Why a file cannot be made beside the state file: the directory is absent or not ours. */
static bool fail_directory(const char *path, int problem, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    const char *user = g_get_user_name();

    if (problem == ENOENT)
        g_set_error(error, FAULT, FAULT_STOP,
                    "state directory %s does not exist; create it for the user that runs kolabd: "
                    "install -d -o %s -m 750 %s",
                    directory, user, directory);
    else
        g_set_error(error, FAULT, FAULT_STOP,
                    "state directory %s: cannot write %s.lock as %s: %s; give it to that user: chown -R %s %s",
                    directory, path, user, g_strerror(problem), user, directory);
    return false;
}

static bool fail_locked(const char *path, int fd, int problem, GError **error)
{
    char holder[32] = "";
    guint64 pid = 0;

    if (problem != EAGAIN && problem != EACCES) {
        g_set_error(error, FAULT, FAULT_STOP, "state file %s: cannot lock %s.lock: %s; keep it on a local file system",
                    path, path, g_strerror(problem));
        return false;
    }
    if (pread(fd, holder, sizeof holder - 1, 0) > 0
        && g_ascii_string_to_unsigned(g_strchomp(holder), 10, 1, G_MAXINT32, &pid, NULL))
        g_set_error(error, FAULT, FAULT_STOP,
                    "state file %s is in use by another kolabd, process %d; stop that one first", path, (int)pid);
    else
        g_set_error(error, FAULT, FAULT_STOP,
                    "state file %s is in use by another kolabd; stop that one first (fuser %s.lock names it)", path,
                    path);
    return false;
}

/* For people and kolabctl only: the lock is the kernel's, so a failure here is none. */
static void describe_holder(int fd)
{
    g_autofree char *pid = g_strdup_printf("%d\n", (int)getpid());

    if (fchmod(fd, LOCK_FILE_MODE) < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0)
        g_debug("cannot note the process id in the lock file: %s", g_strerror(errno));
}

bool lock_take(const char *path, int *fd, GError **error)
{
    g_autofree char *name = lock_path(path);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int opened = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_FILE_MODE);

    if (opened < 0)
        return fail_directory(path, errno, error);
    if (fcntl(opened, F_OFD_SETLK, &whole) < 0) {
        fail_locked(path, opened, errno, error);
        close(opened);
        return false;
    }
    describe_holder(opened);
    *fd = opened;
    return true;
}

LockStatus lock_look(const char *path)
{
    g_autofree char *name = lock_path(path);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int opened = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int looked;

    if (opened < 0)
        return errno == ENOENT ? LOCK_FREE : LOCK_UNKNOWN;
    looked = fcntl(opened, F_OFD_GETLK, &whole);
    close(opened);
    if (looked < 0)
        return LOCK_UNKNOWN;
    return whole.l_type == F_UNLCK ? LOCK_FREE : LOCK_HELD;
}
