#include "directory/dn.h"

#include <ldap.h>
#include <string.h>

/* NULL: no DN. */
static char *rewrite(const char *dn, unsigned flags)
{
    LDAPDN parsed = NULL;
    char *written = NULL;
    char *copy;

    if (ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return NULL;
    if (ldap_dn2str(parsed, &written, LDAP_DN_FORMAT_LDAPV3 | flags) != LDAP_SUCCESS)
        written = NULL;
    copy = g_strdup(written);
    ldap_memfree(written);
    ldap_dnfree(parsed);
    return copy;
}

/* A letter may be written as \41: it has to be one before it can become lower case. */
char *dn_normalize(const char *dn)
{
    g_autofree char *plain = dn != NULL && g_utf8_validate(dn, -1, NULL) ? rewrite(dn, LDAP_DN_PRETTY) : NULL;
    g_autofree char *lower = plain != NULL && g_utf8_validate(plain, -1, NULL) ? g_utf8_strdown(plain, -1) : NULL;

    return lower != NULL ? rewrite(lower, 0) : NULL;
}

/* In that form a comma is part of a value only as \\2C, so one before the base separates. */
bool dn_is_below(const char *dn, const char *base)
{
    gsize len = dn != NULL ? strlen(dn) : 0, base_len = base != NULL ? strlen(base) : 0;

    if (dn == NULL || base == NULL || len < base_len || strcmp(dn + len - base_len, base) != 0)
        return false;
    return len == base_len || base_len == 0 || dn[len - base_len - 1] == ',';
}
