/* ldap_listener.h - a directory server for one test, in a thread of it, plain TCP on loopback, and the settings that lead to it. It takes
 * every bind; what else is asked the test's script answers. */
#pragma once

#include "directory/directory.h"
#include "wait/wait.h"

#include <arpa/inet.h>
#include <check.h>
#include <ldap.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    ber_int_t id;
    ber_tag_t operation; /* LDAP_REQ_... */
    BerElement *body;    /* behind that tag */
} LdapRequest;

typedef struct {
    char *base_dn;
    ber_int_t scope, deref, size_limit, time_limit;
} LdapSearch;

/* Answers a request, in the server's thread. */
typedef void (*LdapScript)(int fd, const LdapRequest *request);

static int listener;
static Stop *stop;
static DirectorySettings settings;
static GThread *server;
static LdapScript script;

/* A whole message, decoded as far as its operation; false at the end. */
static inline bool hear(int fd, LdapRequest *request)
{
    guint8 start[6];
    struct berval message;
    gsize head = 2, len;
    bool whole;

    if (recv(fd, start, head, MSG_WAITALL) != (ssize_t)head)
        return false;
    len = start[1];
    if (len > 0x80) {
        head += start[1] - 0x80u;
        ck_assert_uint_le(head, sizeof start);
        ck_assert_int_eq(recv(fd, start + 2, head - 2, MSG_WAITALL), (ssize_t)head - 2);
        len = 0;
        for (gsize i = 2; i < head; i++)
            len = len << 8 | start[i];
    }
    message = (struct berval){.bv_len = head + len, .bv_val = g_malloc(head + len)};
    memcpy(message.bv_val, start, head);
    whole = recv(fd, message.bv_val + head, len, MSG_WAITALL) == (ssize_t)len;
    request->body = ber_init(&message);
    g_free(message.bv_val);
    whole = whole && ber_scanf(request->body, "{it", &request->id, &request->operation) != LBER_ERROR;
    if (!whole)
        ber_free(request->body, 1);
    return whole;
}

static inline void say(int fd, BerElement *ber)
{
    struct berval message;

    ck_assert_int_eq(ber_flatten2(ber, &message, 0), 0);
    ck_assert_int_eq(send(fd, message.bv_val, message.bv_len, MSG_NOSIGNAL), (ssize_t)message.bv_len);
    ber_free(ber, 1);
}

/* `operation`: LDAP_RES_... */
static inline void say_result(int fd, const LdapRequest *request, ber_tag_t operation, int result)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);

    ck_assert_int_ne(ber_printf(ber, "{it{ess}}", request->id, operation, result, "", ""), -1);
    say(fd, ber);
}

/* `attributes`: a name, a value, and so on, NULL at the end. */
static inline void say_entry(int fd, const LdapRequest *request, const char *dn, const char *const *attributes)
{
    BerElement *ber = ber_alloc_t(LBER_USE_DER);

    ck_assert_int_ne(ber_printf(ber, "{it{s{", request->id, (ber_tag_t)LDAP_RES_SEARCH_ENTRY, dn), -1);
    for (; *attributes != NULL; attributes += 2)
        ck_assert_int_ne(ber_printf(ber, "{s[s]}", attributes[0], attributes[1]), -1);
    ck_assert_int_ne(ber_printf(ber, "}}}"), -1);
    say(fd, ber);
}

/* Reads a search as far as its limits; the caller frees the base (ber_memfree). */
static inline LdapSearch read_search(const LdapRequest *request)
{
    LdapSearch search = {0};

    ck_assert_int_eq((int)request->operation, LDAP_REQ_SEARCH);
    ck_assert_uint_ne(ber_scanf(request->body, "{aeeii", &search.base_dn, &search.scope, &search.deref, &search.size_limit,
                                &search.time_limit), LBER_ERROR);
    return search;
}

static inline void answer(int fd, const LdapRequest *request)
{
    if (request->operation == LDAP_REQ_BIND)
        say_result(fd, request, LDAP_RES_BIND, LDAP_SUCCESS);
    else if (request->operation == LDAP_REQ_EXTENDED) /* "who am I": not known here */
        say_result(fd, request, LDAP_RES_EXTENDED, LDAP_PROTOCOL_ERROR);
    else if (request->operation != LDAP_REQ_UNBIND)
        script(fd, request);
}

static inline gpointer serve(gpointer data)
{
    LdapRequest request;
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        while (hear(fd, &request)) {
            answer(fd, &request);
            ber_free(request.body, 1);
        }
        close(fd);
    }
    return data;
}

static inline void start_server(LdapScript answers)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    stop = stop_new();
    settings = (DirectorySettings){
        .uri = g_strdup_printf("ldap://127.0.0.1:%d", ntohs(address.sin_port)),
        .bind_dn = g_strdup("cn=kolabd"),
        .bind_password = g_strdup("secret-word"),
        .insecure = true,
        .timeout_us = 10 * G_USEC_PER_SEC,
        .page_size = 500,
    };
    script = answers;
    server = g_thread_new("server", serve, NULL);
}

/* Once every connection to it is closed. */
static inline void end_server(void)
{
    shutdown(listener, SHUT_RDWR);
    g_thread_join(server);
    close(listener);
    stop_free(stop);
    g_free(settings.uri);
    g_free(settings.bind_dn);
    g_free(settings.bind_password);
}
