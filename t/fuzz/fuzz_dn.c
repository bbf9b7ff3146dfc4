/* Any text as a DN, and as a value in a filter: a DN has one form, that of its form, and is below itself and every tail of
 * itself; a value that was quoted stays one value. */
#include "daemon/config_check.h"
#include "directory/dn.h"
#include "directory/filter.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_dn(const char *text)
{
    g_autofree char *form = dn_normalize(text);
    g_autofree char *again = dn_normalize(form);

    if (form == NULL)
        return;
    g_assert(g_utf8_validate(form, -1, NULL));
    g_assert_cmpstr(form, ==, again);
    g_assert(dn_is_below(form, form) && dn_is_below(form, ""));
    for (const char *comma = strchr(form, ','); comma != NULL; comma = strchr(comma + 1, ','))
        g_assert(dn_is_below(form, comma + 1) && !dn_is_below(comma + 1, form));
}

/* The value back from "(attribute=value)", its escapes read. */
static void check_filter(const char *text)
{
    g_autofree char *filter = filter_equal("mail", text);
    g_autoptr(GString) value = g_string_new(NULL);
    const char *at = filter + strlen("(mail=");

    g_assert(g_str_has_prefix(filter, "(mail="));
    for (; *at != ')'; at++) {
        g_assert(*at != '\0' && *at != '(' && *at != '*');
        if (*at == '\\') {
            g_assert(g_ascii_isxdigit(at[1]) && g_ascii_isxdigit(at[2]));
            g_string_append_c(value, (char)(g_ascii_xdigit_value(at[1]) * 16 + g_ascii_xdigit_value(at[2])));
            at += 2;
        } else {
            g_string_append_c(value, *at);
        }
    }
    g_assert(at[1] == '\0');
    g_assert_cmpstr(value->str, ==, text);
    g_assert(config_check_filter(filter, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);

    check_dn(text);
    check_filter(text);
    return 0;
}
