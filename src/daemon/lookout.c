#include "daemon/lookout.h"

#include "daemon/shared.h"
#include "imap/mailstore.h"

/* Servers that are tried at the same time: one that hangs must not keep the others from coming back. */
enum { TRIES_AT_A_TIME = 8 };

typedef struct {
    char *server;
    const ImapSettings *settings;
} Try;

/* A backend is logged in to without its frontend, by name, and asked for nothing: many a question makes Cyrus choose a place for
 * mailboxes (see creator.h). */
static bool answers(const Shared *shared, const Try *try, GError **error)
{
    g_autoptr(Mailstore) mailstore = mailstore_new(try->settings, NULL, NULL, shared->stop);

    if (g_strcmp0(try->server, try->settings->uri) == 0)
        return mailstore_connect(mailstore, NULL, error);
    return mailstore_reach(mailstore, try->server, error);
}

static void look(gpointer data, gpointer user_data)
{
    Try *try = data;
    Shared *shared = user_data;
    gint64 asked_us = g_get_monotonic_time();
    g_autoptr(GError) fault = NULL;

    if (answers(shared, try, &fault))
        outages_end(shared->outages, try->server);
    else
        outages_begin(shared->outages, try->server, try->settings, asked_us, fault->message);
    g_free(try->server);
    g_free(try);
}

gpointer lookout_run(gpointer data)
{
    Shared *shared = data;
    GThreadPool *pool = g_thread_pool_new(look, shared, TRIES_AT_A_TIME, FALSE, NULL);
    const ImapSettings *settings;
    char *server;

    while (outages_next(shared->outages, shared->stop, &server, &settings)) {
        Try *try = g_new(Try, 1);

        *try = (Try){.server = server, .settings = settings};
        g_thread_pool_push(pool, try, NULL);
    }
    g_thread_pool_free(pool, FALSE, TRUE);
    return NULL;
}
