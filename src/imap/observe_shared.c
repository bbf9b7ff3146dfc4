#include "imap/observe_shared.h"

#include "imap/observe.h"
#include "imap/status.h"
#include "model/fault.h"

#include <string.h>

/* Commands a mailbox: whether it is there, and its rights. */
enum { COMMANDS_EACH = 2 };

static ImapCommand *add_command(GPtrArray *commands, const char *verb, const Namespace *names, const char *mailbox)
{
    g_autofree char *wire = namespace_mailbox(names, mailbox);

    return observe_add_command(commands, verb, wire);
}

static void add_mailbox(GPtrArray *commands, const Namespace *names, const char *mailbox, const GPtrArray *metadata)
{
    ImapCommand *command = add_command(commands, "GETMETADATA", names, mailbox);

    imap_command_add_word(command, "(");
    imap_command_add_string(command, OBSERVE_PARTITION_ENTRY);
    for (guint i = 0; metadata != NULL && i < metadata->len; i++)
        imap_command_add_string(command, ((const Metadata *)g_ptr_array_index(metadata, i))->name);
    imap_command_add_word(command, ")");
    add_command(commands, "GETACL", names, mailbox);
}

GPtrArray *observe_shared_commands(const Namespace *names, const Account *account, const char *previous)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    add_mailbox(commands, names, account->mailbox, account->metadata);
    if (previous == NULL)
        return commands;
    add_mailbox(commands, names, previous, account->metadata);
    g_ptr_array_add(commands, observe_limit_command(names, previous));
    return commands;
}

static bool read_acl(const char *uri, const ImapCommand *command, Observed *observed, GError **error)
{
    if (imap_says_absent(command)) {
        g_set_error(error, FAULT, FAULT_RETRY, "%s: a mailbox went while it was looked at", uri);
        return false;
    }
    if (command->status != IMAP_OK) {
        imap_set_refusal(error, uri, "read the access control list", command);
        return false;
    }
    observe_read_acl(command, observed->acl);
    observed->acl_known = true;
    return true;
}

bool observe_shared_answers(const char *uri, GPtrArray *commands, bool with_previous, bool vacated, Observed *observed,
                            GError **error)
{
    guint at = 0;

    if (!observe_read_existence(uri, g_ptr_array_index(commands, 0), &observed->mailbox_exists, error)
        || (with_previous
            && !observe_read_existence(uri, g_ptr_array_index(commands, COMMANDS_EACH), &observed->previous_exists, error)))
        return false;
    observed->quota_known = true;
    observed->mailbox_exists = observed->mailbox_exists && !vacated;
    if (!observed->mailbox_exists && !observed->previous_exists)
        return true;
    /* Before a rename what the old name has counts: rights and metadata move with the mailbox, and we see to its limit. */
    at = observed->mailbox_exists ? 0 : COMMANDS_EACH;
    observe_read_metadata(g_ptr_array_index(commands, at), observed->metadata);
    return (observed->mailbox_exists
            || observe_limit_answer(uri, g_ptr_array_index(commands, at + COMMANDS_EACH), &observed->quota_kib, error))
        && read_acl(uri, g_ptr_array_index(commands, at + 1), observed, error);
}

GPtrArray *observe_shared_at_commands(const Namespace *names, const Account *account, const char *mailbox)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    add_mailbox(commands, names, mailbox, account->metadata);
    if (strcmp(mailbox, account->mailbox) != 0)
        g_ptr_array_add(commands, observe_limit_command(names, mailbox));
    return commands;
}

bool observe_shared_at_answers(const char *uri, GPtrArray *commands, Observed *observed, GError **error)
{
    bool exists;

    if (!observe_read_existence(uri, g_ptr_array_index(commands, 0), &exists, error))
        return false;
    observed->quota_known = true;
    observe_read_metadata(g_ptr_array_index(commands, 0), observed->metadata);
    return (commands->len == COMMANDS_EACH
            || observe_limit_answer(uri, g_ptr_array_index(commands, COMMANDS_EACH), &observed->quota_kib, error))
        && read_acl(uri, g_ptr_array_index(commands, 1), observed, error);
}

GPtrArray *observe_parents_commands(const Namespace *names, GPtrArray *parents)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    for (guint i = 0; i < parents->len; i++)
        add_mailbox(commands, names, g_ptr_array_index(parents, i), NULL);
    return commands;
}

bool observe_parents_answers(const char *uri, GPtrArray *commands, GPtrArray *parents, Observed *observed, GError **error)
{
    const ImapCommand *last = NULL; /* GETACL of the last parent that is there */
    bool exists;

    for (guint i = 0; i < parents->len; i++) {
        if (!observe_read_existence(uri, g_ptr_array_index(commands, i * COMMANDS_EACH), &exists, error))
            return false;
        if (exists)
            last = g_ptr_array_index(commands, i * COMMANDS_EACH + 1);
        else
            g_ptr_array_add(observed->missing_parents, g_strdup(g_ptr_array_index(parents, i)));
    }
    if (observed->previous_exists)
        return true; /* a renamed mailbox keeps its own */
    if (last != NULL)
        return read_acl(uri, last, observed, error);
    g_hash_table_insert(observed->acl, g_strdup("anyone"), g_strdup("lrs"));
    return true;
}
