#include "imap/namespace.h"

#include "model/fault.h"
#include "model/mailbox_name.h"

#include <string.h>

void namespace_clear(Namespace *names)
{
    g_clear_pointer(&names->prefix, g_free);
}

/* The first (prefix separator) pair of the namespace at `index` in "NAMESPACE personal users shared". */
static bool read_pair(const ImapReply *reply, guint index, const char **prefix, const char **separator)
{
    const ImapValue *list, *pair, *first, *second;

    if (reply->values->len <= index)
        return false;
    list = g_ptr_array_index(reply->values, index);
    if (list->kind != IMAP_LIST || list->items->len == 0)
        return false;
    pair = g_ptr_array_index(list->items, 0);
    if (pair->kind != IMAP_LIST || pair->items->len < 2)
        return false;
    first = g_ptr_array_index(pair->items, 0);
    second = g_ptr_array_index(pair->items, 1);
    if (first->kind != IMAP_STRING || second->kind != IMAP_STRING)
        return false;
    *prefix = first->data;
    *separator = second->data;
    return strcmp(second->data, "/") == 0 || strcmp(second->data, ".") == 0;
}

ImapCommand *namespace_command(void)
{
    return imap_command_new("NAMESPACE");
}

bool namespace_read(const ImapCommand *command, const char *uri, bool admin, Namespace *names, GError **error)
{
    const char *prefix, *separator;

    for (guint i = 0; i < command->replies->len; i++)
        if (read_pair(g_ptr_array_index(command->replies, i), admin ? 2 : 1, &prefix, &separator)) {
            namespace_clear(names);
            names->prefix = g_strdup(admin ? "" : prefix);
            names->separator = separator[0];
            return true;
        }
    g_set_error(error, FAULT, FAULT_RETRY, "%s: the server answers NAMESPACE without a %s namespace: %s; is it Cyrus IMAP, "
                "and the login an administrator of it?", uri, admin ? "users'" : "personal", command->text);
    return false;
}

char *namespace_mailbox(const Namespace *names, const char *mailbox)
{
    return mailbox_name_to_wire(mailbox, names->separator);
}

char *namespace_folder(const Namespace *names, const char *folder)
{
    g_autofree char *wire = mailbox_name_to_wire(folder, names->separator);

    return g_strconcat(names->prefix, wire, NULL);
}
