/* Any text as the name of a server: one that can stand in a command has nothing that ends a word, is itself in any case of
 * letters, and its parts make it again. */
#include "model/server_name.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *name = g_strndup((const char *)data, size);
    g_autofree char *upper = g_ascii_strup(name, -1);
    g_autofree char *host = NULL;
    g_autofree char *port = NULL;

    g_assert(server_name_equal(name, upper) && server_name_equal(upper, name));
    server_name_split(name, &host, &port);
    g_assert(host != NULL && port != NULL && strlen(host) + strlen(port) <= strlen(name));
    g_assert(strstr(name, host) != NULL && g_str_has_suffix(name, port));
    if (!server_name_is_word(name))
        return 0;
    g_assert(*name != '\0');
    for (const char *c = name; *c != '\0'; c++)
        g_assert(g_ascii_isgraph(*c) && strchr("\"\\(){}%*!/", *c) == NULL);
    return 0;
}
