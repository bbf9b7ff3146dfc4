#include "imap/settings.h"

#include "imap/backend.h"

#include <string.h>

ImapSettings *imap_settings_new(void)
{
    ImapSettings *settings = g_new0(ImapSettings, 1);

    settings->backends = g_ptr_array_new_with_free_func((GDestroyNotify)imap_backend_free);
    return settings;
}

void imap_settings_free(ImapSettings *settings)
{
    if (settings == NULL)
        return;
    if (settings->admin_password != NULL)
        explicit_bzero(settings->admin_password, strlen(settings->admin_password));
    g_free(settings->uri);
    g_free(settings->admin_login);
    g_free(settings->admin_password);
    g_free(settings->ca_file);
    g_clear_pointer(&settings->backends, g_ptr_array_unref);
    g_free(settings);
}

static bool same_backend(const ImapBackend *one, const ImapBackend *other)
{
    if (strcmp(one->name, other->name) != 0 || one->uris->len != other->uris->len)
        return false;
    for (guint i = 0; i < one->uris->len; i++)
        if (strcmp(g_ptr_array_index(one->uris, i), g_ptr_array_index(other->uris, i)) != 0)
            return false;
    return true;
}

static bool same_backends(const GPtrArray *one, const GPtrArray *other)
{
    if (one == other)
        return true;
    if (one == NULL || other == NULL || one->len != other->len)
        return false;
    for (guint i = 0; i < one->len; i++)
        if (!same_backend(g_ptr_array_index(one, i), g_ptr_array_index(other, i)))
            return false;
    return true;
}

bool imap_settings_equal(const ImapSettings *one, const ImapSettings *other)
{
    return g_strcmp0(one->uri, other->uri) == 0
        && g_strcmp0(one->admin_login, other->admin_login) == 0
        && g_strcmp0(one->admin_password, other->admin_password) == 0
        && g_strcmp0(one->ca_file, other->ca_file) == 0
        && one->insecure == other->insecure
        && one->tls_resumption == other->tls_resumption
        && one->timeout_us == other->timeout_us
        && one->window == other->window
        && one->max_sessions == other->max_sessions
        && same_backends(one->backends, other->backends);
}
