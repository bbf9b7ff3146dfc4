#include "imap/capability.h"

#include <string.h>

/* "NAME", or of "NAME=" any value. */
static bool is_meant(const char *word, const char *name)
{
    return g_str_has_suffix(name, "=") ? g_ascii_strncasecmp(word, name, strlen(name)) == 0 : g_ascii_strcasecmp(word, name) == 0;
}

static bool lists(const ImapReply *reply, const char *name)
{
    for (guint i = 1; i < reply->values->len; i++) {
        const ImapValue *value = g_ptr_array_index(reply->values, i);

        if (value->kind == IMAP_ATOM && is_meant(value->data, name))
            return true;
    }
    return false;
}

ImapCommand *capability_command(void)
{
    return imap_command_new("CAPABILITY");
}

Capability capability_read(const ImapCommand *command)
{
    Capability offered = {0};

    for (guint i = 0; i < command->replies->len; i++) {
        const ImapReply *reply = g_ptr_array_index(command->replies, i);

        offered.special_use = offered.special_use || lists(reply, "CREATE-SPECIAL-USE");
        offered.list_metadata = offered.list_metadata || lists(reply, "LIST-METADATA");
        offered.murder = offered.murder || lists(reply, "MUPDATE=");
    }
    return offered;
}
