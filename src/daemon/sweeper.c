#include "daemon/sweeper.h"

#include "daemon/log.h"
#include "model/fault.h"
#include "state/queue.h"

#include <string.h>

struct Sweeper {
    Shared *shared;
    Directory *directory;
    GMutex lock;
    GCond wake;
    GHashTable *requested; /* char* domain; under lock */
    guint attempts;        /* failed sweeps in a row */
};

Sweeper *sweeper_new(Shared *shared)
{
    Sweeper *sweeper = g_new0(Sweeper, 1);

    sweeper->shared = shared;
    sweeper->directory = directory_new(shared->config->directory, shared->stop);
    sweeper->requested = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init(&sweeper->lock);
    g_cond_init(&sweeper->wake);
    return sweeper;
}

void sweeper_free(Sweeper *sweeper)
{
    if (sweeper == NULL)
        return;
    directory_free(sweeper->directory);
    g_hash_table_unref(sweeper->requested);
    g_mutex_clear(&sweeper->lock);
    g_cond_clear(&sweeper->wake);
    g_free(sweeper);
}

void sweeper_request(Sweeper *sweeper, const char *domain)
{
    g_mutex_lock(&sweeper->lock);
    g_hash_table_add(sweeper->requested, g_strdup(domain));
    g_cond_signal(&sweeper->wake);
    g_mutex_unlock(&sweeper->lock);
}

void sweeper_wake(Sweeper *sweeper)
{
    g_mutex_lock(&sweeper->lock);
    g_cond_signal(&sweeper->wake);
    g_mutex_unlock(&sweeper->lock);
}

/* One complete read on its way. */
typedef struct {
    Shared *shared;
    const DomainSettings *domain;
    GHashTable *seen; /* unique ids */
    guint queued;
} Sweep;

static bool queue_entry(Sweep *sweep, const char *unique_id, GError **error)
{
    sweep->queued++;
    g_atomic_int_inc(&sweep->shared->progress.found);
    return queue_add(sweep->shared->state, sweep->domain->name, unique_id, "sweep", sweep->shared->options->resync, error);
}

/* Queues an entry that is not as it was when it was last brought in order. */
static bool compare_entry(const Entry *entry, gpointer user_data, GError **error)
{
    Sweep *sweep = user_data;
    g_autofree char *present = entry_fingerprint(entry, sweep->domain->digest);
    g_autofree char *recorded = NULL;

    if (stop_asked(sweep->shared->stop)) {
        g_set_error(error, FAULT, FAULT_RETRY, "the daemon stops");
        return false;
    }
    g_hash_table_add(sweep->seen, g_strdup(entry_unique_id(entry)));
    if (!state_find_fingerprint(sweep->shared->state, sweep->domain->name, entry_unique_id(entry), &recorded, error))
        return false;
    if (g_strcmp0(present, recorded) == 0 && !sweep->shared->options->resync)
        return true;
    return queue_entry(sweep, entry_unique_id(entry), error);
}

/* Queues what the state knows and the read did not show; a worker looks at each before it counts as departed. */
static bool queue_missing(Sweep *sweep, GError **error)
{
    g_autoptr(GHashTable) known = NULL;
    GHashTableIter iter;
    gpointer unique_id;

    if (!state_list_entries(sweep->shared->state, sweep->domain->name, &known, error))
        return false;
    if (g_hash_table_size(sweep->seen) == 0 && g_hash_table_size(known) > 0) {
        g_set_error(error, FAULT, FAULT_RETRY,
                    "domain %s: the directory shows no entry of any kind we serve below \"%s\", but %u are known; nothing "
                    "is concluded from that; check the filters and the access control of the bind DN", sweep->domain->name,
                    sweep->domain->base_dn, g_hash_table_size(known));
        return false;
    }
    g_hash_table_iter_init(&iter, known);
    while (g_hash_table_iter_next(&iter, &unique_id, NULL))
        if (!g_hash_table_contains(sweep->seen, unique_id) && !queue_entry(sweep, unique_id, error))
            return false;
    return true;
}

static bool read_and_compare(Sweeper *sweeper, Sweep *sweep, GError **error)
{
    State *state = sweeper->shared->state;
    bool complete;

    if (!queue_group_begin(state, error))
        return false;
    complete = directory_sweep(sweeper->directory, sweep->domain, compare_entry, sweep, error)
            && queue_missing(sweep, error);
    /* What was queued stays queued: it differs, whether or not the read was complete. */
    return queue_group_end(state, complete ? error : NULL) && complete;
}

