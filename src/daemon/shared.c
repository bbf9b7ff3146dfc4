#include "daemon/shared.h"

#include "daemon/log.h"
#include "model/fault.h"
#include "state/queue.h"

#include <string.h>
#include <systemd/sd-daemon.h>

/* A one-shot run does not wait for a server for ever; the next run of the timer will. */
enum { ONE_SHOT_ATTEMPTS = 3 };
/* What fails for the state's sake, which can be used, so often in a row is not a matter of the moment. */
enum { ATTEMPTS_IN_VAIN = 3 };

void shared_init(Shared *shared, const Config *config, const RunOptions *options, State *state, Stop *stop)
{
    *shared = (Shared){.config = config, .options = options, .state = state, .stop = stop};
    shared->domains = domains_new(config);
    progress_init(&shared->progress, options->sync && !options->dry_run);
    shared->outages = outages_new(state);
    shared->murder = murder_new(state, shared->outages);
    g_mutex_init(&shared->blocked_lock);
    shared->blocked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)blocked_free);
    shared->creators = g_ptr_array_new_with_free_func((GDestroyNotify)creator_free);
    shared->gates = g_ptr_array_new_with_free_func((GDestroyNotify)gates_free);
    for (guint i = 0; i < config->imap_servers->len; i++) {
        const ImapSettings *settings = g_ptr_array_index(config->imap_servers, i);

        g_ptr_array_add(shared->creators, creator_new(settings, stop, state_last_written_us(state)));
        g_ptr_array_add(shared->gates, gates_new(settings, config->workers));
    }
    g_rw_lock_init(&shared->shared_lock);
    g_mutex_init(&shared->decide_lock);
    g_mutex_init(&shared->settle_lock);
    g_mutex_init(&shared->claim_lock);
    g_cond_init(&shared->claim_ended);
    shared->claimed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init(&shared->output_lock);
    g_mutex_init(&shared->revive_lock);
    g_mutex_init(&shared->fatal_lock);
}

void shared_clear(Shared *shared)
{
    g_clear_pointer(&shared->domains, domains_free);
    g_hash_table_unref(shared->blocked);
    g_mutex_clear(&shared->blocked_lock);
    g_ptr_array_unref(shared->creators);
    g_ptr_array_unref(shared->gates);
    murder_free(shared->murder);
    outages_free(shared->outages);
    g_rw_lock_clear(&shared->shared_lock);
    g_mutex_clear(&shared->decide_lock);
    g_mutex_clear(&shared->settle_lock);
    g_mutex_clear(&shared->claim_lock);
    g_cond_clear(&shared->claim_ended);
    g_hash_table_unref(shared->claimed);
    g_mutex_clear(&shared->output_lock);
    g_mutex_clear(&shared->revive_lock);
    g_mutex_clear(&shared->fatal_lock);
    g_clear_error(&shared->fatal);
}

Blocked *shared_blocked(Shared *shared, const ImapSettings *server, const char *backend)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&shared->blocked_lock);
    g_autofree char *name = backend != NULL ? g_ascii_strdown(backend, -1) : g_strdup(server->uri);
    Blocked *blocked = g_hash_table_lookup(shared->blocked, name);

    if (blocked != NULL)
        return blocked;
    blocked = blocked_new(shared->state, name);
    g_hash_table_insert(shared->blocked, g_steal_pointer(&name), blocked);
    return blocked;
}

bool shared_must_ask(Shared *shared)
{
    bool any = false;

    return !g_atomic_int_get(&shared->connected) && state_has_block(shared->state, &any, NULL) && any;
}

void shared_claim(Shared *shared, const char *mailbox)
{
    g_mutex_lock(&shared->claim_lock);
    while (g_hash_table_contains(shared->claimed, mailbox))
        g_cond_wait(&shared->claim_ended, &shared->claim_lock);
    g_hash_table_add(shared->claimed, g_strdup(mailbox));
    g_mutex_unlock(&shared->claim_lock);
}

void shared_unclaim(Shared *shared, const char *mailbox)
{
    g_mutex_lock(&shared->claim_lock);
    g_hash_table_remove(shared->claimed, mailbox);
    g_cond_broadcast(&shared->claim_ended);
    g_mutex_unlock(&shared->claim_lock);
}

void shared_fail(Shared *shared, GError *fatal)
{
    g_mutex_lock(&shared->fatal_lock);
    if (shared->fatal == NULL)
        shared->fatal = fatal;
    else
        g_error_free(fatal);
    g_mutex_unlock(&shared->fatal_lock);
    stop_now(shared->stop);
    g_main_context_wakeup(NULL);
}

/* Else the process ends, for that or another reason. */
static bool may_try_again(Shared *shared, guint attempt, bool hopeless, const GError *fault)
{
    if (stop_asked(shared->stop))
        return false;
    if (!hopeless && (!shared->options->sync || attempt < ONE_SHOT_ATTEMPTS))
        return true;
    shared_fail(shared, g_error_copy(fault));
    return false;
}

