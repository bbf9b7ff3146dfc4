#include "imap/observe_folders.h"

#include "imap/observe.h"
#include "imap/status.h"

/* Of the many that a command brought, what is said of one mailbox. */
static void read_metadata_of(const ImapCommand *command, const char *wire, GHashTable *metadata)
{
    for (guint i = 0; i < command->replies->len; i++) {
        const ImapReply *reply = g_ptr_array_index(command->replies, i);
        const ImapValue *name = reply->values->len >= 3 ? g_ptr_array_index(reply->values, 1) : NULL;

        if (name != NULL && observe_is_reply(reply, "METADATA", 3) && name->kind != IMAP_LIST && g_strcmp0(name->data, wire) == 0)
            observe_take_metadata(reply, metadata);
    }
}

/* The entries that a folder is to have some value of. */
static void add_entries(const Folder *folder, bool special_use, GPtrArray *entries)
{
    for (guint i = 0; i < folder->metadata->len; i++) {
        char *name = ((const Metadata *)g_ptr_array_index(folder->metadata, i))->name;

        if (!g_ptr_array_find_with_equal_func(entries, name, g_str_equal, NULL))
            g_ptr_array_add(entries, name);
    }
    if (special_use && folder_special_use(folder) != NULL
        && !g_ptr_array_find_with_equal_func(entries, SPECIAL_USE_ENTRY, g_str_equal, NULL))
        g_ptr_array_add(entries, (gpointer)SPECIAL_USE_ENTRY);
}

static void add_strings(ImapCommand *command, GPtrArray *texts)
{
    imap_command_add_word(command, "(");
    for (guint i = 0; i < texts->len; i++)
        imap_command_add_string(command, g_ptr_array_index(texts, i));
    g_string_append_c(command->line, ')');
}

ImapCommand *observe_list_command(GPtrArray *folders, bool special_use)
{
    ImapCommand *command = imap_command_new("LIST (SUBSCRIBED)");
    g_autoptr(GPtrArray) entries = g_ptr_array_new();

    for (guint i = 0; i < folders->len; i++)
        add_entries(g_ptr_array_index(folders, i), special_use, entries);
    imap_command_add_string(command, "");
    imap_command_add_string(command, "*");
    if (entries->len == 0)
        return command;
    imap_command_add_word(command, "RETURN");
    imap_command_add_word(command, "(METADATA");
    add_strings(command, entries);
    g_string_append_c(command->line, ')');
    return command;
}

static ObservedFolder *add_folder(Observed *observed, const Folder *folder, bool subscribed)
{
    ObservedFolder *seen = observed_folder_new();

    seen->exists = true;
    seen->subscribed = subscribed;
    g_hash_table_insert(observed->folders, g_strdup(folder->name), seen);
    return seen;
}

static const char *text_of(const ImapValue *value)
{
    return value->data != NULL ? value->data : "";
}

static bool has_flag(const ImapValue *flags, const char *flag)
{
    for (guint i = 0; flags->kind == IMAP_LIST && i < flags->items->len; i++)
        if (g_ascii_strcasecmp(text_of(g_ptr_array_index(flags->items, i)), flag) == 0)
            return true;
    return false;
}

GHashTable *observe_read_list(const ImapCommand *command, const char *word)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < command->replies->len; i++) {
        const ImapReply *reply = g_ptr_array_index(command->replies, i);
        const ImapValue *name;

        if (!observe_is_reply(reply, word, 4) || has_flag(g_ptr_array_index(reply->values, 1), "\\NonExistent"))
            continue;
        name = g_ptr_array_index(reply->values, 3);
        if (name->kind == IMAP_ATOM || name->kind == IMAP_STRING)
            g_hash_table_add(names, name->data);
    }
    return names;
}

bool observe_list_answer(const Namespace *names, const ImapCommand *command, GPtrArray *folders, Observed *observed)
{
    g_autoptr(GHashTable) listed = observe_read_list(command, "LIST");

    if (command->status != IMAP_OK)
        return false;
    for (guint i = 0; i < folders->len; i++) {
        const Folder *folder = g_ptr_array_index(folders, i);
        g_autofree char *wire = namespace_folder(names, folder->name);

        if (g_hash_table_contains(listed, wire))
            read_metadata_of(command, wire, add_folder(observed, folder, true)->metadata);
    }
    return true;
}

GPtrArray *observe_folders_commands(const Namespace *names, GPtrArray *folders, const Observed *observed, bool special_use,
                                    bool subscriptions)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    if (subscriptions)
        imap_command_add_string(observe_add_command(commands, "LSUB", ""), "*");
    for (guint i = 0; i < folders->len; i++) {
        const Folder *folder = g_ptr_array_index(folders, i);
        g_autofree char *wire = namespace_folder(names, folder->name);
        g_autoptr(GPtrArray) entries = g_ptr_array_new();

        if (g_hash_table_contains(observed->folders, folder->name))
            continue;
        add_entries(folder, special_use, entries);
        if (entries->len == 0)
            g_ptr_array_add(entries, (gpointer)"/shared/comment");
        add_strings(observe_add_command(commands, "GETMETADATA", wire), entries);
    }
    return commands;
}

bool observe_folders_answers(const char *uri, const Namespace *names, GPtrArray *commands, GPtrArray *folders, bool subscriptions,
                             Observed *observed, GError **error)
{
    const ImapCommand *first = subscriptions ? g_ptr_array_index(commands, 0) : NULL;
    g_autoptr(GHashTable) subscribed = first != NULL ? observe_read_list(first, "LSUB") : g_hash_table_new(g_str_hash, g_str_equal);
    guint next = first != NULL ? 1 : 0;

    if (first != NULL && first->status != IMAP_OK) {
        imap_set_refusal(error, uri, "read the subscriptions", first);
        return false;
    }
    for (guint i = 0; i < folders->len; i++) {
        const Folder *folder = g_ptr_array_index(folders, i);
        g_autofree char *wire = namespace_folder(names, folder->name);
        const ImapCommand *command;
        bool exists;

        if (g_hash_table_contains(observed->folders, folder->name))
            continue;
        command = g_ptr_array_index(commands, next++);
        if (!observe_read_existence(uri, command, &exists, error))
            return false;
        if (exists)
            observe_read_metadata(command, add_folder(observed, folder, g_hash_table_contains(subscribed, wire))->metadata);
    }
    observed->folders_known = true;
    return true;
}
