#include "imap/mailstore.h"

#include "imap/admin.h"
#include "imap/default_domain.h"
#include "imap/observe.h"
#include "imap/observe_folders.h"
#include "imap/observe_shared.h"
#include "model/mailbox_name.h"

bool mailstore_observe_names(Mailstore *mailstore, const char *mailbox, const char *previous, Observed **observed, GError **error)
{
    const Account account = {.mailbox = (char *)mailbox};

    return mailstore_observe(mailstore, &account, previous, false, observed, error);
}

Observed *mailstore_assume(const Mailstore *mailstore)
{
    Observed *observed = observed_new();

    observed->assumed = true;
    observed->quota_known = true;
    observed->quota_kib = QUOTA_UNLIMITED;
    observed->special_use_offered = mailstore_takes_special_use(mailstore);
    return observed;
}

/* Most are subscribed to: one command tells all of them, and what is missing there is asked for one by one. */
static bool observe_as_user(Mailstore *mailstore, ImapSession *session, GPtrArray *folders, Observed *seen, GError **error)
{
    const Namespace *names = mailstore_user_names(mailstore);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    g_autoptr(GPtrArray) commands = NULL;
    bool listed = false;

    if (mailstore_lists_metadata(mailstore)) {
        g_ptr_array_add(list, observe_list_command(folders, seen->special_use_offered));
        if (!imap_session_run(session, list, error))
            return false;
        listed = observe_list_answer(names, g_ptr_array_index(list, 0), folders, seen);
    }
    commands = observe_folders_commands(names, folders, seen, seen->special_use_offered, !listed);
    return (commands->len == 0 || imap_session_run(session, commands, error))
        && observe_folders_answers(mailstore_settings(mailstore)->uri, names, commands, folders, !listed, seen, error);
}

static bool observe_folders(Mailstore *mailstore, const Account *account, Observed *seen, GError **error)
{
    const char *uri = mailstore_settings(mailstore)->uri;
    g_autoptr(ImapSession) session = NULL;
    g_autoptr(GPtrArray) commands = NULL;

    seen->folders_known = account->folders->len == 0;
    if (seen->folders_known)
        return true;
    session = mailstore_open_user(mailstore, seen->server, account->login, error);
    if (session == NULL || !observe_as_user(mailstore, session, account->folders, seen, error))
        return false;
    commands = observe_control_commands(mailstore_admin_names(mailstore), account->mailbox, account->folders, seen);
    return commands->len == 0
        || (mailstore_run_at(mailstore, seen->server, commands, error)
            && observe_control_answers(uri, commands, account->folders, seen, error));
}

/* On a murder the frontend says which names there are, and at which server. */
static bool find_place(Mailstore *mailstore, const char *mailbox, const char *previous, Observed *seen, GError **error)
{
    g_autoptr(GPtrArray) commands = observe_places_commands(mailstore_admin_names(mailstore), mailbox, previous);

    return mailstore_run_admin(mailstore, commands, error)
        && observe_places_answers(mailstore_settings(mailstore)->uri, commands, previous != NULL, seen, error);
}

/* The name that is there and counts: before a rename, the old one. NULL: none is. */
static const char *present_name(const Observed *seen, const char *mailbox, const char *previous)
{
    if (seen->mailbox_exists)
        return mailbox;
    return seen->previous_exists ? previous : NULL;
}

static bool observe_at_place(Mailstore *mailstore, const char *mailbox, const char *previous, Observed *seen, GError **error)
{
    const char *present = present_name(seen, mailbox, previous);
    g_autoptr(GPtrArray) commands = NULL;

    seen->quota_known = present == NULL;
    if (present == NULL)
        return true;
    commands = observe_quota_commands(mailstore_admin_names(mailstore), present);
    return mailstore_run_at(mailstore, seen->server, commands, error)
        && observe_quota_answers(mailstore_settings(mailstore)->uri, commands, seen, error);
}

static bool observe_in_murder(Mailstore *mailstore, const char *mailbox, const char *previous, Observed *seen, GError **error)
{
    return find_place(mailstore, mailbox, previous, seen, error) && observe_at_place(mailstore, mailbox, previous, seen, error);
}

