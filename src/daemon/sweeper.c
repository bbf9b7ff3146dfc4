#include "daemon/sweeper.h"

#include "daemon/domain_reader.h"
#include "daemon/log.h"
#include "model/fault.h"
#include "state/queue.h"

#include <string.h>

struct Sweeper {
    Shared *shared;
    Directory *directory;
    GMutex lock;
    GCond wake;
    GHashTable *schedules; /* char* domain -> Schedule*; under lock */
    guint attempts;        /* failed connections in a row */
};

/* When a domain is swept next: each has its own, so that one that cannot be read delays no other. */
typedef struct {
    gint64 due_us;  /* NEVER: nobody asked */
    guint attempts; /* failed sweeps in a row */
    char *problem;  /* of the last one; NULL: it was complete */
} Schedule;

#define NEVER G_MAXINT64
/* A domain whose base appears, or whose rights are mended, should not wait for long. */
#define RETRY_LONGEST_US (60 * (gint64)G_USEC_PER_SEC)
/* A one-shot run leaves a domain to the next run. */
enum { ONE_SHOT_ATTEMPTS = 3 };

static void schedule_free(Schedule *schedule)
{
    g_free(schedule->problem);
    g_free(schedule);
}

Sweeper *sweeper_new(Shared *shared)
{
    Sweeper *sweeper = g_new0(Sweeper, 1);

    sweeper->shared = shared;
    sweeper->directory = directory_new(shared->config->directory, shared->stop);
    sweeper->schedules = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)schedule_free);
    g_mutex_init(&sweeper->lock);
    g_cond_init(&sweeper->wake);
    return sweeper;
}

void sweeper_free(Sweeper *sweeper)
{
    if (sweeper == NULL)
        return;
    directory_free(sweeper->directory);
    g_hash_table_unref(sweeper->schedules);
    g_mutex_clear(&sweeper->lock);
    g_cond_clear(&sweeper->wake);
    g_free(sweeper);
}

/* Under lock. */
static Schedule *find_schedule(Sweeper *sweeper, const char *domain)
{
    Schedule *schedule = g_hash_table_lookup(sweeper->schedules, domain);

    if (schedule == NULL) {
        schedule = g_new0(Schedule, 1);
        schedule->due_us = NEVER;
        g_hash_table_insert(sweeper->schedules, g_strdup(domain), schedule);
    }
    return schedule;
}

