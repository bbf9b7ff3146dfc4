#include "imap/mailstore.h"

#include "imap/admin.h"
#include "imap/capability.h"
#include "imap/identity.h"
#include "imap/namespace.h"
#include "imap/observe.h"
#include "imap/observe_shared.h"
#include "imap/partition.h"
#include "imap/status.h"
#include "imap/step_command.h"
#include "model/fault.h"
#include "model/mailbox_name.h"

#include <string.h>

struct Mailstore {
    const ImapSettings *settings;
    Stop *stop;
    char *server;             /* what the server says it is; known while connected */
    bool died;                /* the last failure looked like the death of the administrator's imapd */
    ImapSession *admin;       /* NULL: not connected */
    Namespace admin_names;    /* how the administrator writes names; known while connected */
    bool special_use;         /* it takes special uses; known while connected */
    bool user_names_known;
    Namespace user_names;     /* how users write theirs: the same for all of them */
};

Mailstore *mailstore_new(const ImapSettings *settings, Stop *stop)
{
    Mailstore *mailstore = g_new0(Mailstore, 1);

    mailstore->settings = settings;
    mailstore->stop = stop;
    return mailstore;
}

void mailstore_free(Mailstore *mailstore)
{
    if (mailstore == NULL)
        return;
    g_clear_pointer(&mailstore->admin, imap_session_close);
    namespace_clear(&mailstore->user_names);
    namespace_clear(&mailstore->admin_names);
    g_free(mailstore->server);
    g_free(mailstore);
}

bool mailstore_connect(Mailstore *mailstore, bool *anew, GError **error)
{
    g_autoptr(ImapSession) session = NULL;
    bool unasked;

    anew = anew != NULL ? anew : &unasked;
    if (mailstore->admin != NULL && !imap_session_alive(mailstore->admin))
        g_clear_pointer(&mailstore->admin, imap_session_close);
    *anew = mailstore->admin == NULL;
    if (!*anew)
        return true;
    session = imap_session_open(mailstore->settings, NULL, mailstore->stop, error);
    if (session == NULL || !namespace_ask(session, mailstore->settings->uri, true, &mailstore->admin_names, error)
        || !identity_ask(session, &mailstore->server, error)
        || !capability_ask(session, "CREATE-SPECIAL-USE", &mailstore->special_use, error))
        return false;
    mailstore->admin = g_steal_pointer(&session);
    return true;
}

/* Runs commands as the administrator; a session that failed is of no use any more. */
bool mailstore_run_admin(Mailstore *mailstore, GPtrArray *commands, GError **error)
{
    mailstore->died = false;
    if (!mailstore_connect(mailstore, NULL, error))
        return false;
    if (imap_session_run(mailstore->admin, commands, error))
        return true;
    mailstore->died = imap_session_died(mailstore->admin);
    g_clear_pointer(&mailstore->admin, imap_session_close);
    return false;
}

const Namespace *mailstore_admin_names(const Mailstore *mailstore)
{
    return &mailstore->admin_names;
}

const ImapSettings *mailstore_settings(const Mailstore *mailstore)
{
    return mailstore->settings;
}

const char *mailstore_server(const Mailstore *mailstore)
{
    return mailstore->server;
}

bool mailstore_died(const Mailstore *mailstore)
{
    return mailstore->died;
}

/* A refusal concerns this user alone when the administrator's own login is accepted: now, not when the session began that
 * may have lasted for days. Takes `problem`. */
static void judge_refusal(Mailstore *mailstore, GError *problem, GError **error)
{
    g_autoptr(GError) refusal = problem;

    g_clear_pointer(&mailstore->admin, imap_session_close);
    if (!mailstore_connect(mailstore, NULL, error))
        return;
    g_set_error_literal(error, FAULT, fault_of(refusal) == FAULT_STOP ? FAULT_PARK : (int)fault_of(refusal), refusal->message);
}

