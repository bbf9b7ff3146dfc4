#include "daemon/watcher.h"

#include "daemon/log.h"
#include "directory/watch.h"
#include "state/queue.h"

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

gpointer watcher_run(gpointer data)
{
    Watcher *watcher = data;
    Shared *shared = watcher->shared;
    guint attempts = 0;

    while (!stop_asked(shared->stop)) {
        g_autoptr(GError) fault = NULL;
        g_autoptr(Watch) watch = watch_open(shared->config->directory, watcher->domain, shared->stop, &fault);

        if (watch != NULL) {
            attempts = 0;
            log_entry(G_LOG_LEVEL_INFO, watcher->domain->name, NULL, "domain %s: watching \"%s\"", watcher->domain->name,
                      watcher->domain->base_dn);
            /* The watch first, then the sweep: what changes in between is noticed. */
            sweeper_request(watcher->sweeper, watcher->domain->name);
            if (deliver(watcher, watch, &fault))
                break;
        }
        shared_outage(shared, ++attempts, g_steal_pointer(&fault));
    }
    return NULL;
}
