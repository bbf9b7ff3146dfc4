#include "imap/backend.h"

#include "model/server_name.h"

#include <string.h>

ImapBackend *imap_backend_new(const char *name)
{
    ImapBackend *backend = g_new0(ImapBackend, 1);

    backend->name = g_strdup(name);
    backend->uris = g_ptr_array_new_with_free_func(g_free);
    return backend;
}

void imap_backend_free(ImapBackend *backend)
{
    if (backend == NULL)
        return;
    g_free(backend->name);
    g_ptr_array_unref(backend->uris);
    g_free(backend);
}

static char *derive_uri(const ImapSettings *settings, const char *server)
{
    g_autofree char *host = NULL;
    g_autofree char *port = NULL;
    bool tls_at_once = g_ascii_strncasecmp(settings->uri, "imaps:", strlen("imaps:")) == 0;
    bool six;

    server_name_split(server, &host, &port);
    six = strchr(host, ':') != NULL;
    return g_strdup_printf("%s://%s%s%s%s%s", *port == '\0' && tls_at_once ? "imaps" : "imap", six ? "[" : "", host,
                           six ? "]" : "", *port != '\0' ? ":" : "", port);
}

static const ImapBackend *find_backend(const ImapSettings *settings, const char *server)
{
    for (guint i = 0; settings->backends != NULL && i < settings->backends->len; i++) {
        const ImapBackend *backend = g_ptr_array_index(settings->backends, i);

        if (server_name_equal(backend->name, server))
            return backend;
    }
    return NULL;
}

GPtrArray *imap_backend_uris(const ImapSettings *settings, const char *server)
{
    GPtrArray *uris = g_ptr_array_new_with_free_func(g_free);
    const ImapBackend *backend = find_backend(settings, server);

    if (backend == NULL)
        g_ptr_array_add(uris, derive_uri(settings, server));
    for (guint i = 0; backend != NULL && i < backend->uris->len; i++)
        g_ptr_array_add(uris, g_strdup(g_ptr_array_index(backend->uris, i)));
    return uris;
}

static bool is_loopback(const char *uri)
{
    g_autofree char *host = NULL;

    return g_uri_split(uri, G_URI_FLAGS_NON_DNS, NULL, NULL, &host, NULL, NULL, NULL, NULL, NULL) && host != NULL
        && host_is_loopback(host);
}

ImapSettings *imap_backend_settings(const ImapSettings *settings, const char *uri)
{
    ImapSettings *copy = imap_settings_new();

    copy->uri = g_strdup(uri);
    copy->admin_login = g_strdup(settings->admin_login);
    copy->admin_password = g_strdup(settings->admin_password);
    copy->ca_file = g_strdup(settings->ca_file);
    copy->insecure = settings->insecure && is_loopback(uri);
    copy->tls_resumption = settings->tls_resumption;
    copy->timeout_us = settings->timeout_us;
    copy->window = settings->window;
    g_clear_pointer(&copy->backends, g_ptr_array_unref);
    copy->backends = settings->backends != NULL ? g_ptr_array_ref(settings->backends) : NULL;
    return copy;
}
