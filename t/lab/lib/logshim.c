/* logshim.c - preloaded into a throw-away Cyrus server, which knows neither of a log file nor of a disk that need not last.
 *
 * LAB_SYSLOG=FILE   syslog() of all its processes goes to that file
 * LAB_SYNC=1        fsync() and its relatives work; else they do nothing
 * LAB_FIX_4611=1    SETMETADATA on a shared mailbox works. Cyrus 3.6.1 as Debian 12 ships it dies there of an assertion
 *                   (github.com/cyrusimap/cyrus-imapd/issues/4611) */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };

void __syslog_chk(int priority, int flag, const char *format, ...);
void __vsyslog_chk(int priority, int flag, const char *format, va_list arguments);
int user_isnamespacelocked(const char *userid);

static char program[64];

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value && strcmp(value, "1") == 0;
}

/* One write a line: many processes append to the file. */
static void append(const char *line, size_t length)
{
    const char *path = getenv("LAB_SYSLOG");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;

    if (fd < 0)
        return;
    if (write(fd, line, length) < 0) {
        /* nowhere to tell it */
    }
    close(fd);
}

static void log_line(int priority, const char *format, va_list arguments)
{
    int saved_errno = errno;
    char line[LINE_BYTES];
    struct timeval now;
    struct tm local;
    int length;

    gettimeofday(&now, NULL);
    localtime_r(&now.tv_sec, &local);
    length = snprintf(line, sizeof line, "%02d:%02d:%02d.%06ld %s[%d] <%d> ", local.tm_hour, local.tm_min, local.tm_sec,
                      (long)now.tv_usec, program, (int)getpid(), LOG_PRI(priority));
    errno = saved_errno; /* for %m */
    length += vsnprintf(line + length, sizeof line - (size_t)length - 1, format, arguments);
    if (length > (int)sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length++] = '\n';
    append(line, (size_t)length);
    errno = saved_errno;
}

void openlog(const char *ident, int option, int facility)
{
    (void)option, (void)facility;
    if (ident)
        snprintf(program, sizeof program, "%s", ident);
}

void closelog(void)
{
}

int setlogmask(int mask)
{
    return mask;
}

void vsyslog(int priority, const char *format, va_list arguments)
{
    log_line(priority, format, arguments);
}

void syslog(int priority, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(priority, format, arguments);
    va_end(arguments);
}

void __vsyslog_chk(int priority, int flag, const char *format, va_list arguments)
{
    (void)flag;
    log_line(priority, format, arguments);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list arguments;

    (void)flag;
    va_start(arguments, format);
    log_line(priority, format, arguments);
    va_end(arguments);
}

int fsync(int fd)
{
    return is_set("LAB_SYNC") ? (int)syscall(SYS_fsync, fd) : 0;
}

int fdatasync(int fd)
{
    return is_set("LAB_SYNC") ? (int)syscall(SYS_fdatasync, fd) : 0;
}

int msync(void *address, size_t length, int flags)
{
    return is_set("LAB_SYNC") ? (int)syscall(SYS_msync, address, length, flags) : 0;
}

/* The assertion asks whether the namespace of the mailbox's user is locked; a shared mailbox has no user. */
int user_isnamespacelocked(const char *userid)
{
    static int (*real)(const char *);
    enum { LOCKED_EXCLUSIVE = 2 };

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "user_isnamespacelocked");
    if (is_set("LAB_FIX_4611") && (!userid || !*userid))
        return LOCKED_EXCLUSIVE;
    return real ? real(userid) : 0;
}

/* The address of a name in LAB_HOSTS, in `buffer`; NULL: it is not there. */
static const char *find_host(const char *name, char *buffer, size_t size)
{
    size_t length = strlen(name);

    for (const char *host = getenv("LAB_HOSTS"); host && *host; host = strchr(host, ',') ? strchr(host, ',') + 1 : "") {
        if (strncasecmp(host, name, length) != 0 || host[length] != '=')
            continue;
        snprintf(buffer, size, "%.*s", (int)strcspn(host + length + 1, ","), host + length + 1);
        return buffer;
    }
    return NULL;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    char buffer[64];
    const char *address = node ? find_host(node, buffer, sizeof buffer) : NULL;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(address ? address : node, service, hints, found);
}
