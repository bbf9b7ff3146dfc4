#include "daemon/worker.h"

#include "daemon/log.h"
#include "daemon/provision.h"
#include "daemon/reaper.h"
#include "daemon/stores.h"
#include "model/fault.h"
#include "state/queue.h"

/* A one-shot run tries an entry this often before it leaves it to the next run. */
enum { ONE_SHOT_ENTRY_ATTEMPTS = 3 };
/* A bound of the idle wait, which ends when there is something to do. */
#define IDLE_US (60 * (gint64)G_USEC_PER_SEC)

typedef struct {
    Shared *shared;
    Directory *directory;
    Stores *stores;
    guint outage_attempts;
    guint state_attempts;
} Worker;

/* A connection that others got before the outage began says nothing. */
static void end_outage(Shared *shared, const char *server, bool anew)
{
    if (anew)
        outages_end(shared->outages, server);
}

/* The connections stand that all changes need, or a pause was made. */
static bool connect_servers(Worker *worker)
{
    const Config *config = worker->shared->config;
    g_autoptr(GError) fault = NULL;
    const char *server = config->directory->uri;
    gint64 asked_us = g_get_monotonic_time();
    bool anew;

    if (directory_connect(worker->directory, &anew, &fault)) {
        end_outage(worker->shared, server, anew);
        server = config->imap->uri;
        if (stores_connect(worker->stores, &fault)) {
            g_atomic_int_set(&worker->shared->connected, 1);
            worker->outage_attempts = 0;
            return true;
        }
    }
    shared_outage(worker->shared, server, asked_us, ++worker->outage_attempts, g_steal_pointer(&fault));
    return false;
}

/* What is told of a fault, and what becomes of the change. */
static char *describe_fault(const Change *change, const GError *fault)
{
    if (fault_of(fault) == FAULT_PARK)
        return g_strdup_printf("%s (set aside until the entry changes or an operator retries it: kolabctl retry %s)",
                               fault->message, change->unique_id);
    return g_strdup_printf("%s (will be tried again)", fault->message);
}

static void log_fault(const Change *change, const GError *fault, const char *message)
{
    bool told = fault_of(fault) != FAULT_PARK && g_strcmp0(change->last_error, fault->message) == 0;

    log_entry(told ? G_LOG_LEVEL_DEBUG : G_LOG_LEVEL_WARNING, change->domain, change->dn != NULL ? change->dn : change->unique_id,
              "%s", message);
}

/* Whether to record it once more; else the process ends, and the change stays queued. */
static bool survives(Worker *worker, const Change *change, guint *attempts, GError *problem)
{
    if (shared_survive(worker->shared, attempts, problem))
        return true;
    queue_return(worker->shared->state, change);
    return false;
}

/* It stays queued, and what was done of it is told. */
static void break_off(Worker *worker, const Change *change, GPtrArray *journal)
{
    GError *problem = NULL;
    guint attempts = 0;

    while (!queue_break_off(worker->shared->state, change, journal, &problem)
           && survives(worker, change, &attempts, g_steal_pointer(&problem)))
        continue;
}

/* How a change came to an end that is recorded. */
static void note_end(Shared *shared, const Change *change, const GError *fault, const char *message, bool out)
{
    GError *problem = NULL;
    guint attempts = 0;

    while (!handovers_note_end(shared->handovers, change, fault, message, out, &problem)
           && shared_survive(shared, &attempts, g_steal_pointer(&problem)))
        continue;
}

static void set_aside(Worker *worker, const Change *change, GPtrArray *journal, GError *fault)
{
    Shared *shared = worker->shared;
    Fault kind = fault_of(fault) == FAULT_PARK ? FAULT_PARK : FAULT_RETRY;
    g_autofree char *message = describe_fault(change, fault);
    GError *problem = NULL;
    guint attempts = 0;
    bool recorded;

    /* Who waits for another entry may be served before the run ends. */
    if (change->waits_for == NULL)
        g_atomic_int_inc(&shared->progress.failed);
    /* When a server is out of reach, or refuses us, that is told, and not of each entry that it left in the middle. */
    if (kind == FAULT_PARK || change->waits_for != NULL || connect_servers(worker))
        log_fault(change, fault, message);
    while (!(recorded = queue_fail(shared->state, change, kind, fault->message, journal, &problem))
           && survives(worker, change, &attempts, g_steal_pointer(&problem)))
        continue;
    if (recorded)
        note_end(shared, change, fault, message, false);
    g_error_free(fault);
}

/* Tries a change; NULL when it came to its end, else the fault (owned by the caller). */
static GError *try_change(Worker *worker, Change *change, Mailstore *mailstore, GPtrArray *journal)
{
    GError *fault = NULL;

    for (guint attempt = 1;; attempt++) {
        if (provision_change(worker->shared, worker->directory, mailstore, change, journal, &fault))
            return NULL;
        /* What was recorded may not be what there is: somebody removed a mailbox behind our back. */
        if (fault_of(fault) == FAULT_PARK && !change->verify) {
            change->verify = true;
            g_clear_error(&fault);
            continue;
        }
        if (fault_of(fault) != FAULT_RETRY || !worker->shared->options->sync || attempt == ONE_SHOT_ENTRY_ATTEMPTS
            || change->waits_for != NULL)
            return fault;
        if (wait_for(worker->shared->stop, -1, 0, g_get_monotonic_time() + wait_backoff_us(attempt), true) == WAIT_STOPPED)
            return fault;
        g_clear_error(&fault);
    }
}

