#include "imap/mailstore.h"

#include "imap/admin.h"
#include "imap/blame.h"
#include "imap/observe.h"
#include "imap/partition.h"
#include "imap/status.h"
#include "imap/step_command.h"
#include "model/fault.h"
#include "model/server_name.h"

#include <string.h>

/* Steps that one session carries out. */
typedef struct {
    Mailstore *mailstore;
    const char *server;   /* the backend that is asked; NULL: the server itself, or the frontend */
    ImapSession *session; /* the user's; NULL: as administrator */
    const char *behind;   /* the backend that has the mailbox; NULL: there is none */
    bool creating;        /* the steps make mailboxes: all workers do that in one session (see creator.h) */
    GPtrArray *outcomes;
} Batch;

static bool took_effect(const Step *step, const ImapCommand *command)
{
    bool creates = step->kind == STEP_CREATE_PARENT || step->kind == STEP_CREATE_MAILBOX || step->kind == STEP_CREATE_FOLDER;
    bool lifts = step->kind == STEP_SET_QUOTA && step->quota_kib < 0;

    return command->status == IMAP_OK || (creates && imap_says_exists(command)) || (lifts && imap_says_no_quota(command));
}

static const char *asked(const Batch *batch)
{
    return batch->server != NULL ? batch->server : mailstore_settings(batch->mailstore)->uri;
}

/* What the server cannot do for a step, and the step can do without: true when it is to be tried again. */
static bool relax(const Batch *batch, Step *step, const ImapCommand *command)
{
    if (step->kind != STEP_CREATE_FOLDER)
        return false;
    if (step->use != NULL && imap_says_use_conflict(command)) {
        g_clear_pointer(&step->use, g_free);
        return true;
    }
    if (step->partition != NULL && imap_says_no_partition(command)) {
        partition_warn(asked(batch), step->partition);
        g_clear_pointer(&step->partition, g_free);
        return true;
    }
    return false;
}

/* Whether another folder has the special use that this one is to get: what the user chose stands. */
static bool is_no_fault(const Step *step, const ImapCommand *command)
{
    return step->kind == STEP_SET_USE && imap_says_use_conflict(command);
}

/* A move that broke off is done again: who died in the middle of it shows as any refusal does. */
static bool may_heal(const Step *step, const ImapCommand *command)
{
    return step->kind == STEP_MOVE_MAILBOX || imap_says_unavailable(command);
}

static StepOutcome *refused(const Batch *batch, const Step *step, const ImapCommand *command)
{
    g_autoptr(GError) refusal = NULL;

    imap_set_refusal(&refusal, asked(batch), step_kind_name(step->kind), command);
    return step_outcome_new(step, refusal->message);
}

/* Sorts the answers: what took effect goes to the outcomes, what did not to `left`. The first refusal is the error, unless
 * steps were relaxed: then *again, and what is left is to be tried once more. `error` NULL: something else is. */
static bool judge_answers(const Batch *batch, GPtrArray *steps, GPtrArray *commands, GPtrArray *left, bool *again, GError **error)
{
    g_autoptr(GPtrArray) refusals = g_ptr_array_new_with_free_func((GDestroyNotify)step_outcome_free);
    Fault kind = FAULT_PARK;
    StepOutcome *first;

    *again = false;
    for (guint i = 0; i < steps->len; i++) {
        Step *step = g_ptr_array_index(steps, i);
        const ImapCommand *command = g_ptr_array_index(commands, i);

        if (took_effect(step, command)) {
            step->existed = step->assumed && command->status != IMAP_OK;
            g_ptr_array_add(batch->outcomes, step_outcome_new(step, NULL));
        } else if (is_no_fault(step, command)) {
            g_ptr_array_add(batch->outcomes, refused(batch, step, command));
        } else if (command->status != IMAP_NONE) {
            kind = refusals->len == 0 && may_heal(step, command) ? FAULT_RETRY : kind;
            g_ptr_array_add(left, step);
            *again = relax(batch, step, command) || *again;
            g_ptr_array_add(refusals, refused(batch, step, command));
        }
    }
    if (refusals->len == 0 || *again)
        return true;
    first = g_ptr_array_index(refusals, 0);
    first->ended = error != NULL;
    g_set_error_literal(error, FAULT, (int)kind, first->refusal);
    g_ptr_array_extend_and_steal(batch->outcomes, g_steal_pointer(&refusals));
    return false;
}

