#include "daemon/watcher.h"

#include "daemon/log.h"
#include "directory/watch.h"
#include "model/fault.h"
#include "state/queue.h"

/* A watch that lasted less long is one more failed attempt: each costs the directory a complete read. */
#define LASTED_US (60 * (gint64)G_USEC_PER_SEC)

/* Delivers notices until the watch is lost (error) or the daemon stops. */
static bool deliver(Watcher *watcher, Watch *watch, GError **error)
{
    Shared *shared = watcher->shared;

    for (;;) {
        g_autofree char *unique_id = NULL;
        bool sweep = false;

        if (!watch_next(watch, &unique_id, &sweep, error))
            return false;
        if (unique_id == NULL && !sweep)
            return true;
        if (sweep)
            sweeper_request(watcher->sweeper, watcher->domain->name);
        if (unique_id != NULL && !queue_add(shared->state, watcher->domain->name, unique_id, "notice", false, error)) {
            shared_fail(shared, g_error_copy(*error));
            return false;
        }
    }
}

/* From the opening of a watch to its end; true when the daemon stops. */
static bool watch_once(Watcher *watcher, guint *attempts, bool *watched, GError **error)
{
    const DomainSettings *domain = watcher->domain;
    g_autoptr(Watch) watch = watch_open(watcher->shared->config->directory, domain, watcher->shared->stop, error);
    gint64 opened_us = g_get_monotonic_time();
    bool stops;

    if (watch == NULL)
        return false;
    *watched = true;
    log_entry(G_LOG_LEVEL_INFO, domain->name, NULL, "domain %s: watching \"%s\"", domain->name, domain->base_dn);
    /* The watch first, then the sweep: what changes in between is noticed. */
    sweeper_request(watcher->sweeper, domain->name);
    stops = deliver(watcher, watch, error);
    if (g_get_monotonic_time() - opened_us >= LASTED_US)
        *attempts = 0;
    return stops;
}

gpointer watcher_run(gpointer data)
{
    Watcher *watcher = data;
    Shared *shared = watcher->shared;
    guint attempts = 0;
    bool watched = false;

    while (!stop_asked(shared->stop)) {
        g_autoptr(GError) fault = NULL;

        if (watch_once(watcher, &attempts, &watched, &fault))
            break;
        /* A server that cannot be watched at all will not learn it, even if workers are connected by now. */
        if (!watched && fault_of(fault) == FAULT_STOP && !stop_asked(shared->stop))
            shared_fail(shared, g_steal_pointer(&fault));
        else
            shared_outage(shared, OUTAGE_DIRECTORY, ++attempts, g_steal_pointer(&fault));
    }
    return NULL;
}
