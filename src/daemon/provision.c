#include "daemon/provision.h"

#include "apply/apply.h"
#include "daemon/claim.h"
#include "daemon/decision.h"
#include "daemon/depart.h"
#include "daemon/heir.h"
#include "daemon/log.h"
#include "model/fault.h"
#include "model/mailbox_name.h"
#include "plan/print.h"
#include "policy/shared.h"

#include <stdio.h>
#include <string.h>

/* How a job holds the others' shared mailboxes still. */
typedef enum {
    HOLD_NONE,
    HOLD_READER, /* nobody's is renamed */
    HOLD_WRITER, /* and nobody else works on one */
} Hold;

/* One change on its way; what a stage finds out is the next one's input. */
typedef struct {
    Shared *shared;
    Directory *directory;
    Mailstore *mailstore;
    Change *change;
    DomainSettings *domain;
    GPtrArray *journal;
    bool vacated;   /* a dry run takes the wanted mailbox for gone: its owner leaves it */
    bool postponed; /* the change waits for another one */
    char *claimed;  /* mailbox that we took with shared_claim; NULL: none */
    Record *record; /* what is known; NULL: nothing */
    Entry *entry;   /* NULL: not below the base */
    Account *account;
    Observed *observed;
    Plan *plan;
    GPtrArray *acl; /* of char*: what the plan gives, to remember */
    Hold hold;
    char *blocked;  /* the step that was left out because the server dies of it; NULL: none */
} Job;

static void release(Job *job)
{
    if (job->hold == HOLD_READER)
        g_rw_lock_reader_unlock(&job->shared->shared_lock);
    if (job->hold == HOLD_WRITER)
        g_rw_lock_writer_unlock(&job->shared->shared_lock);
    job->hold = HOLD_NONE;
}

