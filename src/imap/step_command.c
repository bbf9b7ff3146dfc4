#include "imap/step_command.h"

#include "model/mailbox_name.h"
#include "model/observed.h"

/* Moving takes as long as copying the mails; a frontend that died would show as a closed connection. */
#define MOVE_TIMEOUT_US (3600 * (gint64)G_USEC_PER_SEC)

static void add_quota(ImapCommand *command, gint64 quota_kib)
{
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT ")", quota_kib);

    if (quota_kib < 0) {
        imap_command_add_word(command, "()");
        return;
    }
    imap_command_add_word(command, "(STORAGE");
    imap_command_add_word(command, number);
}

static void add_metadata(ImapCommand *command, GPtrArray *entries)
{
    imap_command_add_word(command, "(");
    for (guint i = 0; i < entries->len; i++) {
        const Metadata *metadata = g_ptr_array_index(entries, i);

        imap_command_add_string(command, metadata->name);
        imap_command_add_string(command, metadata->value);
    }
    g_string_append_c(command->line, ')');
}

static void add_use(ImapCommand *command, const char *use)
{
    imap_command_add_word(command, "(");
    imap_command_add_string(command, SPECIAL_USE_ENTRY);
    imap_command_add_string(command, use);
    g_string_append_c(command->line, ')');
}

/* Cyrus' own extension; server and partition must be bare words, as those that made the step have checked: "part",
 * "server!part", "(SERVER server)". */
static void add_place(ImapCommand *command, const char *server, const char *partition)
{
    g_autofree char *place = NULL;

    if (server != NULL)
        place = partition != NULL ? g_strdup_printf("%s!%s", server, partition) : g_strdup_printf("(SERVER %s)", server);
    if (place != NULL || partition != NULL)
        imap_command_add_word(command, place != NULL ? place : partition);
}

/* A mailbox that keeps its name moves. What stands before the "!" is a server, whatever partitions there are; without a
 * partition behind it the other server chooses. */
static ImapCommand *move_command(const Step *step, const Namespace *admin)
{
    ImapCommand *command = imap_command_new("RENAME");
    g_autofree char *name = namespace_mailbox(admin, step->mailbox);
    g_autofree char *place = g_strdup_printf("%s!%s", step->server, step->partition != NULL ? step->partition : "");

    imap_command_add_string(command, name);
    imap_command_add_string(command, name);
    imap_command_add_word(command, place);
    command->timeout_us = MOVE_TIMEOUT_US;
    return command;
}

/* RFC 6154 */
static void add_create_use(ImapCommand *command, const char *use)
{
    g_autofree char *option = g_strdup_printf("(USE (%s))", use);

    imap_command_add_word(command, option);
}

/* A mailbox, or a folder of it, as the administrator writes it. */
static char *admin_name(const Namespace *admin, const Step *step)
{
    g_autofree char *name = step->folder != NULL ? mailbox_name_folder(step->mailbox, step->folder) : g_strdup(step->mailbox);

    return namespace_mailbox(admin, name);
}

static ImapCommand *new_command(const char *verb, char *wire_name)
{
    ImapCommand *command = imap_command_new(verb);

    imap_command_add_string(command, wire_name);
    g_free(wire_name);
    return command;
}

static ImapCommand *acl_command(const Step *step, char *wire_name)
{
    ImapCommand *command = new_command(step->after != NULL ? "SETACL" : "DELETEACL", wire_name);

    imap_command_add_string(command, step->name);
    if (step->after != NULL)
        imap_command_add_string(command, step->after);
    return command;
}

ImapCommand *step_command(const Step *step, const Namespace *admin, const Namespace *user, bool special_use)
{
    ImapCommand *command;

    switch (step->kind) {
    case STEP_RENAME_MAILBOX: {
        g_autofree char *after = namespace_mailbox(admin, step->mailbox);

        command = new_command("RENAME", namespace_mailbox(admin, step->before));
        imap_command_add_string(command, after);
        return command;
    }
    case STEP_CREATE_PARENT:
    case STEP_CREATE_MAILBOX:
        command = new_command("CREATE", namespace_mailbox(admin, step->mailbox));
        add_place(command, step->server, step->partition);
        return command;
    case STEP_MOVE_MAILBOX:
        return move_command(step, admin);
    case STEP_SET_QUOTA:
        command = new_command("SETQUOTA", admin_name(admin, step));
        add_quota(command, step->quota_kib);
        return command;
    case STEP_CREATE_FOLDER:
        command = new_command("CREATE", step->by_admin ? admin_name(admin, step) : namespace_folder(user, step->folder));
        add_place(command, NULL, step->partition);
        if (special_use && step->use != NULL)
            add_create_use(command, step->use);
        return command;
    case STEP_SET_USE:
        command = new_command("SETMETADATA", namespace_folder(user, step->folder));
        add_use(command, step->use);
        return command;
    case STEP_SET_METADATA:
        command = new_command("SETMETADATA", namespace_folder(user, step->folder));
        add_metadata(command, step->metadata);
        return command;
    case STEP_SET_ACL:
        return acl_command(step, admin_name(admin, step));
    case STEP_SET_SHARED_METADATA:
        command = new_command("SETMETADATA", namespace_mailbox(admin, step->mailbox));
        add_metadata(command, step->metadata);
        return command;
    case STEP_SUBSCRIBE:
        return new_command("SUBSCRIBE", namespace_folder(user, step->folder));
    case STEP_DELETE_MAILBOX: /* mailstore_delete */
    case STEP_WRITE_ATTRIBUTE: /* not ours: ACTOR_DIRECTORY */
        break;
    }
    g_assert_not_reached();
}
