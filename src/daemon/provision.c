#include "daemon/provision.h"

#include "apply/apply.h"
#include "daemon/creating.h"
#include "daemon/decision.h"
#include "daemon/depart.h"
#include "daemon/fair.h"
#include "daemon/log.h"
#include "daemon/observing.h"
#include "daemon/placing.h"
#include "daemon/remember.h"
#include "daemon/turn.h"
#include "model/fault.h"
#include "plan/print.h"

#include <stdio.h>

static bool read_entry(Job *job, GError **error)
{
    if (!directory_read_entry(job->directory, job->domain, job->change->unique_id, &job->entry, error))
        return false;
    if (!state_find_record(job->shared->state, job->change->domain, job->change->unique_id, &job->record, error))
        return false;
    if (job->entry != NULL) {
        g_free(job->change->dn);
        job->change->dn = g_strdup(entry_dn(job->entry));
    } else if (job->change->dn == NULL && job->record != NULL) {
        job->change->dn = g_strdup(job->record->dn);
    }
    return job->entry == NULL || job->record == NULL
        || directory_check_shown(job->directory, job->domain, job->entry, job->record->attributes, error);
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
    if (config_imap_of(job->shared->config, other) != job_imap(job)) {
        log_entry(G_LOG_LEVEL_WARNING, job->domain->name, entry_dn(job->entry),
                  "moved here from domain %s, whose mailboxes are on another IMAP server: its mailbox stays there, and a new one is made "
                  "here", other);
        return true;
    }
    log_entry(G_LOG_LEVEL_MESSAGE, job->domain->name, entry_dn(job->entry), "moved here from domain %s", other);
    return state_take_over(state, other, job->domain->name, unique_id, error)
        && state_find_record(state, job->domain->name, unique_id, &job->record, error);
}

static bool decide(Job *job, GError **error)
{
    return decision_make(job->shared, job->directory, job->domain, job->entry, true, &job->account, error);
}

/* What kills the server is not planned, and not forgotten. */
static void leave_out(Job *job, const Plan *risky)
{
    const Step *step = g_ptr_array_index(risky->steps, 0);

    g_free(job->blocked);
    job->blocked = g_strdup_printf("%s: %s", step_kind_name(step->kind), step->after);
}

/* What the server dies of that has the mailbox. */
static Blocked *find_blocked(const Job *job)
{
    return shared_blocked(job->shared, job_imap(job), plan_present_server(job->plan));
}

/* Whoever comes to a backend may find that it is another version now. */
static bool leave_out_blocked(Job *job, GError **error)
{
    const char *version = mailstore_server(job->mailstore, plan_present_server(job->plan));
    g_autoptr(Plan) risky = NULL;

    if (version != NULL && !blocked_notice_version(find_blocked(job), version, error))
        return false;
    risky = blocked_is(find_blocked(job)) ? plan_split_risky(job->plan) : NULL;
    if (risky != NULL)
        leave_out(job, risky);
    return true;
}

static bool make_plan(Job *job, GError **error)
{
    g_autoptr(GPtrArray) folders = g_ptr_array_new();
    g_autoptr(GPtrArray) acl = g_ptr_array_new();
    PlanHistory history = job_history(job, folders, acl);

    if (!plan_make(job->entry, job->account, job->observed, &history, &job->plan, error))
        return false;
    job->acl = plan_recorded_acl(job->account, job->observed, &history);
    return leave_out_blocked(job, error);
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

    if (!blocked_apply(find_blocked(job), risky, job->mailstore, job->journal, &dies, error))
        return false;
    if (dies) {
        leave_out(job, risky);
        --*steps;
    }
    return true;
}

static bool carry_out_steps(Job *job, guint *steps, GError **error)
{
    g_autoptr(Plan) risky = plan_split_risky(job->plan);

    return remember_plan(job, error)
        && apply_plan(job->plan, job->account->login, job->directory, job->mailstore, job->journal, error)
        && (risky == NULL || carry_out_risky(job, risky, steps, error));
}

/* Nobody comes back soon to an entry that is set aside: its mailbox must be where the directory says until then. Takes `fault`. */
static void settle_fault(Job *job, GError *fault, GError **error)
{
    GError *problem = NULL;

    if (fault_of(fault) != FAULT_PARK || turn_go_back(job, &problem)) {
        g_propagate_error(error, fault);
        return;
    }
    g_propagate_prefixed_error(error, problem, "%s; and its mailbox does not get back the name that the directory says: ",
                               fault->message);
    g_error_free(fault);
}

static bool carry_out(Job *job, GError **error)
{
    guint steps = job->plan->steps->len + job->created_steps;
    GError *fault = NULL;

    if (job->plan->note != NULL)
        log_entry(G_LOG_LEVEL_MESSAGE, job->domain->name, job->plan->dn, "%s", job->plan->note);
    if (steps == 0)
        return true;
    if (job->shared->options->dry_run) {
        job->change->changed = true;
        provision_print_plan(job->shared, job->plan, job->domain->name);
        return true;
    }
    if (!carry_out_steps(job, &steps, &fault)) {
        settle_fault(job, fault, error);
        return false;
    }
    job->change->changed = true;
    handovers_note_step(job->shared->handovers, job->change);
    log_entry(G_LOG_LEVEL_INFO, job->domain->name, job->plan->dn, "in order after %u step%s%s%s", steps,
              steps == 1 ? "" : "s", job->account->mailbox != NULL ? ", mailbox " : "",
              job->account->mailbox != NULL ? job->account->mailbox : "");
    return true;
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
    if (!read_entry(&job, error) || !follow_entry(&job, error) || !job_hold_recorded(&job, error) || !turn_find_renamed(&job, error))
        return false;
    depart = (DepartJob){.shared = shared, .directory = directory, .mailstore = mailstore, .domain = job.domain,
                         .change = change, .journal = journal};
    if (job.entry == NULL || entry_kind(job.entry) == KIND_NONE)
        return depart_settle(&depart, job.record, job.entry, error);
    if (is_in_order(&job))
        return queue_finish(shared->state, change, NULL, journal, error);
    if (!decide(&job, error) || !job_hold_decided(&job, error) || !turn_claim_mailbox(&job, &depart, error))
        return false;
    if (job.postponed)
        return true;
    if (!observing_observe(&job, error) || !turn_wait_for_heirs(&job, error))
        return false;
    if (job.postponed)
        return true;
    if (!placing_choose(&job, error) || !fair_enter(&job, error))
        return false;
    if (job.postponed)
        return true;
    return placing_create(&job, error)
        && creating_assumed(&job, error)
        && make_plan(&job, error)
        && carry_out(&job, error)
        && remember_others(&job, error)
        && remember_outcome(&job, error);
}