/* Opens a session as a user. */
static ImapSession *open_user(Mailstore *mailstore, const char *login, GError **error)
{
    g_autoptr(ImapSession) session = NULL;
    GError *problem = NULL;

    if (!mailstore_connect(mailstore, NULL, error))
        return NULL;
    session = imap_session_open(mailstore->settings, login, mailstore->stop, &problem);
    if (session == NULL) {
        judge_refusal(mailstore, problem, error);
        return NULL;
    }
    if (!mailstore->user_names_known && !namespace_ask(session, mailstore->settings->uri, false, &mailstore->user_names, error))
        return NULL;
    mailstore->user_names_known = true;
    return g_steal_pointer(&session);
}

bool mailstore_observe_names(Mailstore *mailstore, const char *mailbox, const char *previous, Observed **observed, GError **error)
{
    const Account account = {.mailbox = (char *)mailbox};

    return mailstore_observe(mailstore, &account, previous, false, observed, error);
}

static bool observe_folders(Mailstore *mailstore, const Account *account, Observed *seen, GError **error)
{
    const char *uri = mailstore->settings->uri;
    g_autoptr(ImapSession) session = open_user(mailstore, account->login, error);
    g_autoptr(GPtrArray) commands = NULL;

    if (session == NULL)
        return false;
    commands = observe_folders_commands(&mailstore->user_names, account->folders, mailstore->special_use);
    if (!imap_session_run(session, commands, error)
        || !observe_folders_answers(uri, &mailstore->user_names, commands, account->folders, seen, error))
        return false;
    g_ptr_array_unref(commands);
    commands = observe_control_commands(&mailstore->admin_names, account->mailbox, account->folders, seen);
    return commands->len == 0
        || (mailstore_run_admin(mailstore, commands, error)
            && observe_control_answers(uri, commands, account->folders, seen, error));
}

bool mailstore_observe(Mailstore *mailstore, const Account *account, const char *previous, bool folders,
                       Observed **observed, GError **error)
{
    g_autoptr(Observed) seen = observed_new();
    g_autoptr(GPtrArray) commands = NULL;

    if (!mailstore_connect(mailstore, NULL, error))
        return false;
    seen->special_use_offered = mailstore->special_use;
    commands = observe_mailbox_commands(&mailstore->admin_names, account->mailbox, previous);
    if (!mailstore_run_admin(mailstore, commands, error)
        || !observe_mailbox_answers(mailstore->settings->uri, commands, previous != NULL, seen, error))
        return false;
    if (folders && seen->mailbox_exists && !observe_folders(mailstore, account, seen, error))
        return false;
    *observed = g_steal_pointer(&seen);
    return true;
}

/* What the mailbox is below: asked only when it has to be created or renamed. */
static bool observe_parents(Mailstore *mailstore, const Account *account, Observed *seen, GError **error)
{
    g_autoptr(GPtrArray) parents = mailbox_name_parents(account->mailbox);
    g_autoptr(GPtrArray) commands = observe_parents_commands(&mailstore->admin_names, parents);

    return mailstore_run_admin(mailstore, commands, error)
        && observe_parents_answers(mailstore->settings->uri, commands, parents, seen, error);
}

bool mailstore_observe_shared(Mailstore *mailstore, const Account *account, const char *previous, bool vacated,
                              Observed **observed, GError **error)
{
    g_autoptr(Observed) seen = observed_new();
    g_autoptr(GPtrArray) commands = NULL;

    if (!mailstore_connect(mailstore, NULL, error))
        return false;
    commands = observe_shared_commands(&mailstore->admin_names, account, previous);
    if (!mailstore_run_admin(mailstore, commands, error)
        || !observe_shared_answers(mailstore->settings->uri, commands, previous != NULL, vacated, seen, error)
        || (!seen->mailbox_exists && !observe_parents(mailstore, account, seen, error)))
        return false;
    *observed = g_steal_pointer(&seen);
    return true;
}

static bool took_effect(const Step *step, const ImapCommand *command)
{
    bool creates = step->kind == STEP_CREATE_PARENT || step->kind == STEP_CREATE_MAILBOX || step->kind == STEP_CREATE_FOLDER;

    return command->status == IMAP_OK || (creates && imap_says_exists(command));
}

