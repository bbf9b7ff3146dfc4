#include "imap/status.h"

#include "model/fault.h"

#include <string.h>

static bool says(const ImapCommand *command, const char *code, const char *text)
{
    return command->status == IMAP_NO
        && ((command->code != NULL && g_ascii_strcasecmp(command->code, code) == 0)
            || (command->text != NULL && g_ascii_strcasecmp(command->text, text) == 0));
}

bool imap_says_absent(const ImapCommand *command)
{
    return says(command, "NONEXISTENT", "Mailbox does not exist");
}

bool imap_says_no_quota(const ImapCommand *command)
{
    return says(command, "NONEXISTENT", "Quota root does not exist");
}

bool imap_says_exists(const ImapCommand *command)
{
    return says(command, "ALREADYEXISTS", "Mailbox already exists");
}

bool imap_says_use_conflict(const ImapCommand *command)
{
    return says(command, "USEATTR", "SPECIAL-USE flag conflict");
}

bool imap_says_no_partition(const ImapCommand *command)
{
    return command->status == IMAP_NO && command->text != NULL
        && g_ascii_strcasecmp(command->text, "Unknown/invalid partition") == 0;
}

bool imap_says_unavailable(const ImapCommand *command)
{
    return command->status == IMAP_NO
        && ((command->code != NULL && g_str_has_prefix(command->code, "UNAVAILABLE"))
            || (command->text != NULL && g_ascii_strcasecmp(command->text, "Server(s) unavailable to complete operation") == 0)
            || (command->text != NULL && g_ascii_strcasecmp(command->text, "no connection to server") == 0)
            || (command->text != NULL && g_ascii_strcasecmp(command->text, "unable to reserve mailbox on mupdate server") == 0));
}

void imap_set_refusal(GError **error, const char *uri, const char *operation, const ImapCommand *command)
{
    g_autofree char *line = fault_show(command->line->str, command->line->len);

    g_set_error(error, FAULT, imap_says_unavailable(command) ? FAULT_RETRY : FAULT_PARK, "%s: %s: the server answers %s \"%s\" to %s", uri, operation,
                command->status == IMAP_BAD ? "BAD" : "NO", command->text != NULL ? command->text : "", line);
}