static GPtrArray *make_commands(const Mailstore *mailstore, GPtrArray *steps)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    for (guint i = 0; i < steps->len; i++)
        g_ptr_array_add(commands, step_command(g_ptr_array_index(steps, i), mailstore_admin_names(mailstore),
                                               mailstore_user_names(mailstore), mailstore_takes_special_use(mailstore)));
    return commands;
}

/* The backends that a frontend needs for the steps. */
static GPtrArray *list_behind(const Batch *batch, GPtrArray *steps)
{
    GPtrArray *servers = g_ptr_array_new();

    for (guint i = 0; batch->behind != NULL && i < steps->len; i++) {
        const Step *step = g_ptr_array_index(steps, i);

        if (step->kind == STEP_MOVE_MAILBOX)
            g_ptr_array_add(servers, step->before);
    }
    if (batch->behind != NULL)
        g_ptr_array_add(servers, (gpointer)batch->behind);
    return servers;
}

static bool has_move(GPtrArray *steps)
{
    for (guint i = 0; i < steps->len; i++)
        if (((const Step *)g_ptr_array_index(steps, i))->kind == STEP_MOVE_MAILBOX)
            return true;
    return false;
}

static bool says_backend_unavailable(GPtrArray *commands)
{
    for (guint i = 0; i < commands->len; i++)
        if (imap_says_backend_unavailable(g_ptr_array_index(commands, i)))
            return true;
    return false;
}

/* `lost`: the frontend did not answer at all. */
static void explain(const Batch *batch, GPtrArray *steps, GPtrArray *commands, bool lost, GError **error)
{
    g_autoptr(GPtrArray) servers = list_behind(batch, steps);
    bool unavailable = says_backend_unavailable(commands);

    if (batch->session == NULL && batch->server == NULL && mailstore_is_murder(batch->mailstore)
        && (lost || unavailable || has_move(steps)))
        blame_explain(batch->mailstore, servers, unavailable, error);
}

/* The name under which a step that changes the murder's list of mailboxes finds one; NULL: it finds none. */
static const char *moved_name(const Step *step)
{
    if (step->kind == STEP_RENAME_MAILBOX)
        return step->before;
    return step->kind == STEP_MOVE_MAILBOX ? step->mailbox : NULL;
}

/* Before a frontend renames or moves it must know the mailbox, or it locks itself for ever (see add_place in observe.c). So it is
 * made to look here again, in the same pipeline: behind one name there may be several frontends, and this is the one that counts. */
static GPtrArray *make_news(const Batch *batch, GPtrArray *steps)
{
    GPtrArray *news = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    for (guint i = 0; batch->behind != NULL && batch->server == NULL && i < steps->len; i++) {
        const char *name = moved_name(g_ptr_array_index(steps, i));
        g_autofree char *wire = name != NULL ? namespace_mailbox(mailstore_admin_names(batch->mailstore), name) : NULL;
        ImapCommand *command;

        if (wire == NULL)
            continue;
        command = imap_command_new("GETACL");
        imap_command_add_string(command, wire);
        g_ptr_array_add(news, command);
    }
    return news;
}

/* Below no other mailbox. */
static bool is_top(const char *mailbox)
{
    const char *slash = strchr(mailbox, '/');

    return slash == NULL || (g_str_has_prefix(mailbox, "user/") && strchr(slash + 1, '/') == NULL);
}

static bool run_creating(const Batch *batch, GPtrArray *steps, GPtrArray *commands, GError **error)
{
    const char *server = ((const Step *)g_ptr_array_index(steps, 0))->server;
    bool chooses = false;

    for (guint i = 0; i < steps->len; i++)
        chooses = chooses || is_top(((const Step *)g_ptr_array_index(steps, i))->mailbox);
    return creator_run(mailstore_creator(batch->mailstore), server, chooses, commands, error);
}

