#include "daemon/remember.h"

#include "daemon/log.h"
#include "state/queue.h"

#include <string.h>

bool remember_begin(Job *job, const char *to, gint64 quota_kib, GError **error)
{
    g_autoptr(Record) record = record_new(job->domain->name, job->change->unique_id);

    record->kind = g_strdup(entry_kind_name(entry_kind(job->entry)));
    record->dn = g_strdup(entry_dn(job->entry));
    return state_note_begin(job->shared->state, record, to, quota_kib, error);
}

/* NULL: the mailbox's quota stays. */
static const Step *find_quota_step(const Plan *plan)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);

        if (step->kind == STEP_SET_QUOTA && step->folder == NULL)
            return step;
    }
    return NULL;
}

/* A move may take long, and a process that is killed in the middle finds it done: that it was begun is told before. */
static bool tell_move(const Job *job, const Step *step, GError **error)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)journal_row_free);
    JournalRow *row = journal_row_new(step_kind_name(step->kind));

    row->mailbox = g_strdup(step->mailbox);
    row->before = g_strdup(step->before);
    row->after = g_strdup(step->after);
    row->outcome = g_strdup("begun");
    g_ptr_array_add(rows, row);
    log_entry(G_LOG_LEVEL_MESSAGE, job->domain->name, job->plan->dn, "moving mailbox %s from %s to %s", step->mailbox, step->before,
              step->after);
    return queue_tell(job->shared->state, job->change, rows, error);
}

static bool tell_moves(const Job *job, GError **error)
{
    for (guint i = 0; i < job->plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(job->plan->steps, i);

        if (step->kind == STEP_MOVE_MAILBOX && !tell_move(job, step, error))
            return false;
    }
    return true;
}

bool remember_plan(Job *job, GError **error)
{
    const Step *quota = find_quota_step(job->plan);
    gint64 quota_kib = job->record != NULL ? job->record->quota_kib : QUOTA_ANY;
    bool moves = job->plan->takes_name && g_strcmp0(job_recorded_mailbox(job), job->account->mailbox) != 0;

    /* A limit that is to be lifted stays on record as ours until it is gone: others are left alone, as all of shared mailboxes. */
    if (quota != NULL && quota->quota_kib >= 0 && job->account->login != NULL)
        quota_kib = quota->quota_kib;
    return tell_moves(job, error)
        && ((quota == NULL && !job->plan->takes_name)
        || remember_begin(job, moves ? job->account->mailbox : NULL, quota_kib, error));
}

static bool knows_folder(const Job *job, const char *folder)
{
    return job->record != NULL && g_ptr_array_find_with_equal_func(job->record->folders, folder, g_str_equal, NULL);
}

static bool creates_folder(const Plan *plan, const char *folder)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        const Step *step = g_ptr_array_index(plan->steps, i);

        if (step->kind == STEP_CREATE_FOLDER && strcmp(step->folder, folder) == 0)
            return true;
    }
    return false;
}

/* Folders that are there, or were: what is gone later, its owner removed. */
static void remember_folders(const Job *job, Record *record)
{
    for (guint i = 0; i < job->account->folders->len; i++) {
        const char *name = ((const Folder *)g_ptr_array_index(job->account->folders, i))->name;

        if (knows_folder(job, name) || creates_folder(job->plan, name) || g_hash_table_contains(job->observed->folders, name))
            g_ptr_array_add(record->folders, g_strdup(name));
    }
}

static const char *find_host(const Job *job)
{
    if (job->plan->server != NULL)
        return job->plan->server;
    if (job->account->mail_host != NULL)
        return job->account->mail_host;
    return job->account->mailbox != NULL ? job->domain->mail_host : NULL;
}

static Record *make_record(const Job *job, const Entry *expected)
{
    const Account *account = job->account;
    Record *record = record_new(job->domain->name, job->change->unique_id);

    record->kind = g_strdup(entry_kind_name(entry_kind(job->entry)));
    record->dn = g_strdup(entry_dn(job->entry));
    record->modify_timestamp = g_strdup(entry_modify_timestamp(job->entry));
    record->result_attribute = g_strdup(account->result_value);
    record->mailbox = g_strdup(account->mailbox != NULL ? account->mailbox : job_recorded_mailbox(job));
    record->mail_host = g_strdup(find_host(job));
    record->quota_kib = account->quota_kib;
    record->fingerprint = entry_fingerprint(expected, job->domain->digest);
    record->attributes = entry_attribute_names(expected);
    record->primary = g_strdup(account->primary);
    g_ptr_array_extend(record->aliases, account->aliases, (GCopyFunc)(void (*)(void))g_strdup, NULL);
    g_ptr_array_extend(record->identifiers, account->identifiers, (GCopyFunc)(void (*)(void))g_strdup, NULL);
    remember_folders(job, record);
    g_ptr_array_extend(record->acl, job->acl, (GCopyFunc)(void (*)(void))g_strdup, NULL);
    record->blocked = g_strdup(job->blocked);
    return record;
}

bool remember_others(Job *job, GError **error)
{
    State *state = job->shared->state;
    const char *recorded = job_recorded_mailbox(job);
    bool is_shared = job->account->mailbox != NULL && job->account->login == NULL;

    if (!is_shared)
        return true;
    if (recorded != NULL && strcmp(recorded, job->account->mailbox) != 0
        && !state_move_below(state, recorded, job->account->mailbox, error))
        return false;
    return job->observed->acl_known || !job->account->acl_complete || job->shared->options->dry_run
        || queue_add(state, job->domain->name, job->change->unique_id, "created", true, error);
}

/* The fingerprint is of the entry as it will come back with the notice of our own write. */
bool remember_outcome(Job *job, GError **error)
{
    g_autoptr(Entry) expected = plan_expected_entry(job->plan, job->entry);
    g_autoptr(Record) record = make_record(job, expected);

    /* Folders are looked at under the name that the mailbox had before only: once more. */
    if (job->change->verify && !job->observed->folders_known && job->plan->takes_name && record->mailbox != NULL
        && job->account->login != NULL && job->observed->previous_exists
        && !queue_add(job->shared->state, record->domain, record->unique_id, job->change->reason, true, error))
        return false;
    /* What a dry run did not do is not on record: later entries see the store as it is. */
    return queue_finish(job->shared->state, job->change, job->shared->options->dry_run ? NULL : record, job->journal, error);
}
