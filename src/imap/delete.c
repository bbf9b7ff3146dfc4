#include "imap/mailstore.h"

#include "imap/admin.h"
#include "imap/blame.h"
#include "imap/observe.h"
#include "imap/status.h"
#include "imap/unfinished.h"
#include "model/fault.h"
#include "model/mailbox_name.h"

/* An administrator may change every access control list, but needs a right of its own to delete. */
static ImapCommand *set_right(const char *wire_name, const char *admin, const char *rights)
{
    ImapCommand *command = imap_command_new("SETACL");

    imap_command_add_string(command, wire_name);
    imap_command_add_string(command, admin);
    imap_command_add_string(command, rights);
    return command;
}

/* A mailbox that stays, stays as it was. */
static void take_right_back(Mailstore *mailstore, const char *wire_name, const char *admin)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    g_autoptr(GError) problem = NULL;

    g_ptr_array_add(commands, set_right(wire_name, admin, "-x"));
    if (!mailstore_run_admin(mailstore, commands, &problem))
        g_debug("%s", problem->message);
}

/* A frontend would wait for a backend that hangs, and not say for which. */
static bool reach_backend(Mailstore *mailstore, const char *mailbox, Observed **seen, GError **error)
{
    if (!mailstore_is_murder(mailstore))
        return true;
    return mailstore_observe_names(mailstore, mailbox, NULL, seen, error);
}

static void explain(Mailstore *mailstore, const Observed *seen, bool unavailable, GError **error)
{
    g_autoptr(GPtrArray) servers = g_ptr_array_new();

    if (seen == NULL)
        return;
    g_ptr_array_add(servers, seen->server);
    blame_explain(mailstore, servers, unavailable, error);
}

/* Cyrus keeps what it deletes under a name with the second in it: it cannot keep two of one name and one second. */
static void set_failure(GError **error, const Mailstore *mailstore, const char *wire, const ImapCommand *command)
{
    const char *uri = mailstore_settings(mailstore)->uri;
    g_autofree char *mailbox = mailbox_name_from_wire(wire, mailstore_admin_names(mailstore)->separator);

    if (imap_says_exists(command))
        g_set_error(error, FAULT, FAULT_RETRY, "%s: delete the mailbox: the server deleted another %s in the same second", uri, mailbox);
    else
        imap_set_refusal(error, uri, "delete the mailbox", command);
}

/* *absent: there is none of this name. */
static bool delete_one(Mailstore *mailstore, const char *wire, const Observed *seen, bool *absent, GError **error)
{
    const ImapSettings *settings = mailstore_settings(mailstore);
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    ImapCommand *command = imap_command_new("DELETE");

    imap_command_add_string(command, wire);
    g_ptr_array_add(commands, set_right(wire, settings->admin_login, "+x"));
    g_ptr_array_add(commands, command);
    if (!mailstore_run_admin(mailstore, commands, error)) {
        explain(mailstore, seen, false, error);
        return false;
    }
    *absent = imap_says_absent(command);
    if (command->status == IMAP_OK || *absent)
        return true;
    set_failure(error, mailstore, wire, command);
    if (imap_says_backend_unavailable(command))
        explain(mailstore, seen, true, error);
    else
        take_right_back(mailstore, wire, settings->admin_login);
    return false;
}

/* A quota root without its mailbox cannot be removed: the next one of the name must not get its limit. */
static bool lift_quota(Mailstore *mailstore, const char *mailbox, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    g_autofree char *wire = namespace_mailbox(mailstore_admin_names(mailstore), mailbox);
    ImapCommand *command = observe_add_command(commands, "SETQUOTA", wire);

    imap_command_add_word(command, "()");
    if (!mailstore_run_admin(mailstore, commands, error))
        return false;
    if (command->status == IMAP_OK || imap_says_absent(command))
        return true;
    imap_set_refusal(error, mailstore_settings(mailstore)->uri, "lift the quota of the deleted mailbox", command);
    return false;
}

/* Folders whose INBOX is gone: whoever gets the name next would have them. */
static bool delete_rest(Mailstore *mailstore, const char *mailbox, GError **error)
{
    g_auto(Remains) left = {.names = NULL};
    bool absent;

    if (!g_str_has_prefix(mailbox, "user/"))
        return true;
    if (!unfinished_look(mailstore, NULL, mailbox, NULL, &left, error))
        return false;
    for (guint i = 0; i < left.names->len; i++)
        if (!delete_one(mailstore, g_ptr_array_index(left.names, i), NULL, &absent, error))
            return false;
    return left.quota_kib == QUOTA_UNLIMITED || lift_quota(mailstore, mailbox, error);
}

bool mailstore_delete(Mailstore *mailstore, const char *mailbox, GError **error)
{
    g_autofree char *wire = NULL;
    g_autoptr(Observed) seen = NULL;
    bool absent;

    if (!mailstore_connect(mailstore, NULL, error) || !reach_backend(mailstore, mailbox, &seen, error))
        return false;
    wire = namespace_mailbox(mailstore_admin_names(mailstore), mailbox);
    absent = seen != NULL && !seen->mailbox_exists;
    if (!absent && !delete_one(mailstore, wire, seen, &absent, error))
        return false;
    return !absent || delete_rest(mailstore, mailbox, error);
}