/* Which limit a mailbox has that turns out to be there: it gets ours in the same pipeline. */
static GPtrArray *make_look(const Batch *batch, GPtrArray *steps)
{
    GPtrArray *look = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    const Step *first = g_ptr_array_index(steps, 0);

    if (first->assumed && steps->len > 1)
        g_ptr_array_add(look, observe_limit_command(mailstore_admin_names(batch->mailstore), first->mailbox));
    return look;
}

static bool take_look(const Batch *batch, GPtrArray *steps, GPtrArray *look, GError **error)
{
    gint64 quota_kib;

    if (look->len == 0 || !((const Step *)g_ptr_array_index(steps, 0))->existed)
        return true;
    if (!observe_limit_answer(mailstore_settings(batch->mailstore)->uri, g_ptr_array_index(look, 0), &quota_kib, error))
        return false;
    for (guint i = 0; i < steps->len; i++) {
        Step *step = g_ptr_array_index(steps, i);

        if (step->kind != STEP_SET_QUOTA)
            continue;
        g_free(step->before);
        step->before = step_show_quota(quota_kib);
    }
    return true;
}

static bool run_commands(const Batch *batch, GPtrArray *steps, GPtrArray *look, GPtrArray *commands, GError **error)
{
    g_autoptr(GPtrArray) news = batch->creating ? g_ptr_array_new() : make_news(batch, steps);
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    if (batch->session != NULL)
        return imap_session_run(batch->session, commands, error);
    g_ptr_array_extend(all, news, NULL, NULL);
    g_ptr_array_extend(all, look, NULL, NULL);
    g_ptr_array_extend(all, commands, NULL, NULL);
    return batch->creating ? run_creating(batch, steps, all, error)
                           : mailstore_run_at(batch->mailstore, batch->server, all, error);
}

