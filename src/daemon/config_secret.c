#include "daemon/config_secret.h"

#include "daemon/config_schema.h"
#include "model/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longer than any server takes. */
enum { SECRET_MAX = 1024 };

static bool refuse(GError **error, const char *problem)
{
    g_set_error_literal(error, FAULT, FAULT_STOP, problem);
    return false;
}

static char *find_file(const char *name, const char *credentials_directory, GError **error)
{
    if (g_path_is_absolute(name))
        return g_strdup(name);
    if (*name == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        refuse(error, "want an absolute path, or the bare name of a credential");
    else if (credentials_directory == NULL)
        refuse(
            error,
            "a bare name is a credential, but $CREDENTIALS_DIRECTORY is not set; want an absolute path, or "
            "LoadCredential= in the unit");
    else
        return g_build_filename(credentials_directory, name, NULL);
    return NULL;
}

static bool check_file(int fd, GError **error)
{
    struct stat status;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return refuse(error, "the file is no regular file");
    if ((status.st_mode & S_IRWXO) != 0)
        return refuse(error, "the file is open to everybody; chmod o= it");
    return true;
}

static bool take_line(const char *text, gsize len, char **secret, GError **error)
{
    const char *newline = memchr(text, '\n', len);
    gsize line_len = newline ? (gsize)(newline - text) : len;

    if (line_len == 0)
        return refuse(error, "the first line of the file is empty");
    if (line_len > SECRET_MAX)
        return refuse(error, "the first line of the file is too long");
    for (gsize i = 0; i < line_len; i++)
        if (g_ascii_iscntrl(text[i]))
            return refuse(error, "the first line of the file has a control character (Windows line ends?)");
    *secret = g_strndup(text, line_len);
    return true;
}

static bool read_line(int fd, char **secret, GError **error)
{
    char text[SECRET_MAX + 1]; /* and the newline */
    gsize len = 0;
    gssize n;
    bool good;

    while (len < sizeof text && (n = read(fd, text + len, sizeof text - len)) != 0) {
        if (n < 0)
            return refuse(error, "the file cannot be read");
        len += (gsize)n;
    }
    good = take_line(text, len, secret, error);
    explicit_bzero(text, sizeof text);
    return good;
}

bool config_secret_read(const char *name, const char *credentials_directory, char **secret, GError **error)
{
    g_autofree char *path = find_file(name, credentials_directory, error);
    bool good;
    int fd;

    if (path == NULL)
        return false;
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        g_set_error(error, FAULT, FAULT_STOP, "the file cannot be opened: %s", g_strerror(errno));
        return false;
    }
    good = check_file(fd, error) && read_line(fd, secret, error);
    g_close(fd, NULL);
    return good;
}

static void read_secret(const Reading *reading, const Setting *setting, const ConfigNode *node,
                        gpointer field)
{
    g_autoptr(GError) error = NULL;
    char *secret = NULL;

    if (!reading->read_files)
        secret = g_strdup("");
    else if (!config_secret_read(node->text, g_getenv("CREDENTIALS_DIRECTORY"), &secret, &error)) {
        config_setting_refuse(reading, setting, node, error->message);
        return;
    }
    g_free(*(char **)field);
    *(char **)field = secret;
}

const SettingType type_secret = {"the path of a file that holds a password, or the name of a credential",
                                 CONFIG_TEXT, STORE_TEXT, .read = read_secret};
