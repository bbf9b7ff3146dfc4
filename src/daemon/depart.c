#include "daemon/depart.h"

#include "apply/apply.h"
#include "daemon/log.h"
#include "daemon/provision.h"
#include "model/fault.h"
#include "plan/plan.h"
#include "state/cleanup.h"

#include <string.h>

static bool is_group(const Record *record)
{
    return g_strcmp0(record->kind, entry_kind_name(KIND_GROUP)) == 0;
}

/* A group's own name and address are never a mailbox to delete, whatever the record says. */
static const char *mailbox_to_delete(const Record *record)
{
    return is_group(record) ? NULL : record->mailbox;
}

static bool finish(const DepartJob *job, const Record *record, GError **error)
{
    return queue_finish(job->shared->state, job->change, record, job->journal, error);
}

/* Why it is not served: below the base but of no kind, elsewhere (*dn says where), or nowhere. */
static bool find_reason(const DepartJob *job, const Record *record, const Entry *entry, DepartureReason *reason, char **dn,
                        GError **error)
{
    if (entry != NULL) {
        *reason = REASON_UNSERVED;
        *dn = g_strdup(entry_dn(entry));
        return true;
    }
    if (!directory_locate(job->directory, job->domain, record->unique_id, record->dn, dn, error))
        return false;
    *reason = *dn != NULL ? REASON_MOVED : REASON_GONE;
    return true;
}

/* The entry is somewhere: its mailbox stays. Without one there is nothing to remember. */
static bool settle_elsewhere(const DepartJob *job, Record *record, const char *dn, GError **error)
{
    bool moved = record->departure.reason == REASON_MOVED;
    g_autofree char *last_dn = g_strdup(record->dn);

    record->departure.status = record->mailbox != NULL ? DEPARTURE_KEPT : DEPARTURE_NONE;
    g_free(record->dn);
    record->dn = g_strdup(dn);
    log_entry(G_LOG_LEVEL_MESSAGE, job->domain->name, last_dn, moved ? "moved out of the base, to %s; mailbox %s is kept"
                                                                    : "is not served any more (%s); mailbox %s is kept",
              dn, record->mailbox != NULL ? record->mailbox : "(none)");
    return finish(job, record, error);
}

/* Whether deletion.mode says that it has a mailbox which stays. */
static bool keeps_mailbox(const DepartJob *job, const Record *record)
{
    return job->domain->deletion_mode == DELETION_KEEP && mailbox_to_delete(record) != NULL;
}

/* What has no mailbox and no name in access control lists leaves nothing behind. A mailbox that is kept keeps the rights
 * of its login as well: nobody else can get that. */
static DepartureStatus first_status(const DepartJob *job, const Record *record)
{
    if (mailbox_to_delete(record) == NULL && record->identifiers->len == 0)
        return DEPARTURE_NONE;
    return keeps_mailbox(job, record) ? DEPARTURE_KEPT : DEPARTURE_WAITING;
}

static bool settle_gone(const DepartJob *job, Record *record, GError **error)
{
    const char *mailbox = mailbox_to_delete(record);

    record->departure.status = first_status(job, record);
    record->departure.delay_us = job->domain->deletion_delay_us;
    if (record->departure.status == DEPARTURE_WAITING)
        log_entry(G_LOG_LEVEL_MESSAGE, job->domain->name, record->dn, "left the directory; %s%s in %.3g s",
                  mailbox != NULL ? "deleting mailbox " : "its access rights are removed", mailbox != NULL ? mailbox : "",
                  (double)record->departure.delay_us / G_USEC_PER_SEC);
    else
        log_entry(G_LOG_LEVEL_MESSAGE, job->domain->name, record->dn, "left the directory; mailbox %s is kept",
                  mailbox != NULL ? mailbox : "(none)");
    return finish(job, record, error);
}

static bool carry_out(const DepartJob *job, const Plan *plan, GError **error)
{
    if (job->shared->options->dry_run)
        provision_print_plan(job->shared, plan, job->domain->name);
    else if (!apply_plan(plan, NULL, job->directory, job->mailstore, job->journal, error))
        return false;
    job->change->changed = true;
    handovers_note_step(job->shared->handovers, job->change);
    return true;
}

static bool settle_failed(const DepartJob *job, Record *record, const char *message, GError **error)
{
    log_entry(G_LOG_LEVEL_WARNING, job->domain->name, record->dn, "%s (set aside; kolabctl approve %s tries again)", message,
              record->unique_id);
    record->departure.status = DEPARTURE_FAILED;
    record->departure.message = g_strdup(message);
    return finish(job, record, error);
}