void sweeper_request(Sweeper *sweeper, const char *domain)
{
    Schedule *schedule;

    g_mutex_lock(&sweeper->lock);
    schedule = find_schedule(sweeper, domain);
    schedule->due_us = MIN(schedule->due_us, g_get_monotonic_time());
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

static bool queue_entry(Sweep *sweep, const char *unique_id, const char *reason, GError **error)
{
    sweep->queued++;
    g_atomic_int_inc(&sweep->shared->progress.found);
    return queue_add(sweep->shared->state, sweep->domain->name, unique_id, reason, sweep->shared->options->resync, error);
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
    return queue_entry(sweep, entry_unique_id(entry), "sweep", error);
}

static bool queue_unseen(Sweep *sweep, GHashTable *unique_ids, const char *reason, GError **error)
{
    GHashTableIter iter;
    gpointer unique_id;

    g_hash_table_iter_init(&iter, unique_ids);
    while (g_hash_table_iter_next(&iter, &unique_id, NULL))
        if (!g_hash_table_contains(sweep->seen, unique_id) && !queue_entry(sweep, unique_id, reason, error))
            return false;
    return true;
}

/* Queues what the state knows and the read did not show; a worker looks at each before it counts as departed. The reaper
 * takes no decision while any "missing" one has not been looked at: how many they are decides. Those that were somewhere
 * else may be gone by now. */
static bool queue_missing(Sweep *sweep, GError **error)
{
    g_autoptr(GHashTable) known = NULL;
    g_autoptr(GHashTable) elsewhere = NULL;

    if (!state_list_entries(sweep->shared->state, sweep->domain->name, &known, error)
        || !state_list_elsewhere(sweep->shared->state, sweep->domain->name, &elsewhere, error))
        return false;
    if (g_hash_table_size(sweep->seen) == 0 && g_hash_table_size(known) > 0) {
        g_set_error(error, FAULT, FAULT_RETRY,
                    "domain %s: the directory shows no entry of any kind we serve below \"%s\", but %u are known; nothing "
                    "is concluded from that; check the filters and the access control of the bind DN", sweep->domain->name,
                    sweep->domain->base_dn, g_hash_table_size(known));
        return false;
    }
    return queue_unseen(sweep, known, "missing", error) && queue_unseen(sweep, elsewhere, "sweep", error);
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

    if (!complete && stop_asked(sweeper->shared->stop)) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
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

/* Says once what a domain's sweep came to, and when the next one is due. Under lock. */
static void settle_sweep(Sweeper *sweeper, const DomainSettings *domain, const char *problem)
{
    Shared *shared = sweeper->shared;
    Schedule *schedule = find_schedule(sweeper, domain->name);
    gint64 interval_us = shared->options->sync ? 0 : shared->config->sweep_interval_us;
    bool same = g_strcmp0(schedule->problem, problem) == 0;
    bool give_up = problem != NULL && shared->options->sync && schedule->attempts + 1 >= ONE_SHOT_ATTEMPTS;

    if (give_up)
        log_entry(G_LOG_LEVEL_CRITICAL, domain->name, NULL, "domain %s cannot be read completely: %s", domain->name, problem);
    else if (problem != NULL && !same)
        log_entry(G_LOG_LEVEL_WARNING, domain->name, NULL, "domain %s cannot be read completely, trying again: %s", domain->name, problem);
    else if (problem == NULL && !same)
        log_entry(G_LOG_LEVEL_INFO, domain->name, NULL, "domain %s can be read completely again", domain->name);
    g_atomic_int_add(&shared->incomplete, give_up);
    g_free(schedule->problem);
    schedule->problem = g_strdup(problem);
    schedule->attempts = problem != NULL ? schedule->attempts + 1 : 0;
    if (problem != NULL && !give_up)
        schedule->due_us =
            MIN(schedule->due_us, g_get_monotonic_time() + MIN(wait_backoff_us(schedule->attempts), RETRY_LONGEST_US));
    else if (problem == NULL && interval_us > 0)
        schedule->due_us = MIN(schedule->due_us, g_get_monotonic_time() + interval_us);
}

/* Sweeps a domain once. While there is no connection it waits, and the domain stays due. */
static void sweep_once(Sweeper *sweeper, const DomainSettings *domain)
{
    Shared *shared = sweeper->shared;
    g_autoptr(GError) fault = NULL;
    bool anew;

    if (!directory_connect(sweeper->directory, &anew, &fault)) {
        sweeper_request(sweeper, domain->name);
        shared_outage(shared, shared->config->directory->uri, ++sweeper->attempts, g_steal_pointer(&fault));
        return;
    }
    if (anew)
        outages_end(shared->outages, shared->config->directory->uri);
    sweeper->attempts = 0;
    if (!sweep_domain(sweeper, domain, &fault) && stop_asked(shared->stop))
        return;
    g_mutex_lock(&sweeper->lock);
    settle_sweep(sweeper, domain, fault != NULL ? fault->message : NULL);
    g_mutex_unlock(&sweeper->lock);
}

/* The domain that has been due longest; NULL: none is, and *wake_us says when one will be. Under lock. */
static DomainSettings *take_due(Sweeper *sweeper, gint64 *wake_us)
{
    GHashTableIter iter;
    gpointer name, value, first = NULL;
    Schedule *chosen = NULL;

    *wake_us = NEVER;
    g_hash_table_iter_init(&iter, sweeper->schedules);
    while (g_hash_table_iter_next(&iter, &name, &value))
        if (((Schedule *)value)->due_us < *wake_us) {
            chosen = value;
            first = name;
            *wake_us = chosen->due_us;
        }
    if (chosen == NULL || chosen->due_us > g_get_monotonic_time())
        return NULL;
    chosen->due_us = NEVER;
    *wake_us = 0;
    return domains_find_served(sweeper->shared->domains, first);
}

/* Waits until a domain is due; NULL when the daemon stops, or (`once`) when no domain will be due. */
static DomainSettings *next_domain(Sweeper *sweeper, bool once)
{
    DomainSettings *chosen = NULL;
    gint64 wake_us;

    g_mutex_lock(&sweeper->lock);
    while (!stop_asked(sweeper->shared->stop)) {
        chosen = take_due(sweeper, &wake_us);
        if (chosen != NULL || (once && wake_us == NEVER))
            break;
        if (wake_us > 0)
            g_cond_wait_until(&sweeper->wake, &sweeper->lock, wake_us);
    }
    g_mutex_unlock(&sweeper->lock);
    return chosen;
}

static void sweep_all(Sweeper *sweeper, bool once)
{
    DomainSettings *domain;

    while ((domain = next_domain(sweeper, once)) != NULL) {
        sweep_once(sweeper, domain);
        domain_settings_unref(domain);
    }
}

gpointer sweeper_run(gpointer sweeper)
{
    sweep_all(sweeper, false);
    return NULL;
}

/* Whether the command line speaks of this domain. */
static bool is_asked(const Sweeper *sweeper, const Domain *domain)
{
    const char *name = sweeper->shared->options->domain;

    return name == NULL || domain_has_name(domain, name);
}

/* Looks for the entry of --entry in every domain that is served; the one with the longest base has it. A domain that cannot
 * be read is passed over, unless nobody has it. */
static bool find_asked_entry(Sweeper *sweeper, const GPtrArray *list, const Domain **owner, char **unique_id, GError **error)
{
    g_autoptr(GError) problem = NULL;

    for (guint i = 0; i < list->len; i++) {
        const Domain *domain = g_ptr_array_index(list, i);
        g_autoptr(GError) fault = NULL;
        g_autofree char *found = NULL;

        if (domain->status != DOMAIN_SERVED || !is_asked(sweeper, domain))
            continue;
        if (!directory_resolve(sweeper->directory, domain->settings, sweeper->shared->options->entry, &found, &fault)) {
            g_clear_error(&problem);
            problem = g_steal_pointer(&fault);
        } else if (found != NULL
                   && (*owner == NULL || strlen((*owner)->settings->base_dn) < strlen(domain->settings->base_dn))) {
            *owner = domain;
            g_free(*unique_id);
            *unique_id = g_steal_pointer(&found);
        }
    }
    if (*owner != NULL || problem == NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

static bool queue_asked_entry(Sweeper *sweeper, const GPtrArray *list, GError **error)
{
    const RunOptions *options = sweeper->shared->options;
    const Domain *owner = NULL;
    g_autofree char *unique_id = NULL;

    if (!find_asked_entry(sweeper, list, &owner, &unique_id, error))
        return false;
    if (owner != NULL)
        return queue_add(sweeper->shared->state, owner->name, unique_id, "operator", options->resync, error);
    g_set_error(error, FAULT, FAULT_STOP, "no entry with the DN or address \"%s\" in the directory", options->entry);
    return false;
}

/* The domains; false when the run ends without them. */
static bool read_domains(Sweeper *sweeper)
{
    Shared *shared = sweeper->shared;
    guint attempts = 0;

    while (!stop_asked(shared->stop)) {
        g_autoptr(GError) fault = NULL;

        if (domain_reader_refresh(shared, sweeper->directory, &fault))
            return true;
        shared_outage(shared, shared->config->directory->uri, ++attempts, g_steal_pointer(&fault));
    }
    return false;
}

/* That the domain of --domain is there and served. */
static bool check_asked(const Sweeper *sweeper, const GPtrArray *list, GError **error)
{
    const char *name = sweeper->shared->options->domain;

    for (guint i = 0; i < list->len; i++) {
        const Domain *domain = g_ptr_array_index(list, i);

        if (name == NULL || (is_asked(sweeper, domain) && domain->status == DOMAIN_SERVED))
            return true;
        if (is_asked(sweeper, domain)) {
            g_set_error(error, FAULT, FAULT_STOP, "domain %s is %s: %s", domain->name, domain_status_name(domain->status),
                        domain->reason);
            return false;
        }
    }
    if (name == NULL)
        return true;
    g_set_error(error, FAULT, FAULT_STOP, "there is no domain \"%s\", neither in the configuration nor in the directory", name);
    return false;
}

static bool start_once(Sweeper *sweeper, GError **error)
{
    Shared *shared = sweeper->shared;
    g_autoptr(GPtrArray) list = domains_list(shared->domains);

    if (!check_asked(sweeper, list, error))
        return false;
    if (shared->options->entry != NULL) {
        g_atomic_int_inc(&shared->progress.found);
        return queue_asked_entry(sweeper, list, error);
    }
    for (guint i = 0; i < list->len; i++) {
        const Domain *domain = g_ptr_array_index(list, i);

        if (is_asked(sweeper, domain) && domain->status == DOMAIN_SERVED)
            sweeper_request(sweeper, domain->name);
        if (domain->status == DOMAIN_REFUSED)
            g_atomic_int_inc(&shared->incomplete);
    }
    return true;
}

gpointer sweeper_run_once(gpointer data)
{
    Sweeper *sweeper = data;
    Shared *shared = sweeper->shared;
    GError *fault = NULL;

    if (read_domains(sweeper) && start_once(sweeper, &fault))
        sweep_all(sweeper, true);
    if (fault != NULL)
        shared_fail(shared, fault);
    g_atomic_int_set(&shared->sweeping, 0);
    queue_wake(shared->state);
    return NULL;
}
