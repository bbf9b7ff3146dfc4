#include "daemon/observing.h"

#include "model/server_name.h"

static const char *previous_name(const Job *job)
{
    const char *recorded = job_recorded_mailbox(job);

    return g_strcmp0(recorded, job->account->mailbox) == 0 ? NULL : recorded;
}

/* Without a reason to doubt it, what we recorded is what there is. */
static Observed *observe_record(const Job *job)
{
    Observed *observed = observed_new();

    observed->mailbox_exists = true;
    observed->quota_known = true;
    observed->quota_kib = MAX(job->record->quota_kib, QUOTA_UNLIMITED);
    observed->murder = mailstore_is_murder(job->mailstore);
    observed->server = observed->murder ? g_strdup(job->record->mail_host) : NULL;
    return observed;
}

/* A limit is to be lifted, and none of ours is on record: there may be one of somebody else. */
static bool lifts_another(const Job *job)
{
    return job->account->quota_kib == QUOTA_UNLIMITED && job->record->quota_kib == QUOTA_ANY;
}

/* Nobody looked after the mailbox of an entry that comes back, or that was left half-way; and where the directory says that a
 * mailbox is somewhere else, somebody may have moved it. */
static bool is_doubtful(const Job *job)
{
    const Record *record = job->record;

    if (record == NULL)
        return false;
    return record->departed || record->fingerprint == NULL || lifts_another(job)
        || (mailstore_is_murder(job->mailstore) && !server_name_equal(record->mail_host, job->account->host_asked));
}

/* An entry that we hear of for the first time. A mailbox that is there all the same says so when it is to be created: then is the
 * time to look at it. */
static bool is_likely_new(const Job *job)
{
    return job->record == NULL && job->account->login != NULL && !job->change->verify && !job->vacated
        && !job->shared->options->dry_run && !mailstore_is_murder(job->mailstore);
}

bool observing_look(Job *job, bool folders, GError **error)
{
    /* All of it is cheap to ask, and only the server knows the rights that are not ours. */
    if (job->account->login == NULL)
        return mailstore_observe_shared(job->mailstore, job->account, previous_name(job), job->vacated, &job->observed, error);
    if (!mailstore_observe(job->mailstore, job->account, previous_name(job), folders, &job->observed, error))
        return false;
    job->observed->mailbox_exists = job->observed->mailbox_exists && !job->vacated;
    return true;
}

bool observing_observe(Job *job, GError **error)
{
    const char *recorded = job_recorded_mailbox(job);

    if (job->account->mailbox == NULL) {
        job->observed = observed_new();
        return true;
    }
    job->change->verify = job->change->verify || is_doubtful(job);
    if (job->account->login != NULL && g_strcmp0(recorded, job->account->mailbox) == 0 && !job->change->verify) {
        job->observed = observe_record(job);
        return true;
    }
    if (is_likely_new(job)) {
        job->observed = mailstore_assume(job->mailstore);
        return true;
    }
    return observing_look(job, recorded == NULL || job->change->verify, error);
}