/* The last step, approved by the limit or an operator. */
static bool delete(const DepartJob *job, Record *record, GError **error)
{
    const char *mailbox = mailbox_to_delete(record);
    g_autoptr(Plan) plan = mailbox == NULL ? NULL : plan_make_deletion(record->dn, record->unique_id, mailbox);
    g_autoptr(GError) problem = NULL;

    if (plan != NULL && !carry_out(job, plan, &problem)) {
        if (fault_of(problem) == FAULT_PARK)
            return settle_failed(job, record, problem->message, error);
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    record->departure.status = DEPARTURE_DELETED;
    if (!finish(job, record, error))
        return false;
    if (mailbox != NULL && !job->shared->options->dry_run)
        log_entry(G_LOG_LEVEL_MESSAGE, job->domain->name, record->dn, "mailbox %s deleted", mailbox);
    return true;
}

/* What the daemon approved by itself before deletion.mode said so is kept; an operator's word stands. */
static bool is_to_be_kept(const DepartJob *job, const Record *record)
{
    return keeps_mailbox(job, record) && !record->departure.by_operator;
}

bool depart_settle(const DepartJob *job, Record *record, const Entry *entry, GError **error)
{
    g_autofree char *dn = NULL;
    DepartureReason reason;
    bool same;

    if (record == NULL)
        return finish(job, NULL, error);
    if (!find_reason(job, record, entry, &reason, &dn, error))
        return false;
    same = record->departed && record->departure.status != DEPARTURE_NONE && record->departure.reason == reason;
    if (same && record->departure.status != DEPARTURE_APPROVED)
        return finish(job, NULL, error);
    record->departed = true;
    record->departure.reason = reason;
    g_clear_pointer(&record->departure.message, g_free);
    if (reason != REASON_GONE)
        return settle_elsewhere(job, record, dn, error);
    return same && !is_to_be_kept(job, record) ? delete(job, record, error) : settle_gone(job, record, error);
}

static bool wait_for_other(const DepartJob *job, const char *what)
{
    g_free(job->change->waits_for);
    job->change->waits_for = g_strdup(what);
    return false;
}

/* What the entry can have another one of. A shared mailbox has its name of one of two attributes. */
static const char *naming(const DepartJob *job, const Account *account)
{
    return account->login != NULL ? job->domain->result_attribute : "name";
}

/* Tells what becomes of the mailbox, and what the operator can do. */
static bool fail_owned(const DepartJob *job, const Account *account, const Record *owner, GError **error)
{
    g_autofree char *dn = owner->dn == NULL ? g_strdup("unknown") : fault_show_all(owner->dn, strlen(owner->dn));
    g_autofree char *who = g_strdup_printf("%s (unique id %s, domain %s)", dn, owner->unique_id, owner->domain);

    switch (owner->departure.status) {
    case DEPARTURE_WAITING:
    case DEPARTURE_APPROVED:
        g_set_error(error, FAULT, FAULT_RETRY, "mailbox %s belonged to the entry %s, which left, and is about to be deleted",
                    account->mailbox, who);
        break;
    case DEPARTURE_HELD:
    case DEPARTURE_FAILED:
    case DEPARTURE_KEPT:
        if (owner->departure.reason == REASON_GONE)
            g_set_error(error, FAULT, FAULT_PARK,
                        "mailbox %s belonged to the entry %s, which left, and was not deleted (%s); \"kolabctl approve %s\" deletes "
                        "it, or rename it on the IMAP server and approve then, or give this entry another %s", account->mailbox,
                        who, departure_status_name(owner->departure.status), owner->unique_id, naming(job, account));
        else
            g_set_error(error, FAULT, FAULT_PARK,
                        "mailbox %s belongs to the entry %s, which is not served any more (%s), and is kept; give this entry "
                        "another %s, or delete the other entry", account->mailbox, who,
                        departure_reason_name(owner->departure.reason), naming(job, account));
        break;
    case DEPARTURE_NONE:
    case DEPARTURE_DELETED:
        g_set_error(error, FAULT, FAULT_PARK,
                    "mailbox %s belongs to the entry %s; give this entry another %s, or remove the other entry's mailbox",
                    account->mailbox, who, naming(job, account));
        break;
    }
    return wait_for_other(job, account->mailbox);
}

/* The rights that others gave to a login must not fall to the next person who gets it. */
static bool check_login(const DepartJob *job, const Account *account, GError **error)
{
    bool pending;

    if (!cleanup_pending(job->shared->state, account->login, &pending, error))
        return false;
    if (!pending)
        return true;
    g_set_error(error, FAULT, FAULT_RETRY,
                "the login %s belonged to an entry that left; the access rights that it had are about to be removed",
                account->login);
    return wait_for_other(job, account->login);
}

/* The entry moved here, and the domain that it came from does not know so far; or the bases of the two overlap. */
static bool fail_moved(const DepartJob *job, const Account *account, const char *domain, GError **error)
{
    if (!queue_add(job->shared->state, domain, job->change->unique_id, "exchange", false, error))
        return false;
    g_set_error(error, FAULT, FAULT_PARK,
                "mailbox %s belongs to the same entry in the domain %s, which has to let it go first; an entry that is below the "
                "bases of two domains is served by one of them only", account->mailbox, domain);
    return wait_for_other(job, account->mailbox);
}

bool depart_check_owner(const DepartJob *job, const Account *account, GError **error)
{
    State *state = job->shared->state;
    g_autofree char *domain = NULL;
    g_autofree char *unique_id = NULL;
    g_autoptr(Record) owner = NULL;

    g_clear_pointer(&job->change->waits_for, g_free);
    if (account->mailbox == NULL)
        return true;
    if (!state_find_owner(state, account->mailbox, &domain, &unique_id, error))
        return false;
    if (unique_id != NULL && strcmp(unique_id, job->change->unique_id) == 0)
        return strcmp(domain, job->change->domain) == 0 || fail_moved(job, account, domain, error);
    if (unique_id == NULL)
        return account->login == NULL || check_login(job, account, error);
    if (!state_find_record(state, domain, unique_id, &owner, error))
        return false;
    return owner == NULL || fail_owned(job, account, owner, error);
}
