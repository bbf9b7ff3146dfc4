#include "imap/greeting.h"

#include "model/server_name.h"

#include <string.h>

#define READY "server ready"

char *greeting_server(const char *text)
{
    const char *blank = strchr(text, ' ');
    g_autofree char *name = blank != NULL ? g_strndup(text, (gsize)(blank - text)) : NULL;
    const char *rest = blank != NULL ? blank + 1 : "";

    if (!server_name_is_word(name) || !(strcmp(rest, READY) == 0 || g_str_has_prefix(rest, "Cyrus ")) || !g_str_has_suffix(rest, READY))
        return NULL;
    return g_steal_pointer(&name);
}
