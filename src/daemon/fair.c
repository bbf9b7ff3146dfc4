#include "daemon/fair.h"

#include "daemon/log.h"
#include "state/queue.h"

/* Who works at one person for so long is at a server that is slow: a new person takes a third of that on a disk. */
#define SLOW_US ((gint64)G_USEC_PER_SEC)
/* One worker in so many, and one at the least, is left to the others. */
enum { LEFT = 4 };

/* 0: a single worker is nobody's share. */
static guint share_of(guint workers)
{
    return workers - MAX(workers / LEFT, 1);
}

static char *find_server(const char *domain, const char *mail_host, gpointer user_data)
{
    Shared *shared = user_data;
    const Config *config = shared->config;

    if (g_atomic_int_get(&shared->murders[config_imap_at(config, domain)]))
        return g_strdup(mail_host);
    return config->imap_servers->len > 1 ? g_strdup(config_imap_of(config, domain)->uri) : NULL;
}

static void share(Shared *shared)
{
    queue_share(shared->state, share_of(shared->config->workers), SLOW_US, find_server, shared);
}

void fair_begin(Shared *shared)
{
    shared->murders = g_new0(gint, shared->config->imap_servers->len);
    if (shared->config->imap_servers->len > 1)
        share(shared);
}

void fair_end(Shared *shared)
{
    queue_share(shared->state, 0, 0, NULL, NULL);
    g_clear_pointer(&shared->murders, g_free);
}

void fair_note_murder(Shared *shared, guint at)
{
    if (g_atomic_int_compare_and_exchange(&shared->murders[at], false, true))
        share(shared);
}

bool fair_enter(Job *job, GError **error)
{
    bool full;

    if (job->backend == NULL)
        return true;
    if (!queue_enter(job->shared->state, job->change, job->backend, &full, error))
        return false;
    if (!full)
        return true;
    job_note_postponed(job);
    log_entry(G_LOG_LEVEL_DEBUG, job->domain->name, job->change->dn, "waits: %s is slow, and enough workers are there", job->backend);
    return true;
}
