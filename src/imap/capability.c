#include "imap/capability.h"

#include <string.h>

static GStrv names_of_data(const ImapReply *reply)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    for (guint i = 1; i < reply->values->len; i++) {
        const ImapValue *value = g_ptr_array_index(reply->values, i);

        if (value->kind == IMAP_ATOM)
            g_strv_builder_add(names, value->data);
    }
    return g_strv_builder_end(names);
}

GStrv capability_names(const ImapReply *reply)
{
    static const char CODE[] = "CAPABILITY ";
    const ImapValue *first = reply->values->len > 0 ? g_ptr_array_index(reply->values, 0) : NULL;

    if (reply->code != NULL && g_ascii_strncasecmp(reply->code, CODE, strlen(CODE)) == 0)
        return g_strsplit(reply->code + strlen(CODE), " ", -1);
    if (reply->kind == REPLY_UNTAGGED && first != NULL && first->kind == IMAP_ATOM && g_ascii_strcasecmp(first->data, "CAPABILITY") == 0)
        return names_of_data(reply);
    return NULL;
}

static bool is_meant(const char *word, const char *name)
{
    return g_str_has_suffix(name, "=") ? g_ascii_strncasecmp(word, name, strlen(name)) == 0 : g_ascii_strcasecmp(word, name) == 0;
}

bool capability_offered(GStrv names, const char *name)
{
    for (gsize i = 0; names != NULL && names[i] != NULL; i++)
        if (is_meant(names[i], name))
            return true;
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
        g_auto(GStrv) names = capability_names(g_ptr_array_index(command->replies, i));

        offered.special_use = offered.special_use || capability_offered(names, "CREATE-SPECIAL-USE");
        offered.list_metadata = offered.list_metadata || capability_offered(names, "LIST-METADATA");
        offered.murder = offered.murder || capability_offered(names, "MUPDATE=");
    }
    return offered;
}
