#include "daemon/creating.h"

#include "apply/apply.h"
#include "daemon/observing.h"
#include "daemon/remember.h"

bool creating_try(Job *job, GError **error)
{
    g_autoptr(GPtrArray) folders = g_ptr_array_new();
    g_autoptr(GPtrArray) acl = g_ptr_array_new();
    PlanHistory history = job_history(job, folders, acl);

    if (!plan_create(job->entry, job->account, job->observed, &history, &job->plan, error))
        return false;
    if (job->plan == NULL)
        return true;
    if (!remember_plan(job, error)
        || !apply_plan(job->plan, NULL, job->directory, job->mailstore, job->journal, error))
        return false;
    for (guint i = 0; i < job->plan->steps->len; i++)
        job->was_there = job->was_there || ((const Step *)g_ptr_array_index(job->plan->steps, i))->existed;
    job->created_steps = job->plan->steps->len - (job->was_there ? 1 : 0);
    g_clear_pointer(&job->plan, plan_free);
    return true;
}

/* What was made a moment ago has no folders, and its quota is the one that was asked for. */
static void note_created(Job *job)
{
    job->observed->assumed = false;
    job->observed->mailbox_exists = true;
    job->observed->folders_known = true;
    job->observed->quota_kib = MAX(job->account->quota_kib, QUOTA_UNLIMITED);
}

bool creating_assumed(Job *job, GError **error)
{
    if (!job->observed->assumed)
        return true;
    if (!creating_try(job, error))
        return false;
    if (!job->was_there) {
        note_created(job);
        return true;
    }
    g_clear_pointer(&job->observed, observed_free);
    return observing_look(job, true, error);
}
