#include "daemon/shared.h"

#include "model/fault.h"
#include "state/queue.h"

#include <string.h>

/* A one-shot run does not wait for a server for ever; the next run of the timer will. */
enum { ONE_SHOT_ATTEMPTS = 3 };

void shared_init(Shared *shared, const Config *config, const RunOptions *options, State *state, Stop *stop)
{
    *shared = (Shared){.config = config, .options = options, .state = state, .stop = stop};
    shared->domains = domains_new(config);
    progress_init(&shared->progress, options->sync && !options->dry_run);
    shared->outages = outages_new(state);
    shared->murder = murder_new(state, shared->outages);
    shared->blocked = g_ptr_array_new_with_free_func((GDestroyNotify)blocked_free);
    for (guint i = 0; i < config->imap_servers->len; i++)
        g_ptr_array_add(shared->blocked, blocked_new(state, ((const ImapSettings *)g_ptr_array_index(config->imap_servers, i))->uri));
    g_rw_lock_init(&shared->shared_lock);
    g_mutex_init(&shared->decide_lock);
    g_mutex_init(&shared->settle_lock);
    g_mutex_init(&shared->claim_lock);
    g_cond_init(&shared->claim_ended);
    shared->claimed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init(&shared->output_lock);
    g_mutex_init(&shared->fatal_lock);
}

void shared_clear(Shared *shared)
{
    g_clear_pointer(&shared->domains, domains_free);
    g_ptr_array_unref(shared->blocked);
    murder_free(shared->murder);
    outages_free(shared->outages);
    g_rw_lock_clear(&shared->shared_lock);
    g_mutex_clear(&shared->decide_lock);
    g_mutex_clear(&shared->settle_lock);
    g_mutex_clear(&shared->claim_lock);
    g_cond_clear(&shared->claim_ended);
    g_hash_table_unref(shared->claimed);
    g_mutex_clear(&shared->output_lock);
    g_mutex_clear(&shared->fatal_lock);
    g_clear_error(&shared->fatal);
}

Blocked *shared_blocked(const Shared *shared, const ImapSettings *server)
{
    guint at = 0;

    g_ptr_array_find(shared->config->imap_servers, server, &at);
    return g_ptr_array_index(shared->blocked, at);
}

bool shared_must_ask(const Shared *shared)
{
    for (guint i = 0; i < shared->blocked->len; i++)
        if (blocked_must_ask(g_ptr_array_index(shared->blocked, i)))
            return true;
    return false;
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

void shared_outage(Shared *shared, const char *server, guint attempt, GError *fault)
{
    bool hopeless = fault_of(fault) == FAULT_STOP && !shared->patient && !g_atomic_int_get(&shared->connected);
    gint64 pause_us = MIN(wait_backoff_us(attempt), OUTAGE_PAUSE_LONGEST_US);

    if (stop_asked(shared->stop)) {
        g_error_free(fault);
        return;
    }
    if (hopeless || (shared->options->sync && attempt >= ONE_SHOT_ATTEMPTS)) {
        shared_fail(shared, fault);
        return;
    }
    outages_begin(shared->outages, server, fault->message);
    if (attempt >= ONE_SHOT_ATTEMPTS)
        handovers_give_up(shared->handovers, strcmp(server, shared->config->directory->uri) == 0, fault->message);
    g_error_free(fault);
    wait_for(shared->stop, -1, 0, g_get_monotonic_time() + pause_us, true);
}

bool shared_is_drained(Shared *shared)
{
    bool sweeping = g_atomic_int_get(&shared->sweeping) != 0;
    g_autoptr(GError) fault = NULL;
    QueueCounts counts;

    if (!queue_count(shared->state, &counts, &fault)) {
        shared_fail(shared, g_steal_pointer(&fault));
        return true;
    }
    return !sweeping && counts.due == 0 && counts.leased == 0;
}
