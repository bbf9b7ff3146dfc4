#include "imap/mailstore.h"

#include "imap/admin.h"
#include "imap/identity.h"
#include "imap/namespace.h"
#include "imap/observe.h"
#include "imap/observe_shared.h"
#include "imap/status.h"
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

bool mailstore_connect(Mailstore *mailstore, GError **error)
{
    g_autoptr(ImapSession) session = NULL;

    if (mailstore->admin != NULL && !imap_session_alive(mailstore->admin))
        g_clear_pointer(&mailstore->admin, imap_session_close);
    if (mailstore->admin != NULL)
        return true;
    session = imap_session_open(mailstore->settings, NULL, mailstore->stop, error);
    if (session == NULL || !namespace_ask(session, mailstore->settings->uri, true, &mailstore->admin_names, error)
        || !identity_ask(session, &mailstore->server, error))
        return false;
    mailstore->admin = g_steal_pointer(&session);
    return true;
}

/* Runs commands as the administrator; a session that failed is of no use any more. */
bool mailstore_run_admin(Mailstore *mailstore, GPtrArray *commands, GError **error)
{
    mailstore->died = false;
    if (!mailstore_connect(mailstore, error))
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

/* Opens a session as a user. The administrator's own login was accepted, so a refusal concerns this user alone. */
static ImapSession *open_user(Mailstore *mailstore, const char *login, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(ImapSession) session = NULL;

    if (!mailstore_connect(mailstore, error))
        return NULL;
    session = imap_session_open(mailstore->settings, login, mailstore->stop, &problem);
    if (session == NULL) {
        g_set_error_literal(error, FAULT, fault_of(problem) == FAULT_STOP ? FAULT_PARK : (int)fault_of(problem),
                            problem->message);
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

bool mailstore_observe(Mailstore *mailstore, const Account *account, const char *previous, bool folders,
                       Observed **observed, GError **error)
{
    g_autoptr(Observed) seen = observed_new();
    g_autoptr(GPtrArray) commands = NULL;
    g_autoptr(ImapSession) session = NULL;

    if (!mailstore_connect(mailstore, error))
        return false;
    commands = observe_mailbox_commands(&mailstore->admin_names, account->mailbox, previous);
    if (!mailstore_run_admin(mailstore, commands, error)
        || !observe_mailbox_answers(mailstore->settings->uri, commands, previous != NULL, seen, error))
        return false;
    if (folders && seen->mailbox_exists) {
        session = open_user(mailstore, account->login, error);
        if (session == NULL)
            return false;
        g_ptr_array_unref(commands);
        commands = observe_folders_commands(&mailstore->user_names, account->folders);
        if (!imap_session_run(session, commands, error)
            || !observe_folders_answers(mailstore->settings->uri, &mailstore->user_names, commands, account->folders, seen, error))
            return false;
    }
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

    if (!mailstore_connect(mailstore, error))
        return false;
    commands = observe_shared_commands(&mailstore->admin_names, account, previous);
    if (!mailstore_run_admin(mailstore, commands, error)
        || !observe_shared_answers(mailstore->settings->uri, commands, previous != NULL, vacated, seen, error)
        || (!seen->mailbox_exists && !observe_parents(mailstore, account, seen, error)))
        return false;
    *observed = g_steal_pointer(&seen);
    return true;
}

static void add_quota(ImapCommand *command, gint64 quota_kib)
{
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT ")", quota_kib);

    if (quota_kib < 0) {
        imap_command_add_word(command, "()");
        return;
    }
    imap_command_add_word(command, "(STORAGE");
    imap_command_add_word(command, number);
}

static void add_metadata(ImapCommand *command, GPtrArray *entries)
{
    imap_command_add_word(command, "(");
    for (guint i = 0; i < entries->len; i++) {
        const Metadata *metadata = g_ptr_array_index(entries, i);

        imap_command_add_string(command, metadata->name);
        imap_command_add_string(command, metadata->value);
    }
    g_string_append_c(command->line, ')');
}

static ImapCommand *new_command(const char *verb, char *wire_name)
{
    ImapCommand *command = imap_command_new(verb);

    imap_command_add_string(command, wire_name);
    g_free(wire_name);
    return command;
}

static ImapCommand *acl_command(const Step *step, char *wire_name)
{
    ImapCommand *command = new_command(step->after != NULL ? "SETACL" : "DELETEACL", wire_name);

    imap_command_add_string(command, step->name);
    if (step->after != NULL)
        imap_command_add_string(command, step->after);
    return command;
}

static ImapCommand *step_command(const Mailstore *mailstore, const Step *step)
{
    const Namespace *admin = &mailstore->admin_names;
    const Namespace *user = &mailstore->user_names;
    ImapCommand *command;

    switch (step->kind) {
    case STEP_RENAME_MAILBOX: {
        g_autofree char *after = namespace_mailbox(admin, step->mailbox);

        command = new_command("RENAME", namespace_mailbox(admin, step->before));
        imap_command_add_string(command, after);
        return command;
    }
    case STEP_CREATE_PARENT:
    case STEP_CREATE_MAILBOX:
        return new_command("CREATE", namespace_mailbox(admin, step->mailbox));
    case STEP_SET_QUOTA:
        command = new_command("SETQUOTA", namespace_mailbox(admin, step->mailbox));
        add_quota(command, step->quota_kib);
        return command;
    case STEP_CREATE_FOLDER:
        command = new_command("CREATE", namespace_folder(user, step->folder));
        if (step->partition != NULL)
            imap_command_add_string(command, step->partition);
        return command;
    case STEP_SET_METADATA:
        command = new_command("SETMETADATA", namespace_folder(user, step->folder));
        add_metadata(command, step->metadata);
        return command;
    case STEP_SET_ACL:
        return acl_command(step, namespace_mailbox(admin, step->mailbox));
    case STEP_SET_SHARED_METADATA:
        command = new_command("SETMETADATA", namespace_mailbox(admin, step->mailbox));
        add_metadata(command, step->metadata);
        return command;
    case STEP_SUBSCRIBE:
        return new_command("SUBSCRIBE", namespace_folder(user, step->folder));
    case STEP_DELETE_MAILBOX: /* mailstore_delete */
    case STEP_WRITE_ATTRIBUTE: /* not ours: ACTOR_DIRECTORY */
        break;
    }
    g_assert_not_reached();
}

static bool took_effect(const Step *step, const ImapCommand *command)
{
    bool creates = step->kind == STEP_CREATE_PARENT || step->kind == STEP_CREATE_MAILBOX || step->kind == STEP_CREATE_FOLDER;

    return command->status == IMAP_OK || (creates && imap_says_exists(command));
}

/* Sorts the answers: what took effect, and the first refusal as the error. */
static bool judge_answers(const Mailstore *mailstore, GPtrArray *steps, GPtrArray *commands, GPtrArray *applied,
                          GError **error)
{
    bool all = true;

    for (guint i = 0; i < steps->len; i++) {
        Step *step = g_ptr_array_index(steps, i);
        const ImapCommand *command = g_ptr_array_index(commands, i);

        if (took_effect(step, command)) {
            g_ptr_array_add(applied, step);
        } else if (all && command->status != IMAP_NONE) {
            imap_set_refusal(error, mailstore->settings->uri, step_kind_name(step->kind), command);
            all = false;
        }
    }
    return all;
}

bool mailstore_apply(Mailstore *mailstore, GPtrArray *steps, const char *login, GPtrArray *applied, GError **error)
{
    bool as_user = step_actor(g_ptr_array_index(steps, 0)) == ACTOR_USER;
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    g_autoptr(ImapSession) session = NULL;
    g_autoptr(GError) problem = NULL;
    bool ran;

    if (!mailstore_connect(mailstore, error))
        return false;
    if (as_user) {
        session = open_user(mailstore, login, error);
        if (session == NULL)
            return false;
    }
    for (guint i = 0; i < steps->len; i++)
        g_ptr_array_add(commands, step_command(mailstore, g_ptr_array_index(steps, i)));
    ran = as_user ? imap_session_run(session, commands, &problem) : mailstore_run_admin(mailstore, commands, &problem);
    if (ran)
        return judge_answers(mailstore, steps, commands, applied, error);
    judge_answers(mailstore, steps, commands, applied, NULL);
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}
