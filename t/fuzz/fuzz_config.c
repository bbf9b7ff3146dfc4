/* The configuration file: any bytes are a configuration or a list of mistakes, and never touch a file. */
#include "daemon/config.h"
#include "imap/backend.h"
#include "model/fault.h"
#include "model/server_name.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each domain has one server of the list, and none is in it twice. */
static void check_servers(const Config *config)
{
    for (guint i = 0; i < config->domains->len; i++) {
        const DomainSettings *domain = g_ptr_array_index(config->domains, i);

        g_assert(g_ptr_array_find(config->imap_servers, config_imap_of(config, domain->name), NULL));
        g_assert(domain->mail_host == NULL || *domain->mail_host != '\0');
        g_assert(domain->placement_partition == NULL || *domain->placement_partition != '\0');
    }
    for (guint i = 0; i < config->imap_servers->len; i++)
        for (guint j = 0; j < i; j++)
            g_assert(!imap_settings_equal(g_ptr_array_index(config->imap_servers, i), g_ptr_array_index(config->imap_servers, j)));
}

/* Every backend can be reached somewhere, and by TLS unless the file says otherwise. */
static void check_backends(const ImapSettings *settings)
{
    g_autoptr(GPtrArray) derived = imap_backend_uris(settings, "imap1.example.org:1143");

    g_assert(derived->len > 0);
    for (guint i = 0; i < settings->backends->len; i++) {
        const ImapBackend *backend = g_ptr_array_index(settings->backends, i);
        g_autoptr(GPtrArray) uris = imap_backend_uris(settings, backend->name);

        g_assert(server_name_is_word(backend->name) && uris->len > 0);
        for (guint j = 0; j < uris->len; j++) {
            g_autoptr(ImapSettings) own = imap_backend_settings(settings, g_ptr_array_index(uris, j));

            g_assert(!own->insecure || settings->insecure);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(Config) config = NULL;
    g_autoptr(GError) error = NULL;

    if (config_parse("fuzz", (const char *)data, size, false, &config, &error)) {
        g_assert_no_error(error);
        g_assert((config->domains->len > 0 || config->discovery.base_dn != NULL) && config->directory->uri != NULL && config->imap->uri != NULL);
        g_assert(strcmp(config->directory->bind_password, "") == 0);
        check_servers(config);
        for (guint i = 0; i < config->imap_servers->len; i++)
            check_backends(g_ptr_array_index(config->imap_servers, i));
    } else {
        g_assert(config == NULL && fault_of(error) == FAULT_STOP);
        g_assert(g_str_has_prefix(error->message, "fuzz:"));
        g_assert(g_utf8_validate(error->message, -1, NULL));
    }
    return 0;
}
