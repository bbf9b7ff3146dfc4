#include "daemon/config_transport.h"

#include "imap/backend.h"
#include "model/server_name.h"

#include <string.h>

/* `at` is "insecure", or "uri" when the former was said elsewhere. */
static void check_insecure(const Reading *reading, const ConfigNode *section, const char *scheme, const char *host)
{
    const ConfigNode *own = config_node_find(section, "insecure");
    const ConfigNode *at = own != NULL ? own : config_node_find(section, "uri");

    if (at == NULL)
        return;
    if (g_str_has_suffix(scheme, "s"))
        config_mistakes_add(reading->mistakes, at->line, at->column, "insecure: %s:// always has verified TLS; %s", scheme,
                            own != NULL ? "remove the setting" : "set insecure: false here");
    else if (!host_is_loopback(host))
        config_mistakes_add(
            reading->mistakes, at->line, at->column,
            "insecure: allowed for loopback hosts only (127.0.0.0/8, ::1, localhost); use %ss://, or %s:// "
            "with StartTLS%s",
            scheme, scheme, own != NULL ? "" : " and insecure: false here");
}

void config_transport_check(const Reading *reading, const ConfigNode *section, const char *uri, bool insecure, bool starttls)
{
    g_autofree char *scheme = config_uri_scheme(uri);
    g_autofree char *host = config_uri_host(uri);
    const ConfigNode *at = config_node_find(section, "starttls");

    if (strcmp(scheme, "ldapi") == 0)
        return;
    if (insecure)
        check_insecure(reading, section, scheme, host);
    else if (!starttls && strcmp(scheme, "ldap") == 0 && at != NULL)
        config_mistakes_add(
            reading->mistakes, at->line, at->column,
            "starttls: without TLS the password is in clear text on the net; want starttls: true or "
            "ldaps:// (for a loopback host, insecure: true allows it)");
}

static bool is_in_clear_text(const char *uri)
{
    g_autofree char *scheme = config_uri_scheme(uri);
    g_autofree char *host = config_uri_host(uri);

    return strcmp(scheme, "imap") == 0 && !host_is_loopback(host);
}

void config_transport_check_backends(const Reading *reading, const ConfigNode *section, const ImapSettings *settings)
{
    const ConfigNode *backends = config_node_find(section, "backends");
    const ConfigNode *at = backends != NULL ? backends : config_node_find(section, "insecure");

    for (guint i = 0; at != NULL && settings->insecure && i < settings->backends->len; i++) {
        const ImapBackend *backend = g_ptr_array_index(settings->backends, i);

        for (guint j = 0; j < backend->uris->len; j++)
            if (is_in_clear_text(g_ptr_array_index(backend->uris, j))) {
                config_mistakes_add(reading->mistakes, at->line, at->column,
                                    "backends: with insecure, imap:// is allowed for loopback hosts only (127.0.0.0/8, ::1, "
                                    "localhost); use imaps:// for %s",
                                    backend->name);
                return;
            }
    }
}
