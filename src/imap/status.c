#include "imap/status.h"

#include "model/fault.h"

#include <string.h>

static bool says(const ImapCommand *command, const char *code, const char *text)
{
    return command->status == IMAP_NO
        && ((command->code != NULL && g_ascii_strcasecmp(command->code, code) == 0)
            || (command->text != NULL && g_ascii_strcasecmp(command->text, text) == 0));
}

static bool says_text(const ImapCommand *command, const char *text)
{
    return command->status == IMAP_NO && command->text != NULL && g_ascii_strcasecmp(command->text, text) == 0;
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
    return says_text(command, "Unknown/invalid partition");
}

bool imap_says_backend_unavailable(const ImapCommand *command)
{
    return says_text(command, "Server(s) unavailable to complete operation");
}

static bool says_any(const ImapCommand *command, const char *const *texts, gsize count)
{
    for (gsize i = 0; i < count; i++)
        if (says_text(command, texts[i]))
            return true;
    return false;
}

static bool has_code(const ImapCommand *command, const char *code)
{
    return command->status == IMAP_NO && command->code != NULL && g_str_has_prefix(command->code, code);
}

bool imap_says_unavailable(const ImapCommand *command)
{
    static const char *const texts[] = {
        /* on a murder */
        "Server(s) unavailable to complete operation",
        "no connection to server",
        "unable to reserve mailbox on mupdate server",
        "Mailbox is currently reserved",
        "Mailbox has been moved to another server",
        /* locks and disks */
        "Mailbox is locked",
        "Retry operation",
        "System I/O error",
        "Operating System Error",
        "mail system storage has been exceeded",
    };

    return has_code(command, "UNAVAILABLE") || has_code(command, "INUSE") || has_code(command, "SERVERBUG")
        || says_any(command, texts, G_N_ELEMENTS(texts));
}

void imap_set_refusal(GError **error, const char *uri, const char *operation, const ImapCommand *command)
{
    g_autofree char *line = fault_show(command->line->str, command->line->len);

    g_set_error(error, FAULT, imap_says_unavailable(command) ? FAULT_RETRY : FAULT_PARK, "%s: %s: the server answers %s \"%s\" to %s", uri, operation,
                command->status == IMAP_BAD ? "BAD" : "NO", command->text != NULL ? command->text : "", line);
}
