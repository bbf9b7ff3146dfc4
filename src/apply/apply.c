#include "apply/apply.h"

#include "state/journal.h"
#include "wait/wait.h"

/* `refusal` NULL: it took effect. */
static JournalRow *make_row(const Step *step, const char *refusal, const char *now)
{
    JournalRow *row = journal_row_new(step_kind_name(step->kind));

    row->time = g_strdup(now);
    row->target = step_target(step);
    row->mailbox = g_strdup(step->mailbox);
    row->before = g_strdup(step->before);
    row->after = g_strdup(step->after);
    row->outcome = g_strdup(refusal != NULL ? refusal : "ok");
    return row;
}

/* The longest run of steps from `from` on that one actor carries out; a deletion is alone in its plan. */
static GPtrArray *take_batch(const Plan *plan, guint from)
{
    GPtrArray *batch = g_ptr_array_new();
    Actor actor = step_actor(g_ptr_array_index(plan->steps, from));

    for (guint i = from; i < plan->steps->len && step_actor(g_ptr_array_index(plan->steps, i)) == actor; i++)
        g_ptr_array_add(batch, g_ptr_array_index(plan->steps, i));
    return batch;
}

static bool apply_batch(const Plan *plan, GPtrArray *batch, const char *login, Directory *directory, Mailstore *mailstore,
                        GPtrArray *outcomes, GError **error)
{
    const Step *first = g_ptr_array_index(batch, 0);

    if (step_actor(first) != ACTOR_DIRECTORY && first->kind != STEP_DELETE_MAILBOX)
        return mailstore_apply(mailstore, batch, plan_present_server(plan), login, outcomes, error);
    if (first->kind == STEP_DELETE_MAILBOX ? !mailstore_delete(mailstore, first->mailbox, error)
                                           : !directory_write(directory, plan->dn, batch, error))
        return false;
    for (guint i = 0; i < batch->len; i++)
        g_ptr_array_add(outcomes, step_outcome_new(g_ptr_array_index(batch, i), NULL));
    return true;
}

static bool was_answered(const GPtrArray *outcomes, const Step *step)
{
    for (guint i = 0; i < outcomes->len; i++)
        if (((const StepOutcome *)g_ptr_array_index(outcomes, i))->step == step)
            return true;
    return false;
}

/* Whether a step was refused and told, so that nothing has to be told of those that were not sent. */
static bool ended_by_refusal(const GPtrArray *outcomes)
{
    for (guint i = 0; i < outcomes->len; i++)
        if (((const StepOutcome *)g_ptr_array_index(outcomes, i))->ended)
            return true;
    return false;
}

/* What was not answered: an LDAP modify, all of which is void, or the step at which a connection was lost. */
static void journal_failure(GPtrArray *journal, const GPtrArray *batch, const GPtrArray *outcomes, const char *message, const char *now)
{
    for (guint i = 0; i < batch->len; i++) {
        const Step *step = g_ptr_array_index(batch, i);

        if (was_answered(outcomes, step))
            continue;
        g_ptr_array_add(journal, make_row(step, message, now));
        if (step_actor(step) != ACTOR_DIRECTORY)
            return;
    }
}

bool apply_plan(const Plan *plan, const char *login, Directory *directory, Mailstore *mailstore, GPtrArray *journal,
                GError **error)
{
    for (guint from = 0; from < plan->steps->len;) {
        g_autoptr(GPtrArray) batch = take_batch(plan, from);
        g_autoptr(GPtrArray) outcomes = g_ptr_array_new_with_free_func((GDestroyNotify)step_outcome_free);
        g_autoptr(GError) problem = NULL;
        bool done = apply_batch(plan, batch, login, directory, mailstore, outcomes, &problem);
        g_autofree char *now = wait_timestamp(0);

        for (guint i = 0; i < outcomes->len; i++) {
            const StepOutcome *outcome = g_ptr_array_index(outcomes, i);

            if (outcome->step->existed)
                continue;
            g_ptr_array_add(journal, make_row(outcome->step, outcome->refusal, now));
        }
        if (!done) {
            if (!ended_by_refusal(outcomes))
                journal_failure(journal, batch, outcomes, problem->message, now);
            g_propagate_error(error, g_steal_pointer(&problem));
            return false;
        }
        from += batch->len;
    }
    return true;
}
