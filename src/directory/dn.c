#include "directory/dn.h"

#include <ldap.h>
#include <string.h>

char *dn_normalize(const char *dn)
{
    g_autofree char *lower = NULL;
    LDAPDN parsed = NULL;
    char *one_form = NULL;
    char *copy;

    if (dn == NULL || !g_utf8_validate(dn, -1, NULL))
        return NULL;
    lower = g_utf8_strdown(dn, -1);
    if (ldap_str2dn(lower, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return NULL;
    if (ldap_dn2str(parsed, &one_form, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        one_form = NULL;
    copy = g_strdup(one_form);
    ldap_memfree(one_form);
    ldap_dnfree(parsed);
    return copy;
}

/* In that form a comma is part of a value only as \\2C, so one before the base separates. */
bool dn_is_below(const char *dn, const char *base)
{
    gsize len = dn != NULL ? strlen(dn) : 0, base_len = base != NULL ? strlen(base) : 0;

    if (dn == NULL || base == NULL || len < base_len || strcmp(dn + len - base_len, base) != 0)
        return false;
    return len == base_len || base_len == 0 || dn[len - base_len - 1] == ',';
}
