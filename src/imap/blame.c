#include "imap/blame.h"

#include "imap/admin.h"

static char *join(const GPtrArray *servers)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < servers->len; i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", (const char *)g_ptr_array_index(servers, i));
    return g_string_free(names, FALSE);
}

static bool answers(Mailstore *mailstore, const char *server, GError **error)
{
    g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func((GDestroyNotify)imap_command_free);

    g_ptr_array_add(commands, imap_command_new("NOOP"));
    return mailstore_run_at(mailstore, server, commands, error);
}

void blame_explain(Mailstore *mailstore, const GPtrArray *servers, bool unavailable, GError **error)
{
    g_autofree char *names = join(servers);

    for (guint i = 0; i < servers->len; i++) {
        g_autoptr(GError) problem = NULL;

        if (answers(mailstore, g_ptr_array_index(servers, i), &problem))
            continue;
        g_prefix_error(error, "%s: ", problem->message);
        return;
    }
    if (unavailable && servers->len == 0)
        g_prefix_error(error, "is a backend up that the frontend may use (serverlist), and can it log in there (proxy_authname, "
                              "proxy_password)? ");
    else if (unavailable)
        g_prefix_error(error, "backend %s answers kolabd, so the frontend cannot log in there: compare its proxy_authname and "
                              "proxy_password with proxyservers of the backend: ", names);
}
