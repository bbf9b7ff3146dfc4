#include "daemon/config.h"

#include "daemon/config_domains.h"
#include "daemon/config_imap.h"
#include "daemon/config_schema.h"
#include "daemon/config_transport.h"
#include "model/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* Ten thousand domains fit; keeps a wrong path (a device, a disk image) out of memory. */
enum { FILE_MAX_BYTES = 1 << 20 };

void config_free(Config *config)
{
    if (config == NULL)
        return;
    g_free(config->state_file);
    g_clear_pointer(&config->directory, directory_settings_free);
    g_clear_pointer(&config->imap_of_domain, g_hash_table_unref);
    g_clear_pointer(&config->imap_servers, g_ptr_array_unref);
    g_clear_pointer(&config->domains, g_ptr_array_unref);
    g_clear_pointer(&config->defaults, domain_settings_unref);
    g_free(config->discovery.base_dn);
    g_free(config->discovery.filter);
    g_free(config->discovery.name_attribute);
    g_free(config->discovery.base_attribute);
    g_free(config->discovery.status_attribute);
    g_free(config);
}

/* --- what several settings say together */

/* An empty base DN is none; an empty filter would be a strange way to say so. */
static void complete_discovery(const Reading *reading, const ConfigNode *root, DiscoverySettings *discovery)
{
    const ConfigNode *filter = config_node_find(root, "domain_discovery.filter");

    if (discovery->base_dn != NULL && *discovery->base_dn == '\0')
        g_clear_pointer(&discovery->base_dn, g_free);
    if (discovery->filter != NULL && *discovery->filter == '\0' && filter != NULL)
        config_mistakes_add(reading->mistakes, filter->line, filter->column,
                            "domain_discovery.filter: want an LDAP filter; domain_discovery.base_dn \"\" turns this off");
}

static Config *read_config(const Reading *reading, const ConfigNode *root)
{
    Config *config = g_new0(Config, 1);
    g_autoptr(DomainSettings) base = domain_settings_new("");
    gpointer targets[TARGET_COUNT] = {NULL};

    config->directory = g_new0(DirectorySettings, 1);
    config->imap = imap_settings_new();
    config->imap_servers = g_ptr_array_new_with_free_func((GDestroyNotify)imap_settings_free);
    g_ptr_array_add(config->imap_servers, config->imap);
    config->imap_of_domain = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    targets[TARGET_CONFIG] = config;
    targets[TARGET_DIRECTORY] = config->directory;
    targets[TARGET_IMAP] = config->imap;
    targets[TARGET_DOMAIN] = base;
    config_settings_read(reading, PLACE_GLOBAL | PLACE_INHERITED, root, targets);
    config_domains_check_attributes(reading, base, config_node_find(root, "attributes"));
    config_imap_complete_mail_host(root, NULL, base);
    config_domains_drop_empty(base);
    if (config->directory->uri != NULL)
        config_transport_check(reading, config_node_find(root, "ldap"), config->directory->uri, config->directory->insecure,
                               config->directory->starttls);
    complete_discovery(reading, root, &config->discovery);
    config->domains = config_domains_read(reading, root, base, config->discovery.base_dn != NULL);
    config_imap_read(reading, root, config);
    config->defaults = g_steal_pointer(&base);
    return config;
}

bool config_parse(const char *name, const char *data, gsize len, bool read_files, Config **config,
                  GError **error)
{
    g_autoptr(ConfigMistakes) mistakes = config_mistakes_new(name);
    g_autoptr(ConfigNode) root = config_yaml_parse(data, len, mistakes);
    g_autoptr(Config) read = NULL;
    Reading reading = {.mistakes = mistakes, .read_files = read_files};

    if (root != NULL)
        config_settings_check_names(&reading, PLACE_GLOBAL | PLACE_INHERITED, root);
    if (root != NULL && (root->kind == CONFIG_MAPPING || config_node_is_null(root)))
        read = read_config(&reading, root);
    if (!config_mistakes_report(mistakes, error))
        return false;
    *config = g_steal_pointer(&read);
    return true;
}

/* --- the file */

/* Up to FILE_MAX_BYTES + 1 bytes, which tells a file that is too large. */
static bool read_all(int fd, GByteArray *bytes)
{
    guint8 block[16 * 1024];
    gssize n;

    while (bytes->len <= FILE_MAX_BYTES && (n = read(fd, block, sizeof block)) != 0) {
        if (n < 0)
            return false;
        g_byte_array_append(bytes, block, (guint)n);
    }
    return true;
}

bool config_read(const char *path, Config **config, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && read_all(fd, bytes);
    int saved_errno = errno;

    if (fd >= 0)
        g_close(fd, NULL);
    if (!good) {
        g_set_error(error, FAULT, FAULT_STOP, "%s: cannot be read: %s", path, g_strerror(saved_errno));
        return false;
    }
    if (bytes->len > FILE_MAX_BYTES) {
        g_set_error(error, FAULT, FAULT_STOP, "%s: larger than 1 MiB; that is no configuration of kolabd",
                    path);
        return false;
    }
    g_byte_array_append(bytes, (const guint8 *)"", 1); /* an empty array has no data */
    return config_parse(path, (const char *)bytes->data, bytes->len - 1, true, config, error);
}

static bool has_name(const DomainSettings *domain, const char *name)
{
    for (guint i = 0; i < domain->aliases->len; i++)
        if (g_ascii_strcasecmp(g_ptr_array_index(domain->aliases, i), name) == 0)
            return true;
    return g_ascii_strcasecmp(domain->name, name) == 0;
}

DomainSettings *config_find_domain(const Config *config, const char *name)
{
    for (guint i = 0; i < config->domains->len; i++) {
        DomainSettings *domain = g_ptr_array_index(config->domains, i);

        if (has_name(domain, name))
            return domain;
    }
    return NULL;
}

const ImapSettings *config_imap_of(const Config *config, const char *domain)
{
    g_autofree char *name = g_ascii_strdown(domain, -1);
    const ImapSettings *own = g_hash_table_lookup(config->imap_of_domain, name);

    return own != NULL ? own : config->imap;
}

guint config_imap_at(const Config *config, const char *domain)
{
    guint at = 0;

    g_ptr_array_find(config->imap_servers, config_imap_of(config, domain), &at);
    return at;
}
