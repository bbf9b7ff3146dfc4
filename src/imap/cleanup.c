#include "imap/cleanup.h"

#include "imap/admin.h"
#include "imap/status.h"
#include "model/fault.h"
#include "model/mailbox_name.h"

#include <string.h>

/* Lists that are read before the next ones are asked for: bounds the memory for their answers. */
enum { LISTS_AT_A_TIME = 1024 };
/* How often the names are listed, at the most, until there is none that is new. */
enum { ROUNDS = 3 };

/* Cyrus' deletedprefix, which hardly anybody changes. */
#define DELETED_PREFIX "DELETED"

typedef struct {
    Mailstore *mailstore;
    GHashTable *identifiers;
    GHashTable *logins;  /* wire name of a mailbox -> the identifier of whoever it would belong to */
    GPtrArray *names;    /* of char*: mailboxes, as on the wire */
    GHashTable *seen;    /* set of char*, of `names`: those that need no second look */
    GHashTable *gone;    /* set of char*: names that were listed, and then not there */
    bool moved;          /* a mailbox is not where it was: it may have another name now */
    GPtrArray *removals;
    CleanupResult *result;
    GError *later;       /* the first refusal that may not last; NULL: none */
} Pass;

void removal_free(Removal *removal)
{
    if (removal == NULL)
        return;
    g_free(removal->mailbox);
    g_free(removal->identifier);
    g_free(removal->listed);
    g_free(removal->rights);
    g_free(removal->refusal);
    g_free(removal);
}

static bool is_deleted(const Pass *pass, const char *name)
{
    return g_str_has_prefix(name, DELETED_PREFIX)
        && name[strlen(DELETED_PREFIX)] == mailstore_admin_names(pass->mailstore)->separator;
}

/* "LIST (flags) separator name" */
static void take_name(const ImapReply *reply, gpointer user_data)
{
    Pass *pass = user_data;
    const ImapValue *name = reply->values->len < 4 ? NULL : g_ptr_array_index(reply->values, 3);
    const char *owner;

    if (name == NULL || name->data == NULL || is_deleted(pass, name->data))
        return;
    owner = g_hash_table_lookup(pass->logins, name->data);
    if (owner != NULL)
        g_hash_table_remove(pass->identifiers, owner);
    if (!g_hash_table_contains(pass->seen, name->data))
        g_ptr_array_add(pass->names, g_strdup(name->data));
}

static void find_logins(Pass *pass)
{
    GHashTableIter iter;
    gpointer identifier;

    g_hash_table_iter_init(&iter, pass->identifiers);
    while (g_hash_table_iter_next(&iter, &identifier, NULL)) {
        g_autofree char *mailbox = g_strconcat("user/", identifier, NULL);

        g_hash_table_insert(pass->logins, namespace_mailbox(mailstore_admin_names(pass->mailstore), mailbox),
                            g_strdup(identifier));
    }
}

static bool list_mailboxes(Pass *pass, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    ImapCommand *command = imap_command_new("LIST");

    imap_command_add_string(command, "");
    imap_command_add_string(command, "*");
    command->take = take_name;
    command->take_data = pass;
    g_ptr_array_add(commands, command);
    if (!mailstore_run_admin(pass->mailstore, commands, error))
        return false;
    pass->result->mailboxes = pass->names->len;
    if (command->status == IMAP_OK)
        return true;
    imap_set_refusal(error, mailstore_settings(pass->mailstore)->uri, "list the mailboxes", command);
    return false;
}

/* The identifier of ours that stands here; "-jane" takes rights away from "jane". NULL: none. */
static const char *find_identifier(const Pass *pass, const char *listed)
{
    g_autofree char *lower = g_utf8_validate(listed, -1, NULL) ? g_utf8_strdown(listed, -1) : NULL;
    gpointer found = NULL;

    if (lower != NULL && !g_hash_table_lookup_extended(pass->identifiers, lower, &found, NULL) && *lower == '-')
        g_hash_table_lookup_extended(pass->identifiers, lower + 1, &found, NULL);
    return found;
}

static void add_removal(const Pass *pass, const char *wire_name, const char *identifier, const char *listed,
                        const char *rights, GPtrArray *wanted)
{
    Removal *removal = g_new0(Removal, 1);

    removal->mailbox = mailbox_name_from_wire(wire_name, mailstore_admin_names(pass->mailstore)->separator);
    removal->identifier = g_strdup(identifier);
    removal->listed = g_strdup(listed);
    removal->rights = g_strdup(rights);
    g_ptr_array_add(wanted, removal);
}

/* "ACL mailbox identifier rights identifier rights ..." */
static void read_list(const Pass *pass, const ImapReply *reply, const char *wire_name, GPtrArray *wanted)
{
    for (guint i = 2; i + 1 < reply->values->len; i += 2) {
        const ImapValue *listed = g_ptr_array_index(reply->values, i);
        const ImapValue *rights = g_ptr_array_index(reply->values, i + 1);
        const char *identifier = listed->data == NULL ? NULL : find_identifier(pass, listed->data);

        if (identifier != NULL)
            add_removal(pass, wire_name, identifier, listed->data, rights->data, wanted);
    }
}

