#include "imap/unfinished.h"

#include "imap/admin.h"
#include "imap/observe.h"
#include "imap/observe_folders.h"
#include "imap/status.h"
#include "model/acl.h"
#include "model/mailbox_name.h"

#include <string.h>

void remains_clear(Remains *remains)
{
    g_clear_pointer(&remains->names, g_ptr_array_unref);
}

static void add_list(GPtrArray *commands, const char *wire_pattern)
{
    imap_command_add_string(observe_add_command(commands, "LIST", ""), wire_pattern);
}

/* Cyrus shows the names of its default domain without that, and finds them by patterns without it only. */
static GPtrArray *make_look(const Namespace *space, const char *mailbox)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);
    g_autofree char *below = mailbox_name_folder(mailbox, "*");
    g_autofree char *wire = namespace_mailbox(space, below);
    g_autofree char *bare = g_strndup(wire, strcspn(wire, "@"));

    add_list(commands, wire);
    add_list(commands, bare);
    g_ptr_array_add(commands, observe_limit_command(space, mailbox));
    return commands;
}

static bool check_list(const char *uri, const ImapCommand *command, GError **error)
{
    if (command->status == IMAP_OK)
        return true;
    imap_set_refusal(error, uri, "list what is below the mailbox", command);
    return false;
}

/* What is below comes before what it is below. */
static gint compare_lengths(gconstpointer a, gconstpointer b)
{
    gsize length_a = strlen(*(char *const *)a), length_b = strlen(*(char *const *)b);

    return (length_a < length_b) - (length_a > length_b);
}

/* A name that is listed without a domain may be of a mailbox that is called the same in another domain: so none is ever used without
 * ours. */
static GPtrArray *make_names(const ImapCommand *with_domain, const ImapCommand *bare, const char *mailbox)
{
    g_autoptr(GHashTable) whole_names = observe_read_list(with_domain, "LIST");
    g_autoptr(GHashTable) bare_names = observe_read_list(bare, "LIST");
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, whole_names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(names, g_strdup(name));
    g_hash_table_iter_init(&iter, bare_names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (strchr(name, '@') == NULL)
            g_ptr_array_add(names, g_strconcat(name, strrchr(mailbox, '@'), NULL));
    g_ptr_array_sort(names, compare_lengths);
    return names;
}

/* Cyrus writes a login of its default domain without that. */
static bool has_rights(const ImapCommand *command, const char *login)
{
    g_autoptr(GHashTable) acl = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autofree char *local = g_strndup(login, strcspn(login, "@"));
    GHashTableIter iter;
    gpointer identifier;

    observe_read_acl(command, acl);
    g_hash_table_iter_init(&iter, acl);
    while (g_hash_table_iter_next(&iter, &identifier, NULL))
        if (acl_identifier_equal(identifier, login) || acl_identifier_equal(identifier, local))
            return true;
    return false;
}

/* Which of these are there, and whether `login` has rights in one. */
static bool look_at_each(Mailstore *mailstore, const char *server, GPtrArray *names, const char *login, Remains *remains, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    for (guint i = 0; i < names->len; i++)
        observe_add_command(commands, "GETACL", g_ptr_array_index(names, i));
    if (commands->len > 0 && !mailstore_run_at(mailstore, server, commands, error))
        return false;
    for (guint i = 0; i < names->len; i++) {
        const ImapCommand *command = g_ptr_array_index(commands, i);
        bool exists;

        if (!observe_read_existence(mailstore_settings(mailstore)->uri, command, &exists, error))
            return false;
        if (exists)
            g_ptr_array_add(remains->names, g_strdup(g_ptr_array_index(names, i)));
        remains->login_has_rights = remains->login_has_rights || (login != NULL && has_rights(command, login));
    }
    return true;
}

bool unfinished_look(Mailstore *mailstore, const char *server, const char *mailbox, const char *login, Remains *remains, GError **error)
{
    const char *uri = mailstore_settings(mailstore)->uri;
    const Namespace *space = mailstore_admin_names(mailstore);
    g_autoptr(GPtrArray) commands = make_look(space, mailbox);
    g_autoptr(GPtrArray) names = NULL;

    *remains = (Remains){.names = g_ptr_array_new_with_free_func(g_free)};
    if (!mailstore_run_at(mailstore, server, commands, error)
        || !check_list(uri, g_ptr_array_index(commands, 0), error) || !check_list(uri, g_ptr_array_index(commands, 1), error)
        || !observe_limit_answer(uri, g_ptr_array_index(commands, 2), &remains->quota_kib, error))
        return false;
    names = make_names(g_ptr_array_index(commands, 0), g_ptr_array_index(commands, 1), mailbox);
    if (login != NULL)
        g_ptr_array_add(names, namespace_mailbox(space, mailbox));
    return look_at_each(mailstore, server, names, login, remains, error);
}

bool mailstore_is_renamed(Mailstore *mailstore, const char *server, const char *from, const char *to, bool *whole, GError **error)
{
    g_auto(Remains) left = {.names = NULL};
    g_auto(Remains) arrived = {.names = NULL};
    g_autofree char *login = NULL;

    if (!mailstore_connect(mailstore, NULL, error) || !unfinished_look(mailstore, server, from, NULL, &left, error))
        return false;
    *whole = left.names->len == 0 && left.quota_kib == QUOTA_UNLIMITED;
    if (!*whole || !g_str_has_prefix(from, "user/"))
        return true;
    login = mailbox_name_login(from);
    if (!unfinished_look(mailstore, server, to, login, &arrived, error))
        return false;
    *whole = !arrived.login_has_rights;
    return true;
}
