#include "directory/shown.h"

#include "directory/filter.h"

#include <string.h>

/* 389-ds' "get effective rights". The value is the authorisation identity as it is. */
#define EFFECTIVE_RIGHTS "1.3.6.1.4.1.42.2.27.9.5.2"

/* *doubt: it has a value, or the server does not tell. One at a time: of several operations that come together, 389-ds now and then
 * begins the later ones only when it looks again, 250 ms later. */
static bool compare(Connection *connection, const char *dn, const char *attribute, int *result, bool *doubt, GError **error)
{
    g_autofree char *operation = g_strdup_printf("compare \"%s\" of \"%s\"", attribute, dn);
    struct berval anything = {.bv_val = (char *)"0", .bv_len = 1};
    g_autoptr(LDAPMessage) message = NULL;
    int id;

    *result = ldap_compare_ext(connection->ldap, dn, attribute, &anything, NULL, NULL, &id);
    if (*result != LDAP_SUCCESS)
        return connection_fail(connection, FAULT_RETRY, operation, *result, error);
    if (!connection_wait(connection, id, LDAP_MSG_ALL, operation, &message, error))
        return false;
    if (ldap_parse_result(connection->ldap, message, result, NULL, NULL, NULL, NULL, 0) != LDAP_SUCCESS)
        *result = LDAP_DECODING_ERROR;
    switch (*result) {
    case LDAP_COMPARE_TRUE:
    case LDAP_COMPARE_FALSE:
    case LDAP_INSUFFICIENT_ACCESS:
        *doubt = true;
        return true;
    case LDAP_NO_SUCH_ATTRIBUTE:
    case LDAP_NO_SUCH_OBJECT:
    case LDAP_UNDEFINED_TYPE:
    case LDAP_INVALID_SYNTAX: /* of our "0", which the server looks at first */
    case LDAP_INAPPROPRIATE_MATCHING:
        *doubt = false;
        return true;
    default: /* an int of the server, not an enum of ours */
        return connection_fail(connection, FAULT_RETRY, operation, *result, error);
    }
}

/* "mailQuota:rscwo" or "mailQuota:none" */
static bool says_readable(LDAP *ldap, LDAPMessage *entry, const char *attribute)
{
    struct berval **values = ldap_get_values_len(ldap, entry, "attributeLevelRights");
    gsize len = strlen(attribute);
    const char *rights = NULL;
    bool readable;

    if (values != NULL && values[0] != NULL && g_ascii_strncasecmp(values[0]->bv_val, attribute, len) == 0
        && values[0]->bv_val[len] == ':')
        rights = values[0]->bv_val + len + 1;
    readable = rights != NULL && strcmp(rights, "none") != 0 && strchr(rights, 'r') != NULL;
    ldap_value_free_len(values);
    return readable;
}

typedef enum {
    SIGHT_HIDDEN,   /* as far as the server tells */
    SIGHT_READABLE, /* and without a value */
    SIGHT_SHOWN,
} Sight;

static Sight judge(LDAP *ldap, LDAPMessage *entry, const char *attribute)
{
    struct berval **values = entry == NULL ? NULL : ldap_get_values_len(ldap, entry, attribute);
    bool shown = ldap_count_values_len(values) > 0;

    ldap_value_free_len(values);
    if (shown)
        return SIGHT_SHOWN;
    return entry != NULL && says_readable(ldap, entry, attribute) ? SIGHT_READABLE : SIGHT_HIDDEN;
}

/* Reads it once more, and what the server says of our rights, where it does. */
static bool look(Connection *connection, const char *dn, const char *attribute, Sight *sight, GError **error)
{
    const char *const attributes[] = {attribute, NULL};
    g_autofree char *identity = g_strconcat("dn:", connection->settings->bind_dn, NULL);
    LDAPControl control = {.ldctl_oid = (char *)EFFECTIVE_RIGHTS, .ldctl_value = {.bv_val = identity, .bv_len = strlen(identity)}};
    LDAPControl *controls[] = {&control, NULL};
    g_autoptr(LDAPMessage) message = NULL;
    int id;

    if (!connection_send_search(connection, dn, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, controls, &id, error)
        || !connection_wait_search(connection, id, dn, &message, error))
        return false;
    *sight = judge(connection->ldap, ldap_first_entry(connection->ldap, message), attribute);
    return true;
}

static bool fail(const Connection *connection, const char *dn, const char *attribute, const char *problem, GError **error)
{
    g_set_error(error, FAULT, FAULT_RETRY, "%s: bound as \"%s\": \"%s\" of \"%s\" %s", connection->settings->uri,
                connection->settings->bind_dn, attribute, dn, problem);
    return false;
}

/* Who may not compare may read all the same: that the server's account of our rights tells. */
static bool clear_doubt(Connection *connection, const char *dn, const char *attribute, int result, GError **error)
{
    Sight sight;

    if (!look(connection, dn, attribute, &sight, error))
        return false;
    if (sight == SIGHT_HIDDEN)
        return fail(connection, dn, attribute, "may not be read; nothing is concluded from its absence; check the directory's access "
                    "control", error);
    return (sight == SIGHT_READABLE && result == LDAP_INSUFFICIENT_ACCESS)
        || fail(connection, dn, attribute, "was changed by somebody else at the same time; it is read again", error);
}

/* One question for all: the server shows the entry only when it has none of them and we may know that. */
static bool prove_absent(Connection *connection, const char *dn, GPtrArray *attributes, bool *proved, GError **error)
{
    static const char *const none[] = {LDAP_NO_ATTRS, NULL};
    g_autofree char *filter = filter_without(attributes);
    g_autoptr(LDAPMessage) message = NULL;
    int id;

    if (!connection_send_search(connection, dn, LDAP_SCOPE_BASE, filter, none, NULL, &id, error)
        || !connection_wait_search(connection, id, dn, &message, error))
        return false;
    *proved = ldap_count_entries(connection->ldap, message) > 0;
    return true;
}

/* A compare tells what is not there from what we may not compare. */
bool connection_check_absent(Connection *connection, const char *dn, GPtrArray *attributes, GError **error)
{
    bool proved = attributes->len == 0;

    if (!proved && !prove_absent(connection, dn, attributes, &proved, error))
        return false;
    if (proved)
        return true;
    for (guint i = 0; i < attributes->len; i++) {
        const char *attribute = g_ptr_array_index(attributes, i);
        bool doubt = false;
        int result;

        if (!compare(connection, dn, attribute, &result, &doubt, error)
            || (doubt && !clear_doubt(connection, dn, attribute, result, error)))
            return false;
    }
    return true;
}
