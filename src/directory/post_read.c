#include "directory/post_read.h"

#include <string.h>

static void element_free(BerElement *element)
{
    ber_free(element, 1);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerElement, element_free)

LDAPControl *post_read_ask(const char *const *attributes)
{
    g_autoptr(BerElement) element = ber_alloc_t(LBER_USE_DER);
    LDAPControl *control = NULL;
    struct berval value;

    if (element == NULL || ber_printf(element, "{v}", attributes) < 0 || ber_flatten2(element, &value, 0) != 0
        || ldap_control_create(LDAP_CONTROL_POST_READ, 0, &value, 1, &control) != LDAP_SUCCESS)
        return NULL;
    return control;
}

/* One attribute: its name and a set of values. */
static bool count_values(BerElement *element, const char *attribute, guint *count)
{
    struct berval name;
    BerVarray values = NULL;
    guint found = 0;

    if (ber_scanf(element, "{m[W]}", &name, &values) == LBER_ERROR)
        return false;
    while (values != NULL && values[found].bv_val != NULL)
        found++;
    ber_bvarray_free(values);
    if (name.bv_len == strlen(attribute) && g_ascii_strncasecmp(name.bv_val, attribute, name.bv_len) == 0)
        *count += found;
    return true;
}

bool post_read_count(const struct berval *answer, const char *attribute, guint *count)
{
    /* Of no octets liblber makes an assertion that fails. */
    g_autoptr(BerElement) element = answer->bv_len > 0 ? ber_init((struct berval *)answer) : NULL;
    struct berval dn;
    ber_len_t left;

    *count = 0;
    if (element == NULL || ber_scanf(element, "{m{", &dn) == LBER_ERROR)
        return false;
    while (ber_peek_tag(element, &left) != LBER_DEFAULT)
        if (!count_values(element, attribute, count))
            return false;
    return true;
}
