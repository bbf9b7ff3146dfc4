#include "daemon/sweeper.h"

#include "daemon/asked.h"
#include "daemon/domain_reader.h"
#include "daemon/handover.h"
#include "daemon/log.h"
#include "daemon/sweep.h"
#include "model/fault.h"
#include "state/queue.h"

struct Sweeper {
    Shared *shared;
    const Asked *asked;
    Handover *handover; /* for which the sweeps are made; NULL: for the daemon, or the one-shot run */
    bool once;          /* as a one-shot run does; otherwise there is always a next time */
    Directory *directory;
    GMutex lock;
    GCond wake;
    GHashTable *schedules; /* char* domain -> Schedule*; under lock */
    guint attempts;        /* failed connections in a row */
    guint state_attempts;  /* sweeps in a row that the state file spoilt */
};

/* When a domain is swept next: each has its own, so that one that cannot be read delays no other. */
typedef struct {
    gint64 due_us;  /* NEVER: nobody asked */
    guint attempts; /* failed sweeps in a row */
    GPtrArray *problems; /* of char*: what was told since the last one that was complete */
} Schedule;

#define NEVER G_MAXINT64
/* A domain whose base appears, or whose rights are mended, should not wait for long. */
#define RETRY_LONGEST_US (60 * (gint64)G_USEC_PER_SEC)
/* A one-shot run leaves a domain to the next run. */
enum { ONE_SHOT_ATTEMPTS = 3 };
/* So many reasons that a domain cannot be read are told. */
enum { TOLD_MAX = 8 };

static void schedule_free(Schedule *schedule)
{
    g_ptr_array_unref(schedule->problems);
    g_free(schedule);
}

static Sweeper *sweeper_new_for(Shared *shared, const Asked *asked, Handover *handover)
{
    Sweeper *sweeper = g_new0(Sweeper, 1);

    sweeper->shared = shared;
    sweeper->asked = asked;
    sweeper->handover = handover;
    sweeper->once = shared->options->sync || handover != NULL;
    sweeper->directory = directory_new(shared->config->directory, shared->stop);
    sweeper->schedules = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)schedule_free);
    g_mutex_init(&sweeper->lock);
    g_cond_init(&sweeper->wake);
    return sweeper;
}

