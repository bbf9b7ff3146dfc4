#include "daemon/placing.h"

#include "daemon/creating.h"
#include "daemon/murder.h"
#include "daemon/observing.h"
#include "model/fault.h"
#include "policy/placement.h"

/* The frontend mostly knows a new mailbox within a few milliseconds; a worker waits for that, and for no longer. */
#define GLANCE_US ((gint64)G_USEC_PER_SEC / 200)
enum { GLANCES = 5 };

static bool is_new(const Job *job)
{
    return job->observed->murder && job->account->mailbox != NULL && !job->observed->mailbox_exists
        && !job->observed->previous_exists;
}

/* Who asks for a certain backend waits for it. */
static bool check_asked(const Job *job, GError **error)
{
    bool decides = job->domain->placement_policy == PLACEMENT_MAILHOST || job->domain->placement_move;
    const PlacementBackend *asked = decides ? placement_find(job->backends, job->account->host_asked) : NULL;

    if (asked == NULL || asked->reachable)
        return true;
    mailstore_blame(job->mailstore, asked->name);
    g_set_error(error, FAULT, FAULT_RETRY, "mailbox %s is to be on %s, which is out of reach", job->account->mailbox, asked->name);
    return false;
}

static bool list_backends(Job *job, GError **error)
{
    bool room = is_new(job) && job->domain->placement_policy == PLACEMENT_LEAST_USED;

    g_clear_pointer(&job->backends, g_ptr_array_unref);
    return murder_list_backends(job->shared->murder, job_imap(job), room ? job->mailstore : NULL, &job->backends, error);
}

bool placing_choose(Job *job, GError **error)
{
    bool in_turn = job->domain->placement_policy == PLACEMENT_ROUND_ROBIN;

    if (!job->observed->murder || job->account->mailbox == NULL)
        return true;
    if (!list_backends(job, error))
        return false;
    if (!is_new(job))
        return true;
    if (!check_asked(job, error))
        return false;
    g_free(job->backend);
    job->backend = g_strdup(placement_choose(job->domain, job->account->host_asked, job->backends,
                                             in_turn ? murder_take_turn(job->shared->murder) : 0));
    return true;
}

/* What this job has just created has no folders: that is not worth a session. */
static bool look_again(Job *job, GError **error)
{
    bool created = job->created_steps > 0;

    g_clear_pointer(&job->observed, observed_free);
    if (!observing_look(job, !created, error))
        return false;
    job->observed->folders_known = job->observed->folders_known || created;
    return true;
}

static bool fail_hidden(const Job *job, gint64 hidden_us, GError **error)
{
    bool over = hidden_us >= job->domain->settle_timeout_us;

    g_set_error(error, FAULT, over ? FAULT_PARK : FAULT_RETRY,
                "%s: mailbox %s was created %.3g s ago, but the frontend does not know it%s", job_imap(job)->uri,
                job->account->mailbox, (double)hidden_us / G_USEC_PER_SEC,
                over ? ": the murder does not settle within placement.settle_timeout; look for the mupdate master and for the "
                       "frontend's connection to it, then retry the entry" : " yet");
    return false;
}

/* Looks a few times, so that others are not kept waiting for long. */
static bool wait_until_shown(Job *job, GError **error)
{
    Murder *murder = job->shared->murder;
    const char *mailbox = job->account->mailbox;
    gint64 hidden_us;

    for (guint glance = 0;; glance++) {
        if (!look_again(job, error))
            return false;
        if (job->observed->mailbox_exists) {
            murder_show(murder, mailbox);
            return true;
        }
        if (glance == GLANCES || wait_for(job->shared->stop, -1, 0, g_get_monotonic_time() + (GLANCE_US << glance), true) == WAIT_STOPPED)
            break;
    }
    hidden_us = murder_hidden_us(murder, mailbox);
    if (hidden_us >= job->domain->settle_timeout_us)
        murder_show(murder, mailbox); /* who retries it begins anew */
    return fail_hidden(job, hidden_us, error);
}

/* Whether another backend can have it, since the one that was chosen turned out not to answer. */
static bool choose_another(Job *job, const GError *fault)
{
    g_autofree char *before = g_strdup(job->backend);

    if (before == NULL || fault_of(fault) != FAULT_RETRY || g_strcmp0(mailstore_culprit(job->mailstore), before) != 0
        || stop_asked(job->shared->stop))
        return false;
    outages_begin(job->shared->outages, before, job_imap(job), g_get_monotonic_time(), fault->message);
    g_clear_pointer(&job->plan, plan_free);
    return placing_choose(job, NULL) && job->backend != NULL && g_strcmp0(job->backend, before) != 0;
}

/* Each round finds one backend more out of reach. */
static bool create(Job *job, GError **error)
{
    g_autoptr(GError) fault = NULL;

    while (!creating_try(job, &fault)) {
        if (!choose_another(job, fault)) {
            g_propagate_error(error, g_steal_pointer(&fault));
            return false;
        }
        g_clear_error(&fault);
        mailstore_begin(job->mailstore);
    }
    if (job->created_steps > 0)
        murder_create(job->shared->murder, job->account->mailbox, job->backend);
    return true;
}

bool placing_create(Job *job, GError **error)
{
    if (!is_new(job) || job->shared->options->dry_run)
        return true;
    if (murder_hidden_us(job->shared->murder, job->account->mailbox) < 0 && !create(job, error))
        return false;
    return wait_until_shown(job, error);
}
