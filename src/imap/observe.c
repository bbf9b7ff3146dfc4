#include "imap/observe.h"

#include "imap/status.h"
#include "model/fault.h"
#include "model/mailbox_name.h"

#include <string.h>

/* Which server of a murder has the mailbox; the frontend knows it without asking there. */
#define SERVER_ENTRY "/shared/vendor/cmu/cyrus-imapd/server"

ImapCommand *observe_add_command(GPtrArray *commands, const char *verb, const char *wire_name)
{
    ImapCommand *command = imap_command_new(verb);

    imap_command_add_string(command, wire_name);
    g_ptr_array_add(commands, command);
    return command;
}

static void add_mailbox(GPtrArray *commands, const Namespace *names, const char *mailbox)
{
    g_autofree char *wire = namespace_mailbox(names, mailbox);

    imap_command_add_word(observe_add_command(commands, "GETMETADATA", wire), "(" OBSERVE_PARTITION_ENTRY ")");
    observe_add_command(commands, "GETQUOTA", wire);
}

GPtrArray *observe_mailbox_commands(const Namespace *names, const char *mailbox, const char *previous)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    add_mailbox(commands, names, mailbox);
    if (previous != NULL)
        add_mailbox(commands, names, previous);
    return commands;
}

static bool is_word(const ImapValue *value, const char *word)
{
    return value->kind != IMAP_LIST && value->data != NULL && g_ascii_strcasecmp(value->data, word) == 0;
}

bool observe_is_reply(const ImapReply *reply, const char *word, guint values)
{
    return reply->kind == REPLY_UNTAGGED && reply->values->len >= values && is_word(g_ptr_array_index(reply->values, 0), word);
}

/* The STORAGE limit in "QUOTA root (STORAGE used limit ...)" (RFC 9208); QUOTA_UNLIMITED when there is none. One that cannot be
 * read is not taken for none. */
static bool read_storage(const char *uri, const ImapReply *reply, gint64 *limit_kib, GError **error)
{
    const ImapValue *list = g_ptr_array_index(reply->values, 2);

    *limit_kib = QUOTA_UNLIMITED;
    for (guint i = 0; list->kind == IMAP_LIST && i + 2 < list->items->len; i += 3) {
        const ImapValue *limit = g_ptr_array_index(list->items, i + 2);
        guint64 number;

        if (!is_word(g_ptr_array_index(list->items, i), "STORAGE"))
            continue;
        if (limit->kind != IMAP_ATOM || !g_ascii_string_to_unsigned(limit->data, 10, 0, G_MAXINT64, &number, NULL)) {
            g_set_error(error, FAULT, FAULT_RETRY, "%s: read the quota: the server's STORAGE limit is no number", uri);
            return false;
        }
        *limit_kib = (gint64)number;
    }
    return true;
}

bool observe_read_existence(const char *uri, const ImapCommand *command, bool *exists, GError **error)
{
    *exists = command->status == IMAP_OK;
    if (*exists || imap_says_absent(command))
        return true;
    imap_set_refusal(error, uri, "look for the mailbox", command);
    return false;
}

/* `absent`: what it is without a quota root. */
static bool read_quota(const char *uri, const ImapCommand *command, gint64 absent, gint64 *quota_kib, GError **error)
{
    *quota_kib = absent;
    if (imap_says_no_quota(command) || imap_says_absent(command))
        return true;
    if (command->status != IMAP_OK) {
        imap_set_refusal(error, uri, "read the quota", command);
        return false;
    }
    for (guint i = 0; i < command->replies->len; i++)
        if (observe_is_reply(g_ptr_array_index(command->replies, i), "QUOTA", 3)
            && !read_storage(uri, g_ptr_array_index(command->replies, i), quota_kib, error))
            return false;
    return true;
}

bool observe_mailbox_answers(const char *uri, GPtrArray *commands, bool with_previous, Observed *observed, GError **error)
{
    if (!observe_read_existence(uri, g_ptr_array_index(commands, 0), &observed->mailbox_exists, error)
        || (with_previous && !observe_read_existence(uri, g_ptr_array_index(commands, 2), &observed->previous_exists, error)))
        return false;
    /* The quota moves with the mailbox: before a rename the one of the old name counts. */
    if (!read_quota(uri, g_ptr_array_index(commands, !observed->mailbox_exists && observed->previous_exists ? 3 : 1),
                    QUOTA_UNLIMITED, &observed->quota_kib, error))
        return false;
    observed->quota_known = true;
    return true;
}

/* A frontend answers GETMETADATA from its copy of the murder's list; of a name that is not in there, GETACL makes it fetch the
 * news first. Without that, absence is no proof, and a RENAME or DELETE of such a name locks Cyrus 3.6.1's imapd and the thread
 * that would bring the news against each other, for ever. */
static void add_place(GPtrArray *commands, const Namespace *names, const char *mailbox)
{
    g_autofree char *wire = namespace_mailbox(names, mailbox);

    observe_add_command(commands, "GETACL", wire);
    imap_command_add_word(observe_add_command(commands, "GETMETADATA", wire), "(" SERVER_ENTRY ")");
}

GPtrArray *observe_places_commands(const Namespace *names, const char *mailbox, const char *previous)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    add_place(commands, names, mailbox);
    if (previous != NULL)
        add_place(commands, names, previous);
    return commands;
}