Sweeper *sweeper_new(Shared *shared)
{
    return sweeper_new_for(shared, &shared->options->asked, NULL);
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
        schedule->problems = g_ptr_array_new_with_free_func(g_free);
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

/* A domain that a one-shot run leaves out. */
static void miss(Sweeper *sweeper, const char *domain, const char *message)
{
    if (sweeper->handover != NULL) {
        handover_miss(sweeper->handover, domain, message);
        return;
    }
    log_entry(G_LOG_LEVEL_CRITICAL, domain, NULL, "%s", message);
    g_atomic_int_inc(&sweeper->shared->incomplete);
}

/* What is new about a domain, each reason once: a server may give two in turn. Sweeps of a hand-over say nothing: the daemon's own
 * do. */
static void tell(const Sweeper *sweeper, const char *name, const char *problem, GPtrArray *told)
{
    if (sweeper->handover != NULL)
        return;
    if (problem == NULL && told->len > 0)
        log_entry(G_LOG_LEVEL_INFO, name, NULL, "domain %s can be read completely again", name);
    if (problem == NULL)
        g_ptr_array_set_size(told, 0);
    if (problem == NULL || told->len >= TOLD_MAX || g_ptr_array_find_with_equal_func(told, problem, g_str_equal, NULL))
        return;
    log_entry(G_LOG_LEVEL_WARNING, name, NULL, "domain %s cannot be read completely, trying again: %s", name, problem);
    g_ptr_array_add(told, g_strdup(problem));
}

/* What a domain's sweep came to, and when the next one is due. Under lock. */
static void settle_sweep(Sweeper *sweeper, const DomainSettings *domain, const char *problem)
{
    Schedule *schedule = find_schedule(sweeper, domain->name);
    gint64 interval_us = sweeper->once ? 0 : sweeper->shared->config->sweep_interval_us;
    bool give_up = problem != NULL && sweeper->once && schedule->attempts + 1 >= ONE_SHOT_ATTEMPTS;

    if (give_up) {
        g_autofree char *message = g_strdup_printf("domain %s cannot be read completely: %s", domain->name, problem);

        miss(sweeper, domain->name, message);
    } else {
        tell(sweeper, domain->name, problem, schedule->problems);
    }
    schedule->attempts = problem != NULL ? schedule->attempts + 1 : 0;
    if (problem != NULL && !give_up)
        schedule->due_us =
            MIN(schedule->due_us, g_get_monotonic_time() + MIN(wait_backoff_us(schedule->attempts), RETRY_LONGEST_US));
    else if (problem == NULL && interval_us > 0)
        schedule->due_us = MIN(schedule->due_us, g_get_monotonic_time() + interval_us);
}

/* What the state file broke off is due again as soon as that can be used. */
static void sweep_again(Sweeper *sweeper, const DomainSettings *domain, GError *fault)
{
    sweeper_request(sweeper, domain->name);
    shared_survive(sweeper->shared, &sweeper->state_attempts, fault);
}

/* Sweeps a domain once. While there is no connection it waits, and the domain stays due. */
static void sweep_once(Sweeper *sweeper, const DomainSettings *domain)
{
    Shared *shared = sweeper->shared;
    gint64 asked_us = g_get_monotonic_time();
    g_autoptr(GError) fault = NULL;
    bool anew;

    if (!directory_connect(sweeper->directory, &anew, &fault)) {
        sweeper_request(sweeper, domain->name);
        shared_outage(shared, shared->config->directory->uri, asked_us, ++sweeper->attempts, g_steal_pointer(&fault));
        return;
    }
    if (anew)
        outages_end(shared->outages, shared->config->directory->uri);
    sweeper->attempts = 0;
    if (!sweep_domain(shared, sweeper->directory, domain, sweeper->asked->resync, sweeper->handover, &fault)
        && stop_asked(shared->stop))
        return;
    if (fault != NULL && fault_of(fault) == FAULT_STATE) {
        sweep_again(sweeper, domain, g_steal_pointer(&fault));
        return;
    }
    sweeper->state_attempts = 0;
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

/* A one-shot run asks for nothing more meanwhile, and only a stop has to end its waits. Under lock. */
static void wait_until(Sweeper *sweeper, gint64 deadline_us)
{
    if (!sweeper->once) {
        g_cond_wait_until(&sweeper->wake, &sweeper->lock, deadline_us);
        return;
    }
    g_mutex_unlock(&sweeper->lock);
    wait_for(sweeper->shared->stop, -1, 0, deadline_us, true);
    g_mutex_lock(&sweeper->lock);
}

/* Waits until a domain is due; NULL when the daemon stops, or (once) when no domain will be due. */
static DomainSettings *next_domain(Sweeper *sweeper)
{
    DomainSettings *chosen = NULL;
    gint64 wake_us;

    g_mutex_lock(&sweeper->lock);
    while (!stop_asked(sweeper->shared->stop)) {
        chosen = take_due(sweeper, &wake_us);
        if (chosen != NULL || (sweeper->once && wake_us == NEVER))
            break;
        if (wake_us > 0)
            wait_until(sweeper, wake_us);
    }
    g_mutex_unlock(&sweeper->lock);
    return chosen;
}

static void sweep_all(Sweeper *sweeper)
{
    DomainSettings *domain;

    while ((sweeper->handover == NULL || !handover_is_over(sweeper->handover)) && (domain = next_domain(sweeper)) != NULL) {
        sweep_once(sweeper, domain);
        domain_settings_unref(domain);
    }
}

gpointer sweeper_run(gpointer sweeper)
{
    sweep_all(sweeper);
    return NULL;
}

/* The domains; false when the run ends without them. */
static bool read_domains(Sweeper *sweeper)
{
    Shared *shared = sweeper->shared;
    guint attempts = 0;

    while (!stop_asked(shared->stop)) {
        gint64 asked_us = g_get_monotonic_time();
        g_autoptr(GError) fault = NULL;

        if (domain_reader_refresh(shared, sweeper->directory, &fault))
            return true;
        shared_outage(shared, shared->config->directory->uri, asked_us, ++attempts, g_steal_pointer(&fault));
    }
    return false;
}

static bool queue_asked_entry(Sweeper *sweeper, const GPtrArray *list, GError **error)
{
    const Domain *owner;
    g_autofree char *unique_id = NULL;

    g_atomic_int_inc(&sweeper->shared->progress.found);
    if (!asked_find_entry(sweeper->asked, list, sweeper->directory, &owner, &unique_id, error))
        return false;
    if (sweeper->handover != NULL)
        handover_expect(sweeper->handover, owner->name, unique_id, false);
    return queue_add(sweeper->shared->state, owner->name, unique_id, "operator", sweeper->asked->resync, error);
}

/* It was told when the domains were read. */
static void miss_refused(Sweeper *sweeper, const Domain *domain)
{
    g_autofree char *message = NULL;

    if (sweeper->handover == NULL) {
        g_atomic_int_inc(&sweeper->shared->incomplete);
        return;
    }
    message = g_strdup_printf("domain %s is refused (%s): its entries and mailboxes are left as they are", domain->name,
                              domain->reason);
    handover_miss(sweeper->handover, domain->name, message);
}

/* The entry is queued; or the sweeps of the domains are due. */
static bool start_once(Sweeper *sweeper, GError **error)
{
    g_autoptr(GPtrArray) list = domains_list(sweeper->shared->domains);

    if (!asked_check_domain(sweeper->asked, list, error))
        return false;
    if (sweeper->asked->entry != NULL)
        return queue_asked_entry(sweeper, list, error);
    for (guint i = 0; i < list->len; i++) {
        const Domain *domain = g_ptr_array_index(list, i);

        if (!asked_has_domain(sweeper->asked, domain))
            continue;
        if (domain->status == DOMAIN_SERVED)
            sweeper_request(sweeper, domain->name);
        if (domain->status == DOMAIN_REFUSED)
            miss_refused(sweeper, domain);
    }
    return true;
}

gpointer sweeper_run_once(gpointer data)
{
    Sweeper *sweeper = data;
    Shared *shared = sweeper->shared;
    GError *fault = NULL;
    guint attempts = 0;
    bool go_on = read_domains(sweeper);

    while (go_on && !start_once(sweeper, &fault))
        go_on = shared_survive(shared, &attempts, g_steal_pointer(&fault));
    if (go_on)
        sweep_all(sweeper);
    g_atomic_int_set(&shared->sweeping, 0);
    queue_wake(shared->state);
    return NULL;
}

/* What is due in the queue belongs to it as well, as to a one-shot run; what failed and waits, or was set aside, counts in the end. */
static bool expect_due(const Sweeper *sweeper, GError **error)
{
    g_autoptr(GPtrArray) list = domains_list(sweeper->shared->domains);

    for (guint i = 0; i < list->len && sweeper->asked->entry == NULL; i++) {
        const Domain *domain = g_ptr_array_index(list, i);
        g_autoptr(GPtrArray) due = NULL;

        if (domain->status != DOMAIN_SERVED || !asked_has_domain(sweeper->asked, domain))
            continue;
        handover_note_domain(sweeper->handover, domain->name);
        if (!queue_list_due(sweeper->shared->state, domain->name, &due, error))
            return false;
        for (guint d = 0; d < due->len; d++)
            handover_expect(sweeper->handover, domain->name, g_ptr_array_index(due, d), true);
    }
    return true;
}

static bool set_swept(Sweeper *sweeper, GError **error)
{
    if (!expect_due(sweeper, error) || !handover_set_swept(sweeper->handover, error))
        return false;
    log_entry(G_LOG_LEVEL_DEBUG, NULL, NULL, "what was handed over is queued");
    return true;
}

/* Whether it was the state file, which can be used again, or the daemon stops; else the fault is left. */
static bool survives(Sweeper *sweeper, GError **fault)
{
    return fault_of(*fault) == FAULT_STATE
        && shared_survive(sweeper->shared, &sweeper->state_attempts, g_steal_pointer(fault));
}

/* A stop leaves it to the next crew, if there is one. */
static void serve(Shared *shared, Handover *handover)
{
    Sweeper *sweeper = sweeper_new_for(shared, handover_asked(handover), handover);
    g_autoptr(GError) fault = NULL;

    while (!start_once(sweeper, &fault) && survives(sweeper, &fault))
        continue;
    if (fault == NULL)
        sweep_all(sweeper);
    while (fault == NULL && !stop_asked(shared->stop) && !set_swept(sweeper, &fault) && survives(sweeper, &fault))
        continue;
    if (fault != NULL && !stop_asked(shared->stop))
        handover_fail(handover, fault->message);
    sweeper_free(sweeper);
}

gpointer sweeper_run_handovers(gpointer data)
{
    Shared *shared = data;

    while (!stop_asked(shared->stop)) {
        g_autoptr(Handover) handover = handovers_next(shared->handovers, shared->stop);

        if (handover != NULL && domains_wait_known(shared->domains, shared->stop))
            serve(shared, handover);
    }
    return NULL;
}