/* What was handed over does not wait for longer than a one-shot run; `sweeps`: nor what is to be swept for it. */
static void pause_after(Shared *shared, guint attempt, bool sweeps, const char *message)
{
    gint64 pause_us = MIN(wait_backoff_us(attempt), OUTAGE_PAUSE_LONGEST_US);

    if (attempt >= ONE_SHOT_ATTEMPTS)
        handovers_give_up(shared->handovers, sweeps, message);
    wait_for(shared->stop, -1, 0, g_get_monotonic_time() + pause_us, true);
}

void shared_outage(Shared *shared, const char *server, gint64 asked_us, guint attempt, GError *fault)
{
    bool hopeless = fault_of(fault) == FAULT_STOP && !shared->patient && !g_atomic_int_get(&shared->connected);
    guint earlier = attempt - 1;

    if (fault_of(fault) == FAULT_STATE) {
        shared_survive(shared, &earlier, fault);
        return;
    }
    if (may_try_again(shared, attempt, hopeless, fault)) {
        outages_begin(shared->outages, server, NULL, asked_us, fault->message);
        pause_after(shared, attempt, strcmp(server, shared->config->directory->uri) == 0, fault->message);
    }
    g_error_free(fault);
}

/* All that the threads know of the state is no longer so. A one-shot run is not begun anew: it may have printed something. */
static void take_other_state(Shared *shared)
{
    const char *path = shared->config->state_file;

    if (shared->options->sync) {
        shared_fail(shared, g_error_new(FAULT, FAULT_RETRY, "state file %s was replaced, or another program wrote into it, during "
                                        "the run; run kolabd again", path));
        return;
    }
    log_entry(G_LOG_LEVEL_WARNING, NULL, NULL,
              "state file %s was replaced, or another program wrote into it: what lies there now is used from here on, and every entry "
              "is compared with it", path);
    g_atomic_int_set(&shared->anew, 1);
    g_main_context_wakeup(NULL);
}

static void take_revival(Shared *shared, StateRevival revival)
{
    switch (revival) {
    case REVIVED_ITSELF:
        return;
    case REVIVED_WRITTEN_AGAIN:
        log_entry(G_LOG_LEVEL_WARNING, NULL, NULL,
                  "state file %s was removed while kolabd works with it: it is written again, with all that it had",
                  shared->config->state_file);
        g_atomic_int_set(&shared->restored, 1);
        g_main_context_wakeup(NULL);
        return;
    case REVIVED_OTHER:
        take_other_state(shared);
        return;
    }
}

void shared_tell_status(Shared *shared)
{
    g_autoptr(GPtrArray) list = domains_list(shared->domains);

    sd_notifyf(0, "STATUS=%u domain(s), %u workers", list->len, shared->config->workers);
}

/* Its beginning and its end are told to systemd as well: kolabctl may not be able to read the file. Not each outage of a server:
 * where nobody takes these messages the tenth one waits for ever. */
static void begin_outage(Shared *shared, const char *what, const char *message)
{
    if (!outages_is_out(shared->outages, what))
        sd_notifyf(0, "STATUS=%s", message);
    outages_begin(shared->outages, what, NULL, g_get_monotonic_time(), message);
}

static void end_outage(Shared *shared, const char *what)
{
    if (outages_is_out(shared->outages, what))
        shared_tell_status(shared);
    outages_end(shared->outages, what);
}

/* One at a time, so that nobody begins an outage with what another one has just mended. */
static bool revive(Shared *shared, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&shared->revive_lock);
    g_autofree char *what = g_strconcat("state file ", shared->config->state_file, NULL);
    g_autoptr(GError) fault = NULL;
    StateRevival revival;

    if (state_revive(shared->state, &revival, &fault)) {
        take_revival(shared, revival);
        end_outage(shared, what);
        return true;
    }
    if (!stop_asked(shared->stop))
        begin_outage(shared, what, fault->message);
    g_propagate_error(error, g_steal_pointer(&fault));
    return false;
}

bool shared_survive(Shared *shared, guint *attempts, GError *fault)
{
    g_autoptr(GError) problem = fault;
    bool often = *attempts >= ATTEMPTS_IN_VAIN;

    if (fault_of(problem) != FAULT_STATE) {
        shared_fail(shared, g_steal_pointer(&problem));
        return false;
    }
    /* The file can be used, and what the caller does with it fails nevertheless: that is not to be tried without end. */
    if (often && !may_try_again(shared, *attempts, false, problem))
        return false;
    if (often) {
        log_entry(G_LOG_LEVEL_WARNING, NULL, NULL, "%s; trying again", problem->message);
        pause_after(shared, *attempts, true, problem->message);
    }
    /* At first without a pause: what was removed is just written again. */
    for (;;) {
        ++*attempts;
        g_clear_error(&problem);
        if (revive(shared, &problem))
            return true;
        if (!may_try_again(shared, *attempts, false, problem))
            return false;
        pause_after(shared, *attempts, true, problem->message);
    }
}

bool shared_is_drained(Shared *shared)
{
    bool sweeping = g_atomic_int_get(&shared->sweeping) != 0;
    GError *fault = NULL;
    guint attempts = 0;
    QueueCounts counts;

    while (!queue_count(shared->state, &counts, &fault))
        if (!shared_survive(shared, &attempts, g_steal_pointer(&fault)))
            return true;
    return !sweeping && counts.due == 0 && counts.leased == 0;
}