bool observe_places_answers(const char *uri, GPtrArray *commands, bool with_previous, Observed *observed, GError **error)
{
    g_autoptr(GHashTable) metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    if (!observe_read_existence(uri, g_ptr_array_index(commands, 1), &observed->mailbox_exists, error)
        || (with_previous && !observe_read_existence(uri, g_ptr_array_index(commands, 3), &observed->previous_exists, error)))
        return false;
    observe_read_metadata(g_ptr_array_index(commands, !observed->mailbox_exists && observed->previous_exists ? 3 : 1), metadata);
    g_free(observed->server);
    observed->server = g_strdup(g_hash_table_lookup(metadata, SERVER_ENTRY));
    return true;
}

GPtrArray *observe_quota_commands(const Namespace *names, const char *mailbox)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    add_mailbox(commands, names, mailbox);
    return commands;
}

bool observe_quota_answers(const char *uri, GPtrArray *commands, Observed *observed, GError **error)
{
    bool exists;

    if (!observe_read_existence(uri, g_ptr_array_index(commands, 0), &exists, error))
        return false;
    if (!exists) {
        g_set_error(error, FAULT, FAULT_RETRY, "%s: the mailbox is not on %s, where the frontend says that it is", uri, observed->server);
        return false;
    }
    if (!read_quota(uri, g_ptr_array_index(commands, 1), QUOTA_UNLIMITED, &observed->quota_kib, error))
        return false;
    observed->quota_known = true;
    return true;
}

ImapCommand *observe_limit_command(const Namespace *names, const char *mailbox)
{
    ImapCommand *command = imap_command_new("GETQUOTA");
    g_autofree char *wire = namespace_mailbox(names, mailbox);

    imap_command_add_string(command, wire);
    return command;
}

bool observe_limit_answer(const char *uri, const ImapCommand *command, gint64 *quota_kib, GError **error)
{
    return read_quota(uri, command, QUOTA_UNLIMITED, quota_kib, error);
}

void observe_take_metadata(const ImapReply *reply, GHashTable *metadata)
{
    const ImapValue *list = g_ptr_array_index(reply->values, 2);

    for (guint v = 0; list->kind == IMAP_LIST && v + 1 < list->items->len; v += 2) {
        const ImapValue *name = g_ptr_array_index(list->items, v);
        const ImapValue *value = g_ptr_array_index(list->items, v + 1);

        if (name->data != NULL && value->data != NULL && value->kind != IMAP_NIL)
            g_hash_table_insert(metadata, g_strdup(name->data), g_strdup(value->data));
    }
}

void observe_read_metadata(const ImapCommand *command, GHashTable *metadata)
{
    for (guint i = 0; i < command->replies->len; i++)
        if (observe_is_reply(g_ptr_array_index(command->replies, i), "METADATA", 3))
            observe_take_metadata(g_ptr_array_index(command->replies, i), metadata);
}

void observe_read_acl(const ImapCommand *command, GHashTable *acl)
{
    for (guint i = 0; i < command->replies->len; i++) {
        const ImapReply *reply = g_ptr_array_index(command->replies, i);

        for (guint v = 2; observe_is_reply(reply, "ACL", 2) && v + 1 < reply->values->len; v += 2) {
            const ImapValue *identifier = g_ptr_array_index(reply->values, v);
            const ImapValue *rights = g_ptr_array_index(reply->values, v + 1);

            /* A user may be called that: an identifier is an astring, where NIL has no meaning of its own. */
            if (identifier->kind == IMAP_NIL && rights->data != NULL)
                g_hash_table_insert(acl, g_strdup("nil"), g_strdup(rights->data));
            else if (identifier->data != NULL && rights->data != NULL)
                g_hash_table_insert(acl, g_strdup(identifier->data), g_strdup(rights->data));
        }
    }
}

GPtrArray *observe_control_commands(const Namespace *names, const char *mailbox, GPtrArray *folders, const Observed *observed)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    for (guint i = 0; i < folders->len; i++) {
        const Folder *folder = g_ptr_array_index(folders, i);
        g_autofree char *name = mailbox_name_folder(mailbox, folder->name);
        g_autofree char *wire = namespace_mailbox(names, name);

        if (!g_hash_table_contains(observed->folders, folder->name))
            continue;
        if (folder->quota_kib != QUOTA_ANY)
            observe_add_command(commands, "GETQUOTA", wire);
        if (folder->acl->len > 0)
            observe_add_command(commands, "GETACL", wire);
    }
    return commands;
}

static bool read_rights(const char *uri, const ImapCommand *command, GHashTable *acl, GError **error)
{
    if (command->status != IMAP_OK) {
        imap_set_refusal(error, uri, "read the rights", command);
        return false;
    }
    observe_read_acl(command, acl);
    return true;
}

bool observe_control_answers(const char *uri, GPtrArray *commands, GPtrArray *folders, Observed *observed, GError **error)
{
    for (guint i = 0, next = 0; i < folders->len; i++) {
        const Folder *folder = g_ptr_array_index(folders, i);
        ObservedFolder *seen = g_hash_table_lookup(observed->folders, folder->name);

        if (seen == NULL)
            continue;
        if (folder->quota_kib != QUOTA_ANY
            && !read_quota(uri, g_ptr_array_index(commands, next++), QUOTA_ANY, &seen->quota_kib, error))
            return false;
        if (folder->acl->len > 0 && !read_rights(uri, g_ptr_array_index(commands, next++), seen->acl, error))
            return false;
    }
    return true;
}