static bool sweep_domain(Sweeper *sweeper, const DomainSettings *domain, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Sweep sweep = {.shared = sweeper->shared, .domain = domain, .seen = seen};
    g_autoptr(GError) problem = NULL;
    bool complete = read_and_compare(sweeper, &sweep, &problem);

    if (!state_note_sweep(sweeper->shared->state, domain->name, domain->base_dn, g_hash_table_size(seen),
                          complete ? NULL : problem->message, error))
        return false;
    if (!complete) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    if (g_hash_table_size(seen) == 0)
        log_entry(G_LOG_LEVEL_WARNING, domain->name, NULL,
                  "domain %s: no entry of any kind we serve below \"%s\" that the bind DN may read", domain->name,
                  domain->base_dn);
    log_entry(G_LOG_LEVEL_INFO, domain->name, NULL, "domain %s: %u entries read, %u to look at", domain->name,
              g_hash_table_size(seen), sweep.queued);
    return true;
}

/* Sweeps until it works; false when the daemon stops or the process must end. */
static bool insist(Sweeper *sweeper, const DomainSettings *domain)
{
    while (!stop_asked(sweeper->shared->stop)) {
        g_autoptr(GError) fault = NULL;
        bool connected = directory_connect(sweeper->directory, &fault);

        if (connected)
            shared_recovered(sweeper->shared, OUTAGE_DIRECTORY);
        if (connected && sweep_domain(sweeper, domain, &fault)) {
            shared_recovered(sweeper->shared, OUTAGE_SWEEP);
            sweeper->attempts = 0;
            return true;
        }
        shared_outage(sweeper->shared, connected ? OUTAGE_SWEEP : OUTAGE_DIRECTORY, ++sweeper->attempts, g_steal_pointer(&fault));
    }
    return false;
}

/* Waits for a request or the interval; the domain to sweep, or NULL when the daemon stops. */
static DomainSettings *next_domain(Sweeper *sweeper, gint64 *due_us)
{
    const Config *config = sweeper->shared->config;
    DomainSettings *chosen = NULL;

    g_mutex_lock(&sweeper->lock);
    while (chosen == NULL && !stop_asked(sweeper->shared->stop)) {
        if (g_get_monotonic_time() >= *due_us) {
            *due_us = g_get_monotonic_time() + config->sweep_interval_us;
            for (guint i = 0; i < config->domains->len; i++)
                g_hash_table_add(sweeper->requested, g_strdup(((DomainSettings *)g_ptr_array_index(config->domains, i))->name));
        }
        for (guint i = 0; chosen == NULL && i < config->domains->len; i++)
            if (g_hash_table_remove(sweeper->requested, ((DomainSettings *)g_ptr_array_index(config->domains, i))->name))
                chosen = g_ptr_array_index(config->domains, i);
        if (chosen == NULL)
            g_cond_wait_until(&sweeper->wake, &sweeper->lock, *due_us);
    }
    g_mutex_unlock(&sweeper->lock);
    return chosen;
}

gpointer sweeper_run(gpointer data)
{
    Sweeper *sweeper = data;
    gint64 interval_us = sweeper->shared->config->sweep_interval_us;
    gint64 due_us = interval_us > 0 ? g_get_monotonic_time() + interval_us : G_MAXINT64;
    DomainSettings *domain;

    while ((domain = next_domain(sweeper, &due_us)) != NULL)
        insist(sweeper, domain);
    return NULL;
}

/* Queues the one entry of --entry, in whichever domain it is. */
static bool queue_asked_entry(Sweeper *sweeper, GError **error)
{
    Shared *shared = sweeper->shared;
    const RunOptions *options = shared->options;

    for (guint i = 0; i < shared->config->domains->len; i++) {
        const DomainSettings *domain = g_ptr_array_index(shared->config->domains, i);
        g_autofree char *unique_id = NULL;

        if (options->domain != NULL && strcmp(options->domain, domain->name) != 0)
            continue;
        if (!directory_resolve(sweeper->directory, domain, options->entry, &unique_id, error))
            return false;
        if (unique_id != NULL)
            return queue_add(shared->state, domain->name, unique_id, "operator", options->resync, error);
    }
    g_set_error(error, FAULT, FAULT_STOP, "no entry with the DN or address \"%s\" in the directory", options->entry);
    return false;
}

static void run_asked_entry(Sweeper *sweeper)
{
    g_autoptr(GError) fault = NULL;

    if (!queue_asked_entry(sweeper, &fault))
        shared_fail(sweeper->shared, g_steal_pointer(&fault));
    else
        g_atomic_int_inc(&sweeper->shared->progress.found);
}

gpointer sweeper_run_once(gpointer data)
{
    Sweeper *sweeper = data;
    Shared *shared = sweeper->shared;

    if (shared->options->entry != NULL)
        run_asked_entry(sweeper);
    for (guint i = 0; shared->options->entry == NULL && i < shared->config->domains->len; i++) {
        const DomainSettings *domain = g_ptr_array_index(shared->config->domains, i);

        if (shared->options->domain == NULL || strcmp(shared->options->domain, domain->name) == 0)
            insist(sweeper, domain);
    }
    g_atomic_int_set(&shared->sweeping, 0);
    queue_wake(shared->state);
    return NULL;
}
