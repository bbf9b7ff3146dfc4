#include "imap/space.h"

#include "imap/admin.h"
#include "imap/observe.h"

#define SPACE_ENTRY "/shared/vendor/cmu/cyrus-imapd/freespace"

/* The answer costs the server a choice like that of a new mailbox. */
static bool ask_in_turn(Mailstore *mailstore, const char *server, GPtrArray *commands, GError **error)
{
    Creator *creator = mailstore_creator(mailstore);
    bool ran;

    if (creator == NULL)
        return mailstore_run_at(mailstore, server, commands, error);
    if (!creator_begin(creator, server, error))
        return false;
    ran = mailstore_run_at(mailstore, server, commands, error);
    creator_end(creator, server);
    return ran;
}

bool mailstore_read_space(Mailstore *mailstore, const char *server, gint64 *free_kib, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    g_autoptr(GHashTable) metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    ImapCommand *command = imap_command_new("GETMETADATA");
    const char *text;
    guint64 number;

    imap_command_add_string(command, "");
    imap_command_add_word(command, "(" SPACE_ENTRY ")");
    g_ptr_array_add(commands, command);
    if (!ask_in_turn(mailstore, server, commands, error))
        return false;
    observe_read_metadata(command, metadata);
    text = g_hash_table_lookup(metadata, SPACE_ENTRY);
    *free_kib = text != NULL && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &number, NULL) ? (gint64)number : -1;
    return true;
}
