/* imap_listener.h - a server for one test, in threads of it, plain TCP on loopback, and the settings that lead to it: the fixture of all
 * unit tests that need one. */
#pragma once

#include "imap/settings.h"
#include "wait/wait.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the server says and hears in a session once somebody is logged in. */
typedef void (*Script)(int fd);

static int listener;
static Stop *stop;
static ImapSettings settings;

static inline void open_listener(int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, backlog), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    stop = stop_new();
    settings = (ImapSettings){
        .uri = g_strdup_printf("imap://127.0.0.1:%d", ntohs(address.sin_port)),
        .admin_login = g_strdup("admin"),
        .admin_password = g_strdup("secret-word"),
        .insecure = true,
        .timeout_us = 10 * G_USEC_PER_SEC,
        .window = 64,
    };
}

/* Ends accept(), in whatever thread that waits. */
static inline void shut_listener(void)
{
    shutdown(listener, SHUT_RDWR);
}

static inline void close_listener(void)
{
    close(listener);
    stop_free(stop);
    g_free(settings.uri);
    g_free(settings.admin_login);
    g_free(settings.admin_password);
}

static inline void say(int fd, const char *text)
{
    gsize len = strlen(text);

    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        text += n;
        len -= (gsize)n;
    }
}

/* A line without CRLF, NULL at the end; literals are not looked for. The caller owns it. */
static inline char *hear(int fd)
{
    g_autoptr(GString) line = g_string_new(NULL);
    char c;

    while (read(fd, &c, 1) == 1) {
        if (c == '\n')
            return g_strndup(line->str, line->len - 1);
        g_string_append_c(line, c);
    }
    return NULL;
}

/* The tagged reply to a line that was heard. */
static inline void answer(int fd, const char *line, const char *text)
{
    g_autofree char *tag = g_strndup(line, strcspn(line, " "));
    g_autofree char *reply = g_strdup_printf("%s %s\r\n", tag, text);

    say(fd, reply);
}

/* Until somebody is logged in. */
static inline void greet(int fd)
{
    say(fd, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n");
    for (;;) {
        g_autofree char *line = hear(fd);

        if (line == NULL)
            return;
        if (strstr(line, "CAPABILITY") != NULL)
            say(fd, "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n");
        answer(fd, line, "OK Completed");
        if (strstr(line, "AUTHENTICATE") != NULL)
            return;
    }
}
