#include "daemon/config_imap.h"

#include "daemon/config_transport.h"
#include "imap/backend.h"
#include "imap/gates.h"
#include "model/fault.h"
#include "model/server_name.h"

#include <string.h>

/* A service address may have a second one, hardly more; each costs a connection's time-out before the next is tried. */
enum { BACKEND_URIS_MAX = 4 };

/* --- imap.backends */

static void add_uri(const Reading *reading, const Setting *setting, const ConfigNode *node, ImapBackend *backend)
{
    g_autoptr(GError) error = NULL;

    if (node->kind == CONFIG_REFUSED)
        return;
    if (node->kind != CONFIG_TEXT)
        config_setting_refuse(reading, setting, node, "want the URI of a server, or a list of them");
    else if (!config_check_imap_uri(node->text, &error))
        config_setting_refuse(reading, setting, node, error->message);
    else
        g_ptr_array_add(backend->uris, g_strdup(node->text));
}

static void read_uris(const Reading *reading, const Setting *setting, const ConfigNode *node, ImapBackend *backend)
{
    if (node->kind == CONFIG_LIST && (node->values->len == 0 || node->values->len > BACKEND_URIS_MAX))
        config_setting_refuse(reading, setting, node, "want 1 to 4 URIs of a server");
    else if (node->kind != CONFIG_LIST)
        add_uri(reading, setting, node, backend);
    for (guint i = 0; node->kind == CONFIG_LIST && i < node->values->len; i++)
        add_uri(reading, setting, g_ptr_array_index(node->values, i), backend);
}

static void read_backend(const Reading *reading, const Setting *setting, const ConfigNode *name, const ConfigNode *node,
                         GHashTable *seen, GPtrArray *backends)
{
    g_autoptr(GError) error = NULL;
    ImapBackend *backend;

    if (!config_check_server(name->text, &error)) {
        config_setting_refuse(reading, setting, name, error->message);
        return;
    }
    if (!g_hash_table_add(seen, g_ascii_strdown(name->text, -1))) {
        config_setting_refuse(reading, setting, name, "the same server twice (names are compared without case)");
        return;
    }
    backend = imap_backend_new(name->text);
    g_ptr_array_add(backends, backend);
    read_uris(reading, setting, node, backend);
}

static gint compare_backends(gconstpointer a, gconstpointer b)
{
    return strcmp((*(ImapBackend *const *)a)->name, (*(ImapBackend *const *)b)->name);
}

static void free_backend(gpointer backend)
{
    imap_backend_free(backend);
}

static void read_backends(const Reading *reading, const Setting *setting, const ConfigNode *node, gpointer field)
{
    GPtrArray *backends = g_ptr_array_new_with_free_func(free_backend);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < node->values->len; i++)
        read_backend(reading, setting, g_ptr_array_index(node->keys, i), g_ptr_array_index(node->values, i), seen, backends);
    g_ptr_array_sort(backends, compare_backends); /* so that two lists of the same servers are equal */
    g_ptr_array_unref(*(GPtrArray **)field);
    *(GPtrArray **)field = backends;
}

const SettingType type_backends = {"a mapping of servers' names to their URIs", CONFIG_MAPPING, STORE_LIST,
                                   .read = read_backends};

/* --- the servers of domains */

/* A worker has its administrator's session when it waits for a user's: with places for the former only nothing would ever go on.
 * What a domain inherits is told at the top. */
static void check_sessions(const Reading *reading, const ConfigNode *section, guint max_sessions, guint workers)
{
    const ConfigNode *at = config_node_find(section, "max_sessions");
    guint apart = gates_admin_sessions(workers);

    if (at != NULL && max_sessions != 0 && max_sessions <= apart)
        config_mistakes_add(reading->mistakes, at->line, at->column,
                            "imap.max_sessions: %u workers need at least %u: %u as administrator, and one as a user; want more of "
                            "them, fewer workers, or 0: as many as they need", workers, apart + 1, apart);
}

static void check_server(const Reading *reading, const ConfigNode *section, const ImapSettings *settings, guint workers)
{
    if (settings->uri != NULL)
        config_transport_check(reading, section, settings->uri, settings->insecure, true);
    config_transport_check_backends(reading, section, settings);
    check_sessions(reading, section, settings->max_sessions, workers);
}

static ImapSettings *read_server(const Reading *reading, const ConfigNode *domain, const ImapSettings *base, guint workers)
{
    ImapSettings *settings = imap_settings_new();

    for (const Setting *setting = config_settings; setting->path != NULL; setting++) {
        const ConfigNode *own = setting->target == TARGET_IMAP ? config_node_find(domain, setting->path) : NULL;

        if (setting->target == TARGET_IMAP)
            config_setting_inherit(setting, base, settings);
        if (own != NULL)
            config_setting_read(reading, setting, own, settings);
    }
    check_server(reading, config_node_find(domain, "imap"), settings, workers);
    return settings;
}

/* Takes `settings`; what is there already stands for it. */
static ImapSettings *share(GPtrArray *servers, ImapSettings *settings)
{
    for (guint i = 0; i < servers->len; i++) {
        ImapSettings *other = g_ptr_array_index(servers, i);

        if (imap_settings_equal(other, settings)) {
            imap_settings_free(settings);
            return other;
        }
    }
    g_ptr_array_add(servers, settings);
    return settings;
}

void config_imap_read(const Reading *reading, const ConfigNode *root, Config *config)
{
    const ConfigNode *domains = config_node_find(root, "domains");

    check_server(reading, config_node_find(root, "imap"), config->imap, config->workers);
    for (guint i = 0; domains != NULL && domains->kind == CONFIG_MAPPING && i < domains->keys->len; i++) {
        const ConfigNode *name = g_ptr_array_index(domains->keys, i);
        const ConfigNode *domain = g_ptr_array_index(domains->values, i);
        const ConfigNode *section = config_node_find(domain, "imap");

        if (section != NULL && section->kind == CONFIG_MAPPING)
            g_hash_table_insert(config->imap_of_domain, g_ascii_strdown(name->text, -1),
                                share(config->imap_servers, read_server(reading, domain, config->imap, config->workers)));
    }
}

void config_imap_complete_mail_host(const ConfigNode *node, const DomainSettings *inherited, DomainSettings *settings)
{
    const ConfigNode *uri = config_node_find(node, "imap.uri");
    bool left_alone = inherited != NULL && inherited->mail_host == NULL;

    if (config_node_find(node, "imap.mail_host") == NULL && !left_alone && uri != NULL && uri->kind == CONFIG_TEXT
        && config_check_imap_uri(uri->text, NULL)) {
        g_free(settings->mail_host);
        settings->mail_host = config_uri_host(uri->text);
    }
}
