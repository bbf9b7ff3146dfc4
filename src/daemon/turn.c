#include "daemon/turn.h"

#include "apply/apply.h"
#include "daemon/claim.h"
#include "daemon/heir.h"
#include "daemon/log.h"
#include "daemon/remember.h"
#include "model/fault.h"
#include "model/mailbox_name.h"
#include "policy/decide.h"
#include "policy/shared.h"

#include <string.h>

static void set_wait(Job *job, const char *mailbox)
{
    g_free(job->change->waits_for);
    job->change->waits_for = g_strdup(mailbox);
}

/* No two entries share a mailbox, whatever their addresses say. */
static bool refuse_claim(Job *job, const Claim *claim, const char *why, GError **error)
{
    g_autofree char *owner = claim->dn != NULL ? fault_show(claim->dn, strlen(claim->dn)) : g_strdup("an entry");

    set_wait(job, job->account->mailbox);
    g_set_error(error, FAULT, FAULT_PARK,
                "mailbox %s belongs to %s (unique id %s, domain %s), %s; give one of the two another %s", job->account->mailbox,
                owner, claim->unique_id, claim->domain, why,
                job->account->login != NULL ? job->domain->result_attribute : shared_name_attribute(job->domain, job->entry));
    return false;
}

static bool postpone(Job *job, const char *mailbox, const char *owner_domain, const char *owner_id, GError **error)
{
    set_wait(job, mailbox);
    if (!queue_postpone(job->shared->state, job->change, owner_domain, owner_id, job->journal, error))
        return false;
    job_note_postponed(job);
    log_entry(G_LOG_LEVEL_DEBUG, job->domain->name, job->change->dn, "waits until unique id %s has left mailbox %s", owner_id,
              mailbox);
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

/* What is below it went along, also when it is another entry's. */
static bool note_renamed(Job *job, GError **error)
{
    Record *record = job->record;

    if (record->mailbox != NULL && !state_move_below(job->shared->state, record->mailbox, record->renaming_to, error))
        return false;
    g_free(record->mailbox);
    record->mailbox = g_steal_pointer(&record->renaming_to);
    return state_set_mailbox(job->shared->state, job->domain->name, job->change->unique_id, record->mailbox, error);
}

static bool rename_back(Job *job, const char *server, GError **error)
{
    const Record *record = job->record;
    g_autoptr(Plan) plan = plan_rename(job->change->dn, job->change->unique_id, record->renaming_to, record->mailbox);

    plan->server = g_strdup(server);
    log_entry(G_LOG_LEVEL_WARNING, job->domain->name, job->change->dn, "mailbox %s was renamed to %s only in part, when the IMAP "
              "server or kolabd died; it is put together under the old name first", record->mailbox, record->renaming_to);
    return apply_plan(plan, NULL, job->directory, job->mailstore, job->journal, error);
}

/* Who died in the middle, a server or we, left a part behind. With all of it under the old name again it can be renamed anew, and then
 * Cyrus carries rights, subscriptions and quota along. While the server still goes on with what we did not wait for, it makes us
 * wait. *renamed: it has the new name. */
static bool settle_half(Job *job, const char *server, bool *renamed, GError **error)
{
    const Record *record = job->record;

    *renamed = true;
    if (record->mailbox == NULL || job->shared->options->dry_run)
        return true;
    return mailstore_is_renamed(job->mailstore, server, record->mailbox, record->renaming_to, renamed, error)
        && (*renamed || rename_back(job, server, error));
}

bool turn_find_renamed(Job *job, GError **error)
{
    Record *record = job->record;
    g_autoptr(Observed) observed = NULL;
    bool renamed;

    if (record == NULL || record->renaming_to == NULL)
        return true;
    if (!mailstore_observe_names(job->mailstore, record->renaming_to, record->mailbox, &observed, error))
        return false;
    if (observed->mailbox_exists && observed->previous_exists) {
        g_set_error(error, FAULT, FAULT_PARK, "mailbox %s was to be renamed to %s: both exist; merge or remove one of them, then "
                    "retry the entry", record->mailbox, record->renaming_to);
        return false;
    }
    renamed = observed->mailbox_exists;
    if (renamed && !settle_half(job, observed->server, &renamed, error))
        return false;
    if (renamed)
        return note_renamed(job, error);
    g_clear_pointer(&record->renaming_to, g_free);
    return state_set_mailbox(job->shared->state, job->domain->name, job->change->unique_id, record->mailbox, error);
}

/* A shared mailbox has one that its administrator gave it. */
static bool plan_limit(const Job *job, const char *to, Plan *plan, GError **error)
{
    g_autoptr(Observed) observed = NULL;

    if (job->account->login != NULL)
        return true;
    if (!mailstore_observe_names(job->mailstore, to, job->record->mailbox, &observed, error))
        return false;
    g_free(plan->server);
    plan->server = g_strdup(observed->server);
    plan_carry_quota(plan, job->record->mailbox, to, observed->quota_kib);
    return true;
}

/* Our mailbox takes another name at once, outside of the job's plan. */
static bool rename_recorded(Job *job, const char *to, GError **error)
{
    g_autoptr(Plan) plan = plan_rename(job->change->dn, job->change->unique_id, job->record->mailbox, to);

    plan->server = job->plan != NULL ? g_strdup(job->plan->server) : NULL;
    if (!plan_limit(job, to, plan, error)
        || !remember_begin(job, to, job->record->quota_kib, error)
        || !apply_plan(plan, NULL, job->directory, job->mailstore, job->journal, error))
        return false;
    job->record->renaming_to = g_strdup(to);
    return note_renamed(job, error);
}

/* Breaks a ring: our mailbox takes a name that nobody wants, and the next in the ring can begin. */
static bool move_aside(Job *job, GError **error)
{
    g_autofree char *aside = mailbox_name_aside(job->record->mailbox, job->change->unique_id);

    log_entry(G_LOG_LEVEL_INFO, job->domain->name, job->change->dn, "mailboxes exchange their names: %s is %s for a while",
              job->record->mailbox, aside);
    return rename_recorded(job, aside, error);
}

bool turn_claim_mailbox(Job *job, const DepartJob *depart, GError **error)
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

bool turn_wait_for_heirs(Job *job, GError **error)
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

/* Whether the entry was to get another name for the mailbox that it had. A new one may wait under any name. */
static bool names_anew(const Job *job)
{
    g_autofree char *published = NULL;

    if (job->account->login == NULL || job_recorded_mailbox(job) == NULL)
        return false;
    published = policy_published_mailbox(job->domain, job->entry);
    return published != NULL && strcmp(published, job->account->mailbox) != 0;
}

/* What entry and record say now: the write may have taken effect before what failed. *published NULL: no name. */
static bool read_again(Job *job, char **published, GError **error)
{
    g_autoptr(Entry) entry = NULL;

    g_clear_pointer(&job->record, record_free);
    if (!directory_read_entry(job->directory, job->domain, job->change->unique_id, &entry, error)
        || !state_find_record(job->shared->state, job->change->domain, job->change->unique_id, &job->record, error))
        return false;
    *published = entry != NULL && entry_kind(entry) == KIND_USER ? policy_published_mailbox(job->domain, entry) : NULL;
    return true;
}

/* The name that the job had taken so far needs no claim any more: the record says that it is the entry's. */
static void claim_instead(Job *job, const char *mailbox)
{
    shared_unclaim(job->shared, job->claimed);
    g_free(job->claimed);
    job->claimed = g_strdup(mailbox);
    shared_claim(job->shared, job->claimed);
}

/* Somebody may have made one since ours left the name: asked before, since a RENAME that was begun is on record. */
static bool check_free(const Job *job, const char *mailbox, GError **error)
{
    g_autoptr(Observed) observed = NULL;
    g_autofree char *domain = NULL;
    g_autofree char *owner = NULL;

    if (!state_find_owner(job->shared->state, mailbox, &domain, &owner, error)
        || !mailstore_observe_names(job->mailstore, mailbox, NULL, &observed, error))
        return false;
    if (owner == NULL && !observed->mailbox_exists)
        return true;
    if (owner != NULL)
        g_set_error(error, FAULT, FAULT_PARK, "mailbox %s belongs to unique id %s, domain %s, by now", mailbox, owner, domain);
    else
        g_set_error(error, FAULT, FAULT_PARK, "there is a mailbox %s again; merge or remove it", mailbox);
    return false;
}

bool turn_go_back(Job *job, GError **error)
{
    g_autofree char *published = NULL;

    if (!names_anew(job))
        return true;
    if (!read_again(job, &published, error))
        return false;
    if (published == NULL || strcmp(published, job->account->mailbox) == 0)
        return true;
    claim_instead(job, published);
    if (!turn_find_renamed(job, error))
        return false;
    if (g_strcmp0(job_recorded_mailbox(job), job->account->mailbox) != 0)
        return true;
    /* The servers were asked: a second try would rename it forth and back once more. */
    job->change->verify = true;
    if (!check_free(job, published, error) || !rename_recorded(job, published, error))
        return false;
    log_entry(G_LOG_LEVEL_MESSAGE, job->domain->name, job->change->dn, "mailbox %s is called %s again, as the directory still says",
              job->account->mailbox, published);
    return true;
}
