#include "state/lock.h"

#include "model/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_FILE_MODE = 0640 };
/* The file's size: one block, filled up with blanks. */
enum { LOCK_BYTES = 4096 };
/* So much must be free before work goes on after the disk was full: enough for the outcomes of many entries. Less would be used up
 * at once, and the disk be full again. */
enum { ROOM_BYTES = 1 << 20 };

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
    else if (problem == ENOSPC || problem == EDQUOT || problem == EROFS)
        g_set_error(error, FAULT, FAULT_STOP, "state directory %s: cannot write %s.lock: %s; %s", directory, path, g_strerror(problem),
                    problem == EROFS ? "mount its file system for writing" : "free space on its file system");
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
    if (pread(fd, holder, sizeof holder - 1, 0) > 0) {
        holder[strcspn(holder, "\n")] = '\0';
        g_ascii_string_to_unsigned(holder, 10, 1, G_MAXINT32, &pid, NULL);
    }
    if (pid != 0)
        g_set_error(error, FAULT, FAULT_STOP,
                    "state file %s is in use by another kolabd, process %d; stop that one first", path, (int)pid);
    else
        g_set_error(error, FAULT, FAULT_STOP,
                    "state file %s is in use by another kolabd; stop that one first (fuser %s.lock names it)", path,
                    path);
    return false;
}

/* For people and kolabctl only: the lock is the kernel's, so a failure here is none. */
void lock_note(int fd, const char *since, const char *problem)
{
    char text[LOCK_BYTES + 1];
    int len;

    if (fd < 0)
        return;
    len = problem == NULL ? g_snprintf(text, LOCK_BYTES, "%d\n", (int)getpid())
                          : g_snprintf(text, LOCK_BYTES, "%d\n%s %s\n", (int)getpid(), since, problem);
    len = MIN(len, LOCK_BYTES - 1);
    memset(text + len, ' ', (size_t)(LOCK_BYTES - len));
    text[LOCK_BYTES - 1] = '\n';
    if (fchmod(fd, LOCK_FILE_MODE) < 0 || pwrite(fd, text, LOCK_BYTES, 0) < 0 || ftruncate(fd, LOCK_BYTES) < 0)
        g_debug("cannot write into the lock's file: %s", g_strerror(errno));
}

char *lock_read_note(const char *path)
{
    g_autofree char *name = lock_path(path);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (lock_look(path) != LOCK_HELD || !g_file_get_contents(name, &text, NULL, NULL))
        return NULL;
    lines = g_strsplit(text, "\n", 3);
    if (g_strv_length(lines) < 2 || *g_strchomp(lines[1]) == '\0')
        return NULL;
    return g_utf8_make_valid(lines[1], -1);
}

bool lock_is_ours(const char *path, int fd)
{
    g_autofree char *name = lock_path(path);
    struct stat ours, there;

    if (stat(name, &there) < 0)
        return errno != ENOENT && errno != ENOTDIR;
    return fstat(fd, &ours) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* Tried, and not asked: quotas and reserved blocks have many forms. A file system that cannot reserve tells nothing. */
bool lock_check_room(const char *path, int fd, GError **error)
{
    int problem = fallocate(fd, 0, LOCK_BYTES, ROOM_BYTES) == 0 ? 0 : errno;

    if (ftruncate(fd, LOCK_BYTES) < 0)
        g_debug("cannot cut the lock's file: %s", g_strerror(errno));
    if (problem != ENOSPC && problem != EDQUOT)
        return true;
    g_set_error(error, FAULT, FAULT_STATE, "state file %s: less than 1 MiB is left on its file system: %s; free space there", path,
                g_strerror(problem));
    return false;
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
    lock_note(opened, NULL, NULL);
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
