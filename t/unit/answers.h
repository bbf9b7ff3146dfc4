/* answers.h - commands answered by what a server wrote, without a server: for tests of what is read out of answers. */
#pragma once

#include "imap/command.h"

/* Gives the replies in `data` to the commands in order, as a session does: untagged data to the first that has no answer
 * yet, a tagged OK, NO or BAD ends it. Stops where the bytes are no reply. Gives the number of commands answered. */
static inline guint answer_commands(GPtrArray *commands, const char *data, gsize len)
{
    guint answered = 0;

    while (answered < commands->len && len > 0) {
        ImapCommand *command = g_ptr_array_index(commands, answered);
        g_autoptr(ImapReply) reply = NULL;
        gsize used = 0;

        if (!imap_reply_parse(data, len, &reply, &used, NULL) || reply == NULL)
            break;
        data += used;
        len -= used;
        if (reply->kind == REPLY_TAGGED) {
            command->status = reply->status;
            command->code = g_strdup(reply->code);
            command->text = g_strdup(reply->text);
            answered++;
        } else if (reply->kind == REPLY_UNTAGGED && reply->status == IMAP_NONE) {
            g_ptr_array_add(command->replies, g_steal_pointer(&reply));
        }
    }
    return answered;
}