/* Its server is out of reach until then. A one-shot run does not wait for it: the next one will. `tried`: it is a new outage.
 * Takes `fault`. */
static void put_off(Worker *worker, const Change *change, bool tried, gint64 until_us, GPtrArray *journal, GError *fault)
{
    Shared *shared = worker->shared;
    g_autofree char *message = describe_fault(change, fault);
    GError *problem = NULL;
    guint attempts = 0;
    bool recorded;

    if (shared->options->sync) {
        set_aside(worker, change, journal, fault);
        return;
    }
    while (!(recorded = queue_defer(shared->state, change, until_us, journal, &problem))
           && survives(worker, change, &attempts, g_steal_pointer(&problem)))
        continue;
    if (recorded && !outages_any(shared->outages)) /* it was over before that was written */
        outages_resume(shared->outages);
    if (recorded)
        note_end(shared, change, fault, message, !tried);
    g_error_free(fault);
}

static void note_success(Shared *shared, const Change *change)
{
    if (change->changed)
        g_atomic_int_inc(&shared->progress.changed);
    note_end(shared, change, NULL, NULL, false);
}

static void handle_change(Worker *worker, Change *change, Mailstore *mailstore)
{
    g_autoptr(GPtrArray) journal = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);
    guint attempts = 0;
    gint64 until_us;
    GError *fault;
    bool out;

    /* What could not be recorded is done again; what took effect stays in the journal meanwhile. */
    while ((fault = try_change(worker, change, mailstore, journal)) != NULL && fault_of(fault) == FAULT_STATE)
        if (!survives(worker, change, &attempts, fault))
            return;
    out = stores_judge(worker->stores, mailstore, fault, &until_us);
    if (fault != NULL && fault_of(fault) == FAULT_RETRY && stop_asked(worker->shared->stop)) {
        break_off(worker, change, journal);
        g_error_free(fault);
        return;
    }
    if (out)
        put_off(worker, change, true, until_us, journal, fault);
    else if (fault != NULL)
        set_aside(worker, change, journal, fault);
    else
        note_success(worker->shared, change);
    g_atomic_int_inc(&worker->shared->progress.done);
}

static void take_change(Worker *worker, Change *change)
{
    Shared *shared = worker->shared;
    g_autoptr(GPtrArray) journal = g_ptr_array_new();
    g_autoptr(GError) fault = NULL;
    gint64 asked_us = g_get_monotonic_time(), until_us = 0;
    Mailstore *mailstore;

    if (!connect_servers(worker)) {
        queue_return(shared->state, change);
        return;
    }
    if (!stores_find(worker->stores, change, &mailstore, &until_us, &fault)) {
        queue_return(shared->state, change);
        shared_outage(shared, shared->config->imap->uri, asked_us, ++worker->outage_attempts, g_steal_pointer(&fault));
    } else if (mailstore != NULL) {
        handle_change(worker, change, mailstore);
    } else {
        put_off(worker, change, false, until_us, journal,
                g_error_new(FAULT, FAULT_RETRY, "the server that has, or is to have, the mailbox is out of reach (kolabctl problems)"));
        g_atomic_int_inc(&shared->progress.done);
    }
}

/* One turn; false when the thread should end. */
static bool work(Worker *worker)
{
    Shared *shared = worker->shared;
    g_autoptr(Change) change = NULL;
    g_autoptr(GError) fault = NULL;
    guint seen;

    /* A daemon shows at its start that a server is out of reach; a one-shot run that finds nothing to do needs none, unless a
     * server may have become another that no longer has to be spared. */
    if ((!shared->options->sync || shared_must_ask(shared)) && !connect_servers(worker))
        return true;
    /* At the start: changes may wait since the last run. */
    if (!domains_wait_known(shared->domains, shared->stop))
        return true;
    seen = queue_seen(shared->state);
    if (!queue_lease(shared->state, &change, &fault))
        return shared_survive(shared, &worker->state_attempts, g_steal_pointer(&fault));
    worker->state_attempts = 0;
    if (change != NULL) {
        take_change(worker, change);
        return true;
    }
    if (shared->options->sync && shared_is_drained(shared)) {
        bool more = reaper_settle(shared);

        queue_wake(shared->state);
        return more;
    }
    stores_rest(worker->stores);
    queue_wait(shared->state, shared->stop, seen, g_get_monotonic_time() + IDLE_US);
    return true;
}

gpointer worker_run(gpointer data)
{
    Shared *shared = data;
    Worker worker = {.shared = shared};

    worker.directory = directory_new(shared->config->directory, shared->stop);
    worker.stores = stores_new(shared);
    while (!stop_asked(shared->stop) && work(&worker))
        continue;
    stores_free(worker.stores);
    directory_free(worker.directory);
    return NULL;
}
