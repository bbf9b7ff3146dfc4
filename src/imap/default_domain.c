#include "imap/default_domain.h"

#include "imap/observe.h"
#include "imap/once.h"

#include <string.h>

static bool is_called(const ImapCommand *command, const char *name, gsize len)
{
    for (guint i = 0; i < command->replies->len; i++) {
        const ImapReply *reply = g_ptr_array_index(command->replies, i);
        const ImapValue *called = observe_is_reply(reply, "METADATA", 3) ? g_ptr_array_index(reply->values, 1) : NULL;

        if (called != NULL && called->data != NULL && strlen(called->data) == len && strncmp(called->data, name, len) == 0)
            return true;
    }
    return false;
}

void default_domain_look(const char *uri, const char *wire_name, const ImapCommand *command)
{
    const char *at = strrchr(wire_name, '@');

    if (at != NULL && is_called(command, wire_name, (gsize)(at - wire_name)) && once_of(uri, at))
        g_warning("%s: the server's defaultdomain is %s, which is served: Cyrus does not give people of it the rights that name them by "
                  "address. Set defaultdomain in imapd.conf to a domain without people, as its default \"internal\" is", uri, at + 1);
}
