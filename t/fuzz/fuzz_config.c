/* The configuration file: any bytes are a configuration or a list of mistakes, and never touch a file. */
#include "daemon/config.h"
#include "model/fault.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(Config) config = NULL;
    g_autoptr(GError) error = NULL;

    if (config_parse("fuzz", (const char *)data, size, false, &config, &error)) {
        g_assert_no_error(error);
        g_assert((config->domains->len > 0 || config->discovery.base_dn != NULL) && config->directory->uri != NULL && config->imap->uri != NULL);
        g_assert(strcmp(config->directory->bind_password, "") == 0);
    } else {
        g_assert(config == NULL && fault_of(error) == FAULT_STOP);
        g_assert(g_str_has_prefix(error->message, "fuzz:"));
        g_assert(g_utf8_validate(error->message, -1, NULL));
    }
    return 0;
}
