#include "imap/mailstore.h"

#include "imap/admin.h"
#include "imap/status.h"
#include "model/fault.h"

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
static bool reach_backend(Mailstore *mailstore, const char *mailbox, bool *exists, GError **error)
{
    g_autoptr(Observed) seen = NULL;

    if (!mailstore_observe_names(mailstore, mailbox, NULL, &seen, error))
        return false;
    *exists = seen->mailbox_exists;
    return true;
}

/* Cyrus keeps what it deletes under a name with the second in it: it cannot keep two of one name and one second. */
static void set_failure(GError **error, const char *uri, const char *mailbox, const ImapCommand *command)
{
    if (imap_says_exists(command))
        g_set_error(error, FAULT, FAULT_RETRY, "%s: delete the mailbox: the server deleted another %s in the same second", uri, mailbox);
    else
        imap_set_refusal(error, uri, "delete the mailbox", command);
}

bool mailstore_delete(Mailstore *mailstore, const char *mailbox, GError **error)
{
    const ImapSettings *settings = mailstore_settings(mailstore);
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    ImapCommand *command = imap_command_new("DELETE");
    g_autofree char *wire = NULL;
    bool exists = true;

    g_ptr_array_add(commands, command);
    if (!mailstore_connect(mailstore, NULL, error)
        || (mailstore_is_murder(mailstore) && !reach_backend(mailstore, mailbox, &exists, error)))
        return false;
    if (!exists)
        return true;
    wire = namespace_mailbox(mailstore_admin_names(mailstore), mailbox);
    imap_command_add_string(command, wire);
    g_ptr_array_insert(commands, 0, set_right(wire, settings->admin_login, "+x"));
    if (!mailstore_run_admin(mailstore, commands, error))
        return false;
    if (command->status == IMAP_OK || imap_says_absent(command))
        return true;
    set_failure(error, settings->uri, mailbox, command);
    take_right_back(mailstore, wire, settings->admin_login);
    return false;
}