/* What the server cannot do for a step, and the step can do without: true when it is to be tried again. */
static bool relax(const Mailstore *mailstore, Step *step, const ImapCommand *command)
{
    if (step->kind != STEP_CREATE_FOLDER)
        return false;
    if (step->use != NULL && imap_says_use_conflict(command)) {
        g_clear_pointer(&step->use, g_free);
        return true;
    }
    if (step->partition != NULL && imap_says_no_partition(command)) {
        partition_warn(mailstore->settings->uri, step->partition);
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

static StepOutcome *refused(const Mailstore *mailstore, const Step *step, const ImapCommand *command)
{
    g_autoptr(GError) refusal = NULL;

    imap_set_refusal(&refusal, mailstore->settings->uri, step_kind_name(step->kind), command);
    return step_outcome_new(step, refusal->message);
}

/* Sorts the answers: what took effect goes to `outcomes`, what did not to `left`. The first refusal is the error, unless
 * steps were relaxed: then *again, and what is left is to be tried once more. */
static bool judge_answers(const Mailstore *mailstore, GPtrArray *steps, GPtrArray *commands, GPtrArray *outcomes,
                          GPtrArray *left, bool *again, GError **error)
{
    g_autoptr(GPtrArray) refusals = g_ptr_array_new_with_free_func((GDestroyNotify)step_outcome_free);

    *again = false;
    for (guint i = 0; i < steps->len; i++) {
        Step *step = g_ptr_array_index(steps, i);
        const ImapCommand *command = g_ptr_array_index(commands, i);

        if (took_effect(step, command)) {
            g_ptr_array_add(outcomes, step_outcome_new(step, NULL));
        } else if (is_no_fault(step, command)) {
            g_ptr_array_add(outcomes, refused(mailstore, step, command));
        } else if (command->status != IMAP_NONE) {
            g_ptr_array_add(left, step);
            *again = relax(mailstore, step, command) || *again;
            g_ptr_array_add(refusals, refused(mailstore, step, command));
        }
    }
    if (refusals->len == 0 || *again)
        return true;
    g_set_error_literal(error, FAULT, FAULT_PARK, ((const StepOutcome *)g_ptr_array_index(refusals, 0))->refusal);
    g_ptr_array_extend_and_steal(outcomes, g_steal_pointer(&refusals));
    return false;
}

static GPtrArray *make_commands(const Mailstore *mailstore, GPtrArray *steps)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    for (guint i = 0; i < steps->len; i++)
        g_ptr_array_add(commands, step_command(g_ptr_array_index(steps, i), &mailstore->admin_names, &mailstore->user_names,
                                               mailstore->special_use));
    return commands;
}

/* `session`: the user's; NULL: as administrator. Each round drops what a step can do without, so there are few. */
static bool apply_steps(Mailstore *mailstore, ImapSession *session, GPtrArray *steps, GPtrArray *outcomes, GError **error)
{
    g_autoptr(GPtrArray) commands = make_commands(mailstore, steps);
    g_autoptr(GPtrArray) left = g_ptr_array_new();
    g_autoptr(GError) problem = NULL;
    bool again;

    if (session != NULL ? imap_session_run(session, commands, &problem) : mailstore_run_admin(mailstore, commands, &problem))
        return judge_answers(mailstore, steps, commands, outcomes, left, &again, error)
            && (!again || apply_steps(mailstore, session, left, outcomes, error));
    judge_answers(mailstore, steps, commands, outcomes, left, &again, NULL);
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

bool mailstore_apply(Mailstore *mailstore, GPtrArray *steps, const char *login, GPtrArray *outcomes, GError **error)
{
    bool as_user = step_actor(g_ptr_array_index(steps, 0)) == ACTOR_USER;
    g_autoptr(ImapSession) session = NULL;

    if (!mailstore_connect(mailstore, NULL, error))
        return false;
    if (as_user) {
        session = open_user(mailstore, login, error);
        if (session == NULL)
            return false;
    }
    return apply_steps(mailstore, session, steps, outcomes, error);
}