/* Gives what the server said, owned by the caller. */
static char *note_refusal(Pass *pass, const char *operation, const ImapCommand *command)
{
    g_autoptr(GError) refusal = NULL;
    char *message;

    imap_set_refusal(&refusal, mailstore_settings(pass->mailstore)->uri, operation, command);
    message = g_strdup(refusal->message);
    if (fault_of(refusal) == FAULT_PARK)
        pass->result->refused++;
    else if (pass->later == NULL)
        pass->later = g_steal_pointer(&refusal);
    return message;
}

/* What is listed again and again, and never there, is no mailbox that moves. */
static void note_absent(Pass *pass, const char *name)
{
    if (g_hash_table_add(pass->gone, g_strdup(name)))
        pass->moved = true;
}

/* Asks for the lists of names[from, to) and adds what is to go. */
static bool look(Pass *pass, guint from, guint to, GPtrArray *wanted, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    for (guint i = from; i < to; i++) {
        ImapCommand *command = imap_command_new("GETACL");

        imap_command_add_string(command, g_ptr_array_index(pass->names, i));
        g_ptr_array_add(commands, command);
    }
    if (!mailstore_run_admin(pass->mailstore, commands, error))
        return false;
    for (guint i = from; i < to; i++) {
        const ImapCommand *command = g_ptr_array_index(commands, i - from);

        if (imap_says_absent(command))
            note_absent(pass, g_ptr_array_index(pass->names, i));
        else if (command->status == IMAP_OK)
            g_hash_table_remove(pass->gone, g_ptr_array_index(pass->names, i));
        else
            g_free(note_refusal(pass, "read rights", command));
        for (guint r = 0; r < command->replies->len; r++)
            read_list(pass, g_ptr_array_index(command->replies, r), g_ptr_array_index(pass->names, i), wanted);
    }
    return true;
}

/* False: there is nothing to tell. */
static bool judge(Pass *pass, Removal *removal, const ImapCommand *command)
{
    if (imap_says_absent(command)) {
        g_autofree char *wire = namespace_mailbox(mailstore_admin_names(pass->mailstore), removal->mailbox);

        note_absent(pass, wire);
        return false;
    }
    if (command->status == IMAP_NONE)
        return false;
    if (command->status == IMAP_OK) {
        pass->result->removed++;
        return true;
    }
    removal->refusal = note_refusal(pass, "remove rights", command);
    return true;
}

static bool take_out(Pass *pass, GPtrArray *wanted, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    bool ran;

    for (guint i = 0; i < wanted->len; i++) {
        const Removal *removal = g_ptr_array_index(wanted, i);
        g_autofree char *wire = namespace_mailbox(mailstore_admin_names(pass->mailstore), removal->mailbox);
        ImapCommand *command = imap_command_new("DELETEACL");

        imap_command_add_string(command, wire);
        imap_command_add_string(command, removal->listed);
        g_ptr_array_add(commands, command);
    }
    ran = commands->len == 0 || mailstore_run_admin(pass->mailstore, commands, error);
    for (guint i = 0; i < wanted->len; i++) {
        if (judge(pass, g_ptr_array_index(wanted, i), g_ptr_array_index(commands, i)))
            g_ptr_array_add(pass->removals, g_steal_pointer(&wanted->pdata[i]));
    }
    return ran;
}

static bool look_through(Pass *pass, guint first, GError **error)
{
    for (guint from = first; from < pass->names->len && g_hash_table_size(pass->identifiers) > 0; from += LISTS_AT_A_TIME) {
        g_autoptr(GPtrArray) wanted = g_ptr_array_new_with_free_func((GDestroyNotify)removal_free);

        if (!look(pass, from, MIN(from + LISTS_AT_A_TIME, pass->names->len), wanted, error)
            || !take_out(pass, wanted, error))
            return false;
    }
    return true;
}

/* A name that was gone another mailbox may have by now. */
static void remember_names(Pass *pass)
{
    g_hash_table_remove_all(pass->seen);
    for (guint i = 0; i < pass->names->len; i++)
        if (!g_hash_table_contains(pass->gone, g_ptr_array_index(pass->names, i)))
            g_hash_table_add(pass->seen, g_ptr_array_index(pass->names, i));
}

/* A mailbox that its user renames takes its list along to a name that was not listed. */
static bool run(Pass *pass, GError **error)
{
    find_logins(pass);
    for (guint round = 0; round < ROUNDS; round++) {
        guint first = pass->names->len;

        remember_names(pass);
        pass->moved = false;
        if (!list_mailboxes(pass, error) || !look_through(pass, first, error))
            return false;
        if (!pass->moved)
            return true;
    }
    g_set_error(error, FAULT, FAULT_RETRY, "%s: list the mailboxes: some were renamed or deleted again and again meanwhile",
                mailstore_settings(pass->mailstore)->uri);
    return false;
}

bool mailstore_clean_up(Mailstore *mailstore, GHashTable *identifiers, GPtrArray *removals, CleanupResult *result,
                        GError **error)
{
    g_autoptr(GHashTable) logins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Pass pass = {.mailstore = mailstore, .identifiers = identifiers, .logins = logins, .names = names, .seen = seen,
                 .gone = gone, .removals = removals, .result = result};

    *result = (CleanupResult){0};
    if (!mailstore_connect(mailstore, NULL, error) || !run(&pass, error)) {
        g_clear_error(&pass.later);
        return false;
    }
    if (pass.later == NULL)
        return true;
    g_propagate_error(error, pass.later);
    return false;
}