static void job_clear(Job *job)
{
    if (job->claimed != NULL)
        shared_unclaim(job->shared, job->claimed);
    g_clear_pointer(&job->claimed, g_free);
    g_clear_pointer(&job->domain, domain_settings_unref);
    g_clear_pointer(&job->record, record_free);
    g_clear_pointer(&job->entry, entry_free);
    g_clear_pointer(&job->account, account_free);
    g_clear_pointer(&job->observed, observed_free);
    g_clear_pointer(&job->plan, plan_free);
    g_clear_pointer(&job->acl, g_ptr_array_unref);
    g_clear_pointer(&job->blocked, g_free);
    release(job);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

static bool read_entry(Job *job, GError **error)
{
    if (!directory_read_entry(job->directory, job->domain, job->change->unique_id, &job->entry, error))
        return false;
    if (job->entry != NULL) {
        g_free(job->change->dn);
        job->change->dn = g_strdup(entry_dn(job->entry));
    }
    return state_find_record(job->shared->state, job->change->domain, job->change->unique_id, &job->record, error);
}

/* An entry that was moved here from another domain brings its mailbox along, whether or not that domain has noticed. What that
 * domain still serves stays there: then the bases of the two overlap. */
static bool follow_entry(Job *job, GError **error)
{
    State *state = job->shared->state;
    const char *unique_id = job->change->unique_id;
    g_autoptr(DomainSettings) before = NULL;
    g_autoptr(Entry) there = NULL;
    g_autofree char *other = NULL;

    if (job->entry == NULL || entry_kind(job->entry) == KIND_NONE || job->record != NULL)
        return true;
    if (!state_find_elsewhere(state, job->domain->name, unique_id, &other, error))
        return false;
    if (other == NULL)
        return true;
    before = domains_find_served(job->shared->domains, other);
    if (before != NULL && !directory_read_entry(job->directory, before, unique_id, &there, error))
        return false;
    if (there != NULL)
        return true;
    log_entry(G_LOG_LEVEL_MESSAGE, job->domain->name, entry_dn(job->entry), "moved here from domain %s", other);
    return state_take_over(state, other, job->domain->name, unique_id, error)
        && state_find_record(state, job->domain->name, unique_id, &job->record, error);
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

/* One that is to be renamed, or may have been, takes along what is below it. */
static bool hold_recorded(Job *job, GError **error)
{
    return !has_shared_mailbox(job->record) || hold(job, job->record->renaming_to != NULL ? HOLD_WRITER : HOLD_READER, error);
}

static bool hold_decided(Job *job, GError **error)
{
    if (job->account->login != NULL || job->account->mailbox == NULL)
        return true;
    return hold(job, job->record != NULL && g_strcmp0(job->record->mailbox, job->account->mailbox) != 0 ? HOLD_WRITER : HOLD_READER,
                error);
}

static bool decide(Job *job, GError **error)
{
    return decision_make(job->shared, job->directory, job->domain, job->entry, true, &job->account, error);
}

static const char *recorded_mailbox(const Job *job)
{
    return job->record != NULL ? job->record->mailbox : NULL;
}

static void set_wait(Job *job)
{
    g_free(job->change->waits_for);
    job->change->waits_for = g_strdup(job->account->mailbox);
}

/* No two entries share a mailbox, whatever their addresses say. */
static bool refuse_claim(Job *job, const Claim *claim, const char *why, GError **error)
{
    g_autofree char *owner = claim->dn != NULL ? fault_show(claim->dn, strlen(claim->dn)) : g_strdup("an entry");

    set_wait(job);
    g_set_error(error, FAULT, FAULT_PARK,
                "mailbox %s belongs to %s (unique id %s, domain %s), %s; give one of the two another %s", job->account->mailbox,
                owner, claim->unique_id, claim->domain, why,
                job->account->login != NULL ? job->domain->result_attribute : shared_name_attribute(job->domain, job->entry));
    return false;
}

static bool postpone(Job *job, const char *mailbox, const char *owner_domain, const char *owner_id, GError **error)
{
    g_free(job->change->waits_for);
    job->change->waits_for = g_strdup(mailbox);
    if (!queue_postpone(job->shared->state, job->change, owner_domain, owner_id, job->journal, error))
        return false;
    g_atomic_int_add(&job->shared->progress.done, -1); /* it comes again */
    log_entry(G_LOG_LEVEL_DEBUG, job->domain->name, job->change->dn, "waits until unique id %s has left mailbox %s", owner_id,
              mailbox);
    job->postponed = true;
    return true;
}

/* The owner's change may be unknown so far, and its end makes ours due. */
static bool wait_for_owner(Job *job, const Claim *claim, GError **error)
{
    State *state = job->shared->state;
    QueuePlace place;

    if (!queue_look(state, claim->domain, claim->unique_id, &place, error))
        return false;
    if (place == QUEUE_FAILED)
        return refuse_claim(job, claim, "which should leave it but cannot (its own problem says why)", error);
    if (place == QUEUE_ABSENT && !queue_add(state, claim->domain, claim->unique_id, "exchange", false, error))
        return false;
    return postpone(job, job->account->mailbox, claim->domain, claim->unique_id, error);
}

/* The state knows a name before the mailbox can have it, and a quota before it can be set: a process that is killed leaves nothing
 * that nobody knows. `to`: NULL when the name stays. */
static bool note_begin(Job *job, const char *to, gint64 quota_kib, GError **error)
{
    g_autoptr(Record) record = record_new(job->domain->name, job->change->unique_id);

    record->kind = g_strdup(entry_kind_name(entry_kind(job->entry)));
    record->dn = g_strdup(entry_dn(job->entry));
    return state_note_begin(job->shared->state, record, to, quota_kib, error);
}

/* Which of its two names a mailbox has whose renaming did not come to a known end; or whether it was created. */
static bool find_renamed(Job *job, GError **error)
{
    Record *record = job->record;
    g_autoptr(Observed) observed = NULL;

    if (record == NULL || record->renaming_to == NULL)
        return true;
    if (!mailstore_observe_names(job->mailstore, record->renaming_to, record->mailbox, &observed, error))
        return false;
    if (observed->mailbox_exists && observed->previous_exists) {
        g_set_error(error, FAULT, FAULT_PARK, "mailbox %s was to be renamed to %s: both exist; merge or remove one of them, then "
                    "retry the entry", record->mailbox, record->renaming_to);
        return false;
    }
    if (observed->mailbox_exists) {
        /* What is below it went along, also when it is another entry's. */
        if (record->mailbox != NULL && !state_move_below(job->shared->state, record->mailbox, record->renaming_to, error))
            return false;
        g_free(record->mailbox);
        record->mailbox = g_steal_pointer(&record->renaming_to);
    }
    g_clear_pointer(&record->renaming_to, g_free);
    return state_set_mailbox(job->shared->state, job->domain->name, job->change->unique_id, record->mailbox, error);
}

/* Breaks a ring: our mailbox takes a name that nobody wants, and the next in the ring can begin. */
static bool move_aside(Job *job, GError **error)
{
    g_autofree char *aside = mailbox_name_aside(job->record->mailbox, job->change->unique_id);
    g_autoptr(Plan) plan = plan_rename(job->entry, job->record->mailbox, aside);

    log_entry(G_LOG_LEVEL_INFO, job->domain->name, job->change->dn, "mailboxes exchange their names: %s is %s for a while",
              job->record->mailbox, aside);
    if (!note_begin(job, aside, job->record->quota_kib, error)
        || !apply_plan(plan, NULL, job->directory, job->mailstore, job->journal, error))
        return false;
    job->record->renaming_to = g_steal_pointer(&aside);
    return find_renamed(job, error);
}

static bool claim_mailbox(Job *job, const DepartJob *depart, GError **error)
{
    g_auto(Claim) claim = {.kind = CLAIM_FREE};

    if (job->account->mailbox == NULL)
        return true;
    job->claimed = g_strdup(job->account->mailbox);
    shared_claim(job->shared, job->claimed);
    for (;;) {
        if (!claim_examine(job->shared, job->directory, job->account->mailbox, job->change->unique_id, &claim, error))
            return false;
        /* In a dry run nobody moves; it shows what each would do when its turn comes. */
        job->vacated = job->shared->options->dry_run && (claim.kind == CLAIM_LEAVING || claim.kind == CLAIM_RING);
        if (job->vacated)
            return true;
        if (claim.kind == CLAIM_FREE || claim.departed)
            return depart_check_owner(depart, job->account, error);
        if (claim.kind == CLAIM_HELD)
            return refuse_claim(job, &claim, "which keeps it", error);
        if (claim.kind == CLAIM_LEAVING)
            return wait_for_owner(job, &claim, error);
        if (!move_aside(job, error))
            return false;
    }
}

/* Without a reason to doubt it, what we recorded is what there is. */
static Observed *observe_record(const Job *job)
{
    Observed *observed = observed_new();

    observed->mailbox_exists = true;
    observed->quota_known = true;
    observed->quota_kib = MAX(job->record->quota_kib, QUOTA_UNLIMITED);
    return observed;
}

static bool observe(Job *job, GError **error)
{
    const char *recorded = recorded_mailbox(job);
    bool same = g_strcmp0(recorded, job->account->mailbox) == 0;

    if (job->account->mailbox == NULL) {
        job->observed = observed_new();
        return true;
    }
    /* Nobody looked after the mailbox of an entry that comes back, or that was left half-way. */
    if (job->record != NULL && (job->record->departed || job->record->fingerprint == NULL))
        job->change->verify = true;
    /* All of it is cheap to ask, and only the server knows the rights that are not ours. */
    if (job->account->login == NULL)
        return mailstore_observe_shared(job->mailstore, job->account, same ? NULL : recorded, job->vacated, &job->observed, error);
    if (same && !job->change->verify) {
        job->observed = observe_record(job);
        return true;
    }
    if (!mailstore_observe(job->mailstore, job->account, same ? NULL : recorded, recorded == NULL || job->change->verify,
                           &job->observed, error))
        return false;
    job->observed->mailbox_exists = job->observed->mailbox_exists && !job->vacated;
    return true;
}

/* A parent that is missing may be the new name of another entry's mailbox: that one comes first. */
static bool wait_for_heirs(Job *job, GError **error)
{
    State *state = job->shared->state;
    g_auto(Heir) heir = {.unique_id = NULL};
    QueuePlace place;

    for (guint i = 0; i < job->observed->missing_parents->len && heir.unique_id == NULL; i++) {
        const char *parent = g_ptr_array_index(job->observed->missing_parents, i);

        if (strchr(parent, '/') != NULL
            && !heir_find(job->shared, job->directory, job->domain, parent, job->change->unique_id, &heir, error))
            return false;
    }
    if (heir.unique_id == NULL || job->shared->options->dry_run)
        return true;
    if (!queue_look(state, job->domain->name, heir.unique_id, &place, error)
        || (place == QUEUE_ABSENT && !queue_add(state, job->domain->name, heir.unique_id, "exchange", false, error)))
        return false;
    return postpone(job, heir.mailbox, job->domain->name, heir.unique_id, error);
}

/* What kills the server is not planned, and not forgotten. */
static void leave_out(Job *job, const Plan *risky)
{
    const Step *step = g_ptr_array_index(risky->steps, 0);

    g_free(job->blocked);
    job->blocked = g_strdup_printf("%s: %s", step_kind_name(step->kind), step->after);
}

static void leave_out_blocked(Job *job)
{
    g_autoptr(Plan) risky = blocked_is(job->shared->blocked) ? plan_split_risky(job->plan) : NULL;

    if (risky != NULL)
        leave_out(job, risky);
}

static bool make_plan(Job *job, GError **error)
{
    g_autoptr(GPtrArray) folders = g_ptr_array_new();
    g_autoptr(GPtrArray) acl = g_ptr_array_new();
    PlanHistory history = {.quota_kib = QUOTA_ANY, .enforce_folders = job->domain->enforce_folders,
                           .administrator = job->shared->config->imap->admin_login};

    if (job->record != NULL) {
        history.mailbox = job->record->mailbox;
        history.quota_kib = job->record->quota_kib;
        g_ptr_array_extend(folders, job->record->folders, NULL, NULL);
        g_ptr_array_add(folders, NULL);
        history.folders = (const char *const *)folders->pdata;
        g_ptr_array_extend(acl, job->record->acl, NULL, NULL);
        g_ptr_array_add(acl, NULL);
        history.acl = (const char *const *)acl->pdata;
    }
    if (!plan_make(job->entry, job->account, job->observed, &history, &job->plan, error))
        return false;
    job->acl = plan_recorded_acl(job->account, job->observed, &history);
    leave_out_blocked(job);
    return true;
}

void provision_print_plan(Shared *shared, const Plan *plan, const char *domain)
{
    g_autofree char *text = shared->options->json ? plan_print_json(plan, domain) : plan_print_text(plan, domain);

    g_mutex_lock(&shared->output_lock);
    fputs(text, stdout);
    if (shared->options->json)
        fputc('\n', stdout);
    g_mutex_unlock(&shared->output_lock);
}

static bool carry_out_risky(Job *job, const Plan *risky, guint *steps, GError **error)
{
    bool dies = false;

    if (!blocked_apply(job->shared->blocked, risky, job->mailstore, job->journal, &dies, error))
        return false;
    if (dies) {
        leave_out(job, risky);
        --*steps;
    }
    return true;
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

static bool note_plan(Job *job, GError **error)
{
    const Step *quota = find_quota_step(job->plan);
    gint64 recorded_kib = job->record != NULL ? job->record->quota_kib : QUOTA_ANY;
    bool moves = job->plan->takes_name && g_strcmp0(recorded_mailbox(job), job->account->mailbox) != 0;

    return (quota == NULL && !job->plan->takes_name)
        || note_begin(job, moves ? job->account->mailbox : NULL, quota != NULL ? quota->quota_kib : recorded_kib, error);
}

static bool carry_out(Job *job, GError **error)
{
    g_autoptr(Plan) risky = NULL;
    guint steps = job->plan->steps->len;

    if (steps == 0)
        return true;
    if (job->shared->options->dry_run) {
        g_atomic_int_inc(&job->shared->progress.changed);
        provision_print_plan(job->shared, job->plan, job->domain->name);
        return true;
    }
    risky = plan_split_risky(job->plan);
    if (!note_plan(job, error)
        || !apply_plan(job->plan, job->account->login, job->directory, job->mailstore, job->journal, error)
        || (risky != NULL && !carry_out_risky(job, risky, &steps, error)))
        return false;
    g_atomic_int_inc(&job->shared->progress.changed); /* not before: a failed try is made again */
    log_entry(G_LOG_LEVEL_INFO, job->domain->name, job->plan->dn, "in order after %u step%s%s%s", steps,
              steps == 1 ? "" : "s", job->account->mailbox != NULL ? ", mailbox " : "",
              job->account->mailbox != NULL ? job->account->mailbox : "");
    return true;
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

static Record *make_record(const Job *job, const char *fingerprint)
{
    const Account *account = job->account;
    const char *own_host = account->mailbox != NULL ? job->domain->mail_host : NULL;
    Record *record = record_new(job->domain->name, job->change->unique_id);

    record->kind = g_strdup(entry_kind_name(entry_kind(job->entry)));
    record->dn = g_strdup(entry_dn(job->entry));
    record->modify_timestamp = g_strdup(entry_modify_timestamp(job->entry));
    record->result_attribute = g_strdup(account->result_value);
    record->mailbox = g_strdup(account->mailbox != NULL ? account->mailbox : recorded_mailbox(job));
    record->mail_host = g_strdup(account->mail_host != NULL ? account->mail_host : own_host);
    record->quota_kib = account->quota_kib;
    record->fingerprint = g_strdup(fingerprint);
    record->primary = g_strdup(account->primary);
    g_ptr_array_extend(record->aliases, account->aliases, (GCopyFunc)(void (*)(void))g_strdup, NULL);
    g_ptr_array_extend(record->identifiers, account->identifiers, (GCopyFunc)(void (*)(void))g_strdup, NULL);
    remember_folders(job, record);
    g_ptr_array_extend(record->acl, job->acl, (GCopyFunc)(void (*)(void))g_strdup, NULL);
    record->blocked = g_strdup(job->blocked);
    return record;
}

/* What the entries of other mailboxes must know, and what a new mailbox has that nobody could foresee. */
static bool settle_shared(Job *job, GError **error)
{
    State *state = job->shared->state;
    const char *recorded = recorded_mailbox(job);
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
static bool remember(Job *job, GError **error)
{
    g_autoptr(Entry) expected = plan_expected_entry(job->plan, job->entry);
    g_autofree char *fingerprint = entry_fingerprint(expected, job->domain->digest);
    g_autoptr(Record) record = make_record(job, fingerprint);

    /* Folders are looked at under the name that the mailbox had before only: once more. */
    if (job->change->verify && !job->observed->folders_known && job->plan->takes_name && record->mailbox != NULL
        && job->account->login != NULL && job->observed->previous_exists
        && !queue_add(job->shared->state, record->domain, record->unique_id, job->change->reason, true, error))
        return false;
    /* What a dry run did not do is not on record: later entries see the store as it is. */
    return queue_finish(job->shared->state, job->change, job->shared->options->dry_run ? NULL : record, job->journal, error);
}

static bool is_in_order(const Job *job)
{
    g_autofree char *fingerprint = entry_fingerprint(job->entry, job->domain->digest);

    return !job->change->verify && job->record != NULL && !job->record->departed
        && g_strcmp0(job->record->fingerprint, fingerprint) == 0;
}

bool provision_change(Shared *shared, Directory *directory, Mailstore *mailstore, Change *change, GPtrArray *journal,
                      GError **error)
{
    g_auto(Job) job = {.shared = shared, .directory = directory, .mailstore = mailstore, .change = change, .journal = journal};
    DepartJob depart;

    job.domain = domains_find_served(shared->domains, change->domain);
    /* When it is served again, its sweep finds the change again. */
    if (job.domain == NULL)
        return queue_finish(shared->state, change, NULL, journal, error);
    if (!read_entry(&job, error) || !follow_entry(&job, error) || !hold_recorded(&job, error) || !find_renamed(&job, error))
        return false;
    depart = (DepartJob){.shared = shared, .directory = directory, .mailstore = mailstore, .domain = job.domain,
                         .change = change, .journal = journal};
    if (job.entry == NULL || entry_kind(job.entry) == KIND_NONE)
        return depart_settle(&depart, job.record, job.entry, error);
    if (is_in_order(&job))
        return queue_finish(shared->state, change, NULL, journal, error);
    if (!decide(&job, error) || !hold_decided(&job, error) || !claim_mailbox(&job, &depart, error))
        return false;
    if (job.postponed)
        return true;
    if (!observe(&job, error) || !wait_for_heirs(&job, error))
        return false;
    if (job.postponed)
        return true;
    return make_plan(&job, error)
        && carry_out(&job, error)
        && settle_shared(&job, error)
        && remember(&job, error);
}
