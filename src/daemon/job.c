#include "daemon/job.h"

static void release(Job *job)
{
    if (job->hold == HOLD_READER)
        g_rw_lock_reader_unlock(&job->shared->shared_lock);
    if (job->hold == HOLD_WRITER)
        g_rw_lock_writer_unlock(&job->shared->shared_lock);
    job->hold = HOLD_NONE;
}

void job_clear(Job *job)
{
    if (job->claimed != NULL)
        shared_unclaim(job->shared, job->claimed);
    g_clear_pointer(&job->claimed, g_free);
    g_clear_pointer(&job->domain, domain_settings_unref);
    g_clear_pointer(&job->record, record_free);
    g_clear_pointer(&job->entry, entry_free);
    g_clear_pointer(&job->account, account_free);
    g_clear_pointer(&job->observed, observed_free);
    g_clear_pointer(&job->backends, g_ptr_array_unref);
    g_clear_pointer(&job->backend, g_free);
    g_clear_pointer(&job->plan, plan_free);
    g_clear_pointer(&job->acl, g_ptr_array_unref);
    g_clear_pointer(&job->blocked, g_free);
    release(job);
}

const ImapSettings *job_imap(const Job *job)
{
    return config_imap_of(job->shared->config, job->domain->name);
}

static const char *const *as_list(GPtrArray *array, GPtrArray *values)
{
    g_ptr_array_extend(array, values, NULL, NULL);
    g_ptr_array_add(array, NULL);
    return (const char *const *)array->pdata;
}

PlanHistory job_history(const Job *job, GPtrArray *folders, GPtrArray *acl)
{
    PlanHistory history = {
        .quota_kib = QUOTA_ANY,
        .enforce_folders = job->domain->enforce_folders,
        .administrator = job_imap(job)->admin_login,
        .placement = {.server = job->backend, .partition = job->domain->placement_partition, .move = job->domain->placement_move,
                      .backends = job->backends},
    };

    if (job->record == NULL)
        return history;
    history.mailbox = job->record->mailbox;
    history.quota_kib = job->record->quota_kib;
    if (job->created_steps > 0) /* what was recorded is of a mailbox that is gone */
        return history;
    history.folders = as_list(folders, job->record->folders);
    history.acl = as_list(acl, job->record->acl);
    return history;
}

void job_note_postponed(Job *job)
{
    g_atomic_int_add(&job->shared->progress.done, -1); /* it comes again */
    job->postponed = true;
}

const char *job_recorded_mailbox(const Job *job)
{
    return job->record != NULL ? job->record->mailbox : NULL;
}

/* Holds the others' mailboxes still from here to the end. What was recorded may have changed while we waited. */
static bool hold(Job *job, Hold wanted, GError **error)
{
    if (job->hold >= wanted)
        return true;
    release(job);
    if (wanted == HOLD_WRITER)
        g_rw_lock_writer_lock(&job->shared->shared_lock);
    else
        g_rw_lock_reader_lock(&job->shared->shared_lock);
    job->hold = wanted;
    g_clear_pointer(&job->record, record_free);
    return state_find_record(job->shared->state, job->change->domain, job->change->unique_id, &job->record, error);
}

static bool has_shared_mailbox(const Record *record)
{
    return record != NULL && record->mailbox != NULL && g_str_has_prefix(record->mailbox, "shared/");
}

bool job_hold_recorded(Job *job, GError **error)
{
    return !has_shared_mailbox(job->record) || hold(job, job->record->renaming_to != NULL ? HOLD_WRITER : HOLD_READER, error);
}

bool job_hold_decided(Job *job, GError **error)
{
    if (job->account->login != NULL || job->account->mailbox == NULL)
        return true;
    return hold(job, job->record != NULL && g_strcmp0(job->record->mailbox, job->account->mailbox) != 0 ? HOLD_WRITER : HOLD_READER,
                error);
}
