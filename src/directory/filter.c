#include "directory/filter.h"

#include <ldap.h>
#include <string.h>

char *filter_equal(const char *attribute, const char *value)
{
    struct berval raw = {.bv_val = (char *)value, .bv_len = strlen(value)};
    struct berval escaped = {0};
    char *filter;

    if (ldap_bv2escaped_filter_value(&raw, &escaped) != 0)
        g_error("ldap_bv2escaped_filter_value: out of memory");
    filter = g_strdup_printf("(%s=%s)", attribute, escaped.bv_val != NULL ? escaped.bv_val : "");
    ber_memfree(escaped.bv_val);
    return filter;
}

char *filter_any(GPtrArray *attributes, GPtrArray *values)
{
    g_autoptr(GString) filter = g_string_new("(|");

    for (guint v = 0; v < values->len; v++)
        for (guint a = 0; a < attributes->len; a++) {
            g_autofree char *one = filter_equal(g_ptr_array_index(attributes, a), g_ptr_array_index(values, v));

            g_string_append(filter, one);
        }
    g_string_append_c(filter, ')');
    return g_strdup(filter->str);
}

char *filter_without(const GPtrArray *attributes)
{
    GString *filter = g_string_new("(&");

    for (guint i = 0; i < attributes->len; i++)
        g_string_append_printf(filter, "(!(%s=*))", (const char *)g_ptr_array_index(attributes, i));
    g_string_append_c(filter, ')');
    return g_string_free(filter, FALSE);
}
