#include "apply/apply.h"

#include "state/journal.h"
#include "wait/wait.h"

static JournalRow *make_row(const Step *step)
{
    JournalRow *row = journal_row_new(step_kind_name(step->kind));

    row->time = wait_timestamp(0);
    row->target = step_target(step);
    row->mailbox = g_strdup(step->mailbox);
    row->before = g_strdup(step->before);
    row->after = g_strdup(step->after);
    row->outcome = g_strdup("ok");
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
                        GPtrArray *applied, GError **error)
{
    const Step *first = g_ptr_array_index(batch, 0);

    if (step_actor(first) != ACTOR_DIRECTORY && first->kind != STEP_DELETE_MAILBOX)
        return mailstore_apply(mailstore, batch, login, applied, error);
    if (first->kind == STEP_DELETE_MAILBOX ? !mailstore_delete(mailstore, first->mailbox, error)
                                           : !directory_write(directory, plan->dn, batch, error))
        return false;
    g_ptr_array_extend(applied, batch, NULL, NULL);
    return true;
}

bool apply_plan(const Plan *plan, const char *login, Directory *directory, Mailstore *mailstore, GPtrArray *journal,
                GError **error)
{
    for (guint from = 0; from < plan->steps->len;) {
        g_autoptr(GPtrArray) batch = take_batch(plan, from);
        g_autoptr(GPtrArray) applied = g_ptr_array_new();
        bool done = apply_batch(plan, batch, login, directory, mailstore, applied, error);

        for (guint i = 0; i < applied->len; i++)
            g_ptr_array_add(journal, make_row(g_ptr_array_index(applied, i)));
        if (!done)
            return false;
        from += batch->len;
    }
    return true;
}