/* By the answer to the first command, which is about the mailbox itself. */
static void look_at_domain(Mailstore *mailstore, const char *mailbox, GPtrArray *commands)
{
    g_autofree char *wire = namespace_mailbox(mailstore_admin_names(mailstore), mailbox);

    default_domain_look(mailstore_settings(mailstore)->uri, wire, g_ptr_array_index(commands, 0));
}

static bool observe_alone(Mailstore *mailstore, const char *mailbox, const char *previous, Observed *seen, GError **error)
{
    g_autoptr(GPtrArray) commands = observe_mailbox_commands(mailstore_admin_names(mailstore), mailbox, previous);

    if (!mailstore_run_admin(mailstore, commands, error))
        return false;
    look_at_domain(mailstore, mailbox, commands);
    return observe_mailbox_answers(mailstore_settings(mailstore)->uri, commands, previous != NULL, seen, error);
}

/* One that is moved to another server meanwhile shows no folders; so it is asked for once more when they were looked at. */
static bool observe_folders_of(Mailstore *mailstore, const Account *account, const char *previous, Observed *seen, GError **error)
{
    return observe_folders(mailstore, account, seen, error)
        && (!seen->murder || observe_at_place(mailstore, account->mailbox, previous, seen, error));
}

bool mailstore_observe(Mailstore *mailstore, const Account *account, const char *previous, bool folders,
                       Observed **observed, GError **error)
{
    g_autoptr(Observed) seen = observed_new();

    if (!mailstore_connect(mailstore, NULL, error))
        return false;
    seen->special_use_offered = mailstore_takes_special_use(mailstore);
    seen->murder = mailstore_is_murder(mailstore);
    if (!(seen->murder ? observe_in_murder : observe_alone)(mailstore, account->mailbox, previous, seen, error))
        return false;
    if (folders && seen->mailbox_exists && !observe_folders_of(mailstore, account, previous, seen, error))
        return false;
    *observed = g_steal_pointer(&seen);
    return true;
}

/* What the mailbox is below: asked only when it has to be created or renamed. A frontend answers for all servers. */
static bool observe_parents(Mailstore *mailstore, const Account *account, Observed *seen, GError **error)
{
    g_autoptr(GPtrArray) parents = mailbox_name_parents(account->mailbox);
    g_autoptr(GPtrArray) commands = observe_parents_commands(mailstore_admin_names(mailstore), parents);

    return mailstore_run_admin(mailstore, commands, error)
        && observe_parents_answers(mailstore_settings(mailstore)->uri, commands, parents, seen, error);
}

static bool observe_shared_in_murder(Mailstore *mailstore, const Account *account, const char *previous, bool vacated,
                                     Observed *seen, GError **error)
{
    g_autoptr(GPtrArray) commands = NULL;
    const char *present;

    if (!find_place(mailstore, account->mailbox, previous, seen, error))
        return false;
    seen->mailbox_exists = seen->mailbox_exists && !vacated;
    present = present_name(seen, account->mailbox, previous);
    seen->quota_known = present == NULL;
    if (present == NULL)
        return true;
    commands = observe_shared_at_commands(mailstore_admin_names(mailstore), account, present);
    return mailstore_run_at(mailstore, seen->server, commands, error)
        && observe_shared_at_answers(mailstore_settings(mailstore)->uri, commands, seen, error);
}

static bool observe_shared_alone(Mailstore *mailstore, const Account *account, const char *previous, bool vacated,
                                 Observed *seen, GError **error)
{
    g_autoptr(GPtrArray) commands = observe_shared_commands(mailstore_admin_names(mailstore), account, previous);

    if (!mailstore_run_admin(mailstore, commands, error))
        return false;
    look_at_domain(mailstore, account->mailbox, commands);
    return observe_shared_answers(mailstore_settings(mailstore)->uri, commands, previous != NULL, vacated, seen, error);
}

bool mailstore_observe_shared(Mailstore *mailstore, const Account *account, const char *previous, bool vacated,
                              Observed **observed, GError **error)
{
    g_autoptr(Observed) seen = observed_new();

    if (!mailstore_connect(mailstore, NULL, error))
        return false;
    seen->murder = mailstore_is_murder(mailstore);
    if (!(seen->murder ? observe_shared_in_murder : observe_shared_alone)(mailstore, account, previous, vacated, seen, error)
        || (!seen->mailbox_exists && !observe_parents(mailstore, account, seen, error)))
        return false;
    *observed = g_steal_pointer(&seen);
    return true;
}