/* Each round drops what a step can do without, so there are few. */
static bool apply_steps(const Batch *batch, GPtrArray *steps, GError **error)
{
    g_autoptr(GPtrArray) commands = make_commands(batch->mailstore, steps);
    g_autoptr(GPtrArray) look = make_look(batch, steps);
    g_autoptr(GPtrArray) left = g_ptr_array_new();
    g_autoptr(GError) problem = NULL;
    bool again;

    if (!run_commands(batch, steps, look, commands, &problem)) {
        judge_answers(batch, steps, commands, left, &again, NULL);
        explain(batch, steps, commands, true, &problem);
    } else if (judge_answers(batch, steps, commands, left, &again, &problem)) {
        return take_look(batch, steps, look, error) && (!again || apply_steps(batch, left, error));
    } else {
        explain(batch, steps, commands, false, &problem);
    }
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

/* What changes the list of all mailboxes is the frontend's; the rest is done where the mailbox is. */
static bool is_frontends(const Step *step)
{
    switch (step->kind) {
    case STEP_RENAME_MAILBOX:
    case STEP_CREATE_PARENT:
    case STEP_CREATE_MAILBOX:
    case STEP_MOVE_MAILBOX:
    case STEP_DELETE_MAILBOX:
        return true;
    case STEP_SET_QUOTA:
    case STEP_WRITE_ATTRIBUTE:
    case STEP_CREATE_FOLDER:
    case STEP_SET_USE:
    case STEP_SET_METADATA:
    case STEP_SUBSCRIBE:
    case STEP_SET_ACL:
    case STEP_SET_SHARED_METADATA:
        return false;
    }
    g_assert_not_reached();
}

/* Whether a step goes on with the mailbox that the one before makes. */
static bool follows_creation(const Batch *batch, GPtrArray *steps, guint at)
{
    const Step *step = g_ptr_array_index(steps, at);
    const char *name = step->kind == STEP_RENAME_MAILBOX ? step->before : step->mailbox;

    return at > 0 && ((step->kind == STEP_SET_QUOTA && batch->behind == NULL) || step->kind == STEP_RENAME_MAILBOX)
        && g_strcmp0(((const Step *)g_ptr_array_index(steps, at - 1))->mailbox, name) == 0;
}

/* A mailbox for which the server chooses the partition, and what is done with it at once: its quota, for the sake of a round trip; on
 * a murder the other name that one gets, since another frontend would not know it yet. */
static bool makes(const Batch *batch, GPtrArray *steps, guint at)
{
    const Step *step = g_ptr_array_index(steps, at);

    if (mailstore_creator(batch->mailstore) == NULL)
        return false;
    if (step->kind == STEP_CREATE_PARENT || step->kind == STEP_CREATE_MAILBOX)
        return step->partition == NULL;
    return follows_creation(batch, steps, at) && makes(batch, steps, at - 1);
}

/* The longest run of steps from `from` on that go to the same server in the same session. */
static GPtrArray *take_run(Batch *batch, GPtrArray *steps, guint from)
{
    GPtrArray *run = g_ptr_array_new();
    bool frontends = is_frontends(g_ptr_array_index(steps, from));

    batch->creating = makes(batch, steps, from);
    batch->server = frontends ? NULL : batch->behind;
    for (guint i = from; i < steps->len && makes(batch, steps, i) == batch->creating
                         && (batch->behind == NULL || is_frontends(g_ptr_array_index(steps, i)) == frontends); i++)
        g_ptr_array_add(run, g_ptr_array_index(steps, i));
    return run;
}

/* Cyrus 3.6 may say OK to a move and have done nothing: only the murder's own word counts. */
static bool check_move(const Batch *batch, const Step *step, GError **error)
{
    g_autoptr(Observed) seen = NULL;
    g_autofree char *problem = NULL;
    StepOutcome *outcome;

    if (step->kind != STEP_MOVE_MAILBOX)
        return true;
    if (!mailstore_observe_names(batch->mailstore, step->mailbox, NULL, &seen, error))
        return false;
    if (server_name_equal(seen->server, step->server))
        return true;
    problem = g_strdup_printf("%s: move mailbox %s to %s: the server answers OK, but %s still has it; see the logs of both, and whether "
                              "allowusermoves is set there", asked(batch), step->mailbox, step->server,
                              seen->server != NULL ? seen->server : "none");
    g_ptr_array_remove_index(batch->outcomes, batch->outcomes->len - 1);
    outcome = step_outcome_new(step, problem);
    outcome->ended = true;
    g_ptr_array_add(batch->outcomes, outcome);
    g_set_error_literal(error, FAULT, FAULT_RETRY, problem);
    return false;
}

static bool apply_as_user(Batch *batch, GPtrArray *steps, const char *login, GError **error)
{
    g_autoptr(ImapSession) session = mailstore_open_user(batch->mailstore, batch->behind, login, error);

    batch->session = session;
    batch->server = batch->behind;
    return session != NULL && apply_steps(batch, steps, error);
}

/* A frontend would wait for a backend that hangs; and it takes a server's second name for another server. */
static bool reach_targets(const Batch *batch, GPtrArray *steps, GError **error)
{
    for (guint i = 0; batch->server == NULL && i < steps->len; i++) {
        const Step *step = g_ptr_array_index(steps, i);

        if (step->server != NULL && !mailstore_reach(batch->mailstore, step->server, error))
            return false;
    }
    return true;
}

static bool apply_as_admin(Batch *batch, GPtrArray *steps, GError **error)
{
    for (guint from = 0; from < steps->len;) {
        g_autoptr(GPtrArray) run = take_run(batch, steps, from);

        if (!reach_targets(batch, run, error) || !apply_steps(batch, run, error)
            || !check_move(batch, g_ptr_array_index(run, run->len - 1), error))
            return false;
        from += run->len;
    }
    return true;
}

bool mailstore_apply(Mailstore *mailstore, GPtrArray *steps, const char *server, const char *login, GPtrArray *outcomes,
                     GError **error)
{
    Batch batch = {.mailstore = mailstore, .behind = server, .outcomes = outcomes};

    if (!mailstore_connect(mailstore, NULL, error))
        return false;
    return step_actor(g_ptr_array_index(steps, 0)) == ACTOR_USER ? apply_as_user(&batch, steps, login, error)
                                                                 : apply_as_admin(&batch, steps, error);
}
