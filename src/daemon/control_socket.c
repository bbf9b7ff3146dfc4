#include "daemon/control_socket.h"

#include "model/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKET_MODE = 0600, BACKLOG = 16 };

static char *socket_path(const char *state_file)
{
    return g_strconcat(state_file, ".socket", NULL);
}

/* The address of a path; a long one goes through its directory, which is opened for that: *directory is closed by the caller
 * when it is not -1. False: errno says why not. */
static bool make_address(const char *path, struct sockaddr_un *address, int *directory)
{
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    int length;

    *directory = -1;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) < sizeof address->sun_path) {
        strcpy(address->sun_path, path);
        return true;
    }
    *directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*directory < 0)
        return false;
    length = g_snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", *directory, name);
    if (length < (int)sizeof address->sun_path)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

/* Runs bind(2) or connect(2). */
static int with_address(int fd, const char *path, int (*call)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_un address;
    int directory, saved_errno;
    int result = make_address(path, &address, &directory) ? call(fd, (const struct sockaddr *)&address, sizeof address) : -1;

    saved_errno = errno;
    if (directory >= 0)
        close(directory);
    errno = saved_errno;
    return result;
}

static bool fail(const char *path, const char *why, GError **error)
{
    g_set_error(error, FAULT, FAULT_STOP, "control socket %s: %s", path, why);
    return false;
}

/* Only what is a socket can be left over from a kolabd. */
static bool remove_stale(const char *path, GError **error)
{
    GStatBuf status;

    if (g_lstat(path, &status) < 0)
        return errno == ENOENT || fail(path, g_strerror(errno), error);
    if (!S_ISSOCK(status.st_mode))
        return fail(path, "something else has that name; remove it", error);
    return g_unlink(path) == 0 || fail(path, g_strerror(errno), error);
}

bool control_socket_listen(const char *state_file, int *fd, GError **error)
{
    g_autofree char *path = socket_path(state_file);
    int made;

    if (!remove_stale(path, error))
        return false;
    made = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Linux gives the file the mode of the socket, so that there is no moment with another one. */
    if (made >= 0 && fchmod(made, SOCKET_MODE) == 0 && with_address(made, path, bind) == 0 && listen(made, BACKLOG) == 0) {
        *fd = made;
        return true;
    }
    fail(path, g_strerror(errno), error);
    if (made >= 0)
        close(made);
    return false;
}

void control_socket_remove(const char *state_file)
{
    g_autofree char *path = socket_path(state_file);

    g_unlink(path);
}

int control_socket_connect(const char *state_file, int *pid)
{
    g_autofree char *path = socket_path(state_file);
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    int saved_errno, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (with_address(fd, path, connect) == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
        *pid = peer.pid;
        return fd;
    }
    saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}
