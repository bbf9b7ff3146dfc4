#include "daemon/pruner.h"

#include "state/prune.h"

#define INTERVAL_US (3600 * (gint64)G_USEC_PER_SEC)
/* Between two transactions, so that a backlog of years is no burden for workers. */
#define PAUSE_US ((gint64)G_USEC_PER_SEC / 20)

/* False: the process ends. */
static bool prune(Shared *shared, bool *more)
{
    GError *fault = NULL;
    guint attempts = 0;

    while (!journal_prune(shared->state, shared->config->journal_days, more, &fault))
        if (!shared_survive(shared, &attempts, g_steal_pointer(&fault)))
            return false;
    return true;
}

gpointer pruner_run(gpointer data)
{
    Shared *shared = data;
    bool more = false;

    while (shared->config->journal_days > 0 && prune(shared, &more)
           && wait_for(shared->stop, -1, 0, g_get_monotonic_time() + (more ? PAUSE_US : INTERVAL_US), true) != WAIT_STOPPED)
        continue;
    return NULL;
}

void pruner_settle(Shared *shared)
{
    bool more = shared->config->journal_days > 0;

    while (more && prune(shared, &more))
        continue;
}
