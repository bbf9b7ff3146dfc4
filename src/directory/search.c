#include "directory/connection.h"

#include <string.h>

const char *connection_advice(int result)
{
    switch (result) {
    case LDAP_SIZELIMIT_EXCEEDED:
    case LDAP_TIMELIMIT_EXCEEDED:
    case LDAP_ADMINLIMIT_EXCEEDED:
        return "the answer is incomplete; raise the limits of the bind DN (389-ds: nsSizeLimit, nsTimeLimit, nsLookThroughLimit, "
               "and nsPagedSizeLimit and nsPagedLookThroughLimit where they are set, to -1)";
    case LDAP_NO_SUCH_OBJECT:
        return "the base does not exist or the bind DN may not see it; check base_dn and the directory's access control";
    case LDAP_INSUFFICIENT_ACCESS:
        return "the bind DN may not read here; check the directory's access control";
    case LDAP_REFERRAL:
        return "the base, or a part of what is below it, is on another server, which is not asked; set ldap.uri to the server that "
               "holds it all, or base_dn to what this one holds";
    default: /* an int of the server, not an enum of ours */
        return NULL;
    }
}

static bool fail_search(Connection *connection, const char *base_dn, int result, GError **error)
{
    g_autofree char *operation = g_strdup_printf("search below \"%s\"", base_dn);
    const char *advice = connection_advice(result);

    connection_fail(connection, FAULT_RETRY, operation, result, error);
    if (advice != NULL && error != NULL)
        g_prefix_error(error, "%s: ", advice);
    return false;
}

bool connection_send_search(Connection *connection, const char *base_dn, int scope, const char *filter,
                            const char *const *attributes, LDAPControl **controls, int *id, GError **error)
{
    int result = ldap_search_ext(connection->ldap, base_dn, scope, filter, (char **)attributes, 0, controls, NULL, NULL,
                                 LDAP_NO_LIMIT, id);

    return result == LDAP_SUCCESS || fail_search(connection, base_dn, result, error);
}

bool connection_wait_search(Connection *connection, int id, const char *base_dn, LDAPMessage **message, GError **error)
{
    g_autofree char *operation = g_strdup_printf("search below \"%s\"", base_dn);
    g_autoptr(LDAPMessage) answer = NULL;
    int result;

    if (!connection_wait(connection, id, LDAP_MSG_ALL, operation, &answer, error))
        return false;
    if (ldap_parse_result(connection->ldap, answer, &result, NULL, NULL, NULL, NULL, 0) != LDAP_SUCCESS)
        result = LDAP_DECODING_ERROR;
    if (result != LDAP_SUCCESS)
        return fail_search(connection, base_dn, result, error);
    *message = g_steal_pointer(&answer);
    return true;
}

bool connection_check_whole(Connection *connection, const char *base_dn, LDAPMessage *message, GError **error)
{
    return ldap_count_references(connection->ldap, message) <= 0 || fail_search(connection, base_dn, LDAP_REFERRAL, error);
}

bool connection_has_value(LDAP *ldap, LDAPMessage *entry, const char *attribute, const char *value)
{
    struct berval **values = ldap_get_values_len(ldap, entry, attribute);
    bool found = false;

    for (gsize i = 0; values != NULL && values[i] != NULL; i++)
        found |= g_ascii_strcasecmp(values[i]->bv_val, value) == 0;
    ldap_value_free_len(values);
    return found;
}

static void add_values(Entry *entry, LDAP *ldap, LDAPMessage *message, const char *attribute)
{
    struct berval **values = ldap_get_values_len(ldap, message, attribute);

    for (gsize i = 0; values != NULL && values[i] != NULL; i++)
        entry_add_value(entry, attribute, values[i]->bv_val, values[i]->bv_len);
    ldap_value_free_len(values);
}

static void add_rdn(Entry *entry, const char *dn)
{
    LDAPDN parsed = NULL;

    if (ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS || parsed == NULL)
        return;
    for (gsize i = 0; parsed[0] != NULL && parsed[0][i] != NULL; i++) {
        const LDAPAVA *ava = parsed[0][i];
        g_autofree char *name = g_strndup(ava->la_attr.bv_val, ava->la_attr.bv_len);

        entry_add_rdn(entry, name, ava->la_value.bv_val, ava->la_value.bv_len);
    }
    ldap_dnfree(parsed);
}

/* The first value of an attribute as a string; NULL: absent. Owned by the caller. */
static char *first_value(LDAP *ldap, LDAPMessage *message, const char *attribute)
{
    struct berval **values = ldap_get_values_len(ldap, message, attribute);
    char *first = values != NULL && values[0] != NULL ? g_strndup(values[0]->bv_val, values[0]->bv_len) : NULL;

    ldap_value_free_len(values);
    return first;
}

static void add_attributes(Entry *entry, LDAP *ldap, LDAPMessage *message, const char *unique_id_attribute)
{
    BerElement *position = NULL;

    for (char *name = ldap_first_attribute(ldap, message, &position); name != NULL;
         name = ldap_next_attribute(ldap, message, position)) {
        if (g_ascii_strcasecmp(name, "modifyTimestamp") != 0
            && (unique_id_attribute == NULL || g_ascii_strcasecmp(name, unique_id_attribute) != 0))
            add_values(entry, ldap, message, name);
        ldap_memfree(name);
    }
    ber_free(position, 0);
}

Entry *connection_make_entry(Connection *connection, LDAPMessage *message, const char *unique_id_attribute, EntryKind kind,
                             GError **error)
{
    LDAP *ldap = connection->ldap;
    char *dn = ldap_get_dn(ldap, message);
    g_autofree char *unique_id = unique_id_attribute == NULL ? g_strdup(dn) : first_value(ldap, message, unique_id_attribute);
    g_autofree char *timestamp = first_value(ldap, message, "modifyTimestamp");
    g_autoptr(Entry) entry = NULL;

    if (dn == NULL || unique_id == NULL || *unique_id == '\0') {
        g_set_error(error, FAULT, FAULT_RETRY,
                    "%s: entry \"%s\" comes without %s; let the bind DN read it, or set ldap.unique_id_attribute",
                    connection->settings->uri, dn != NULL ? dn : "?", unique_id_attribute != NULL ? unique_id_attribute : "a DN");
        ldap_memfree(dn);
        return NULL;
    }
    entry = entry_new(unique_id, dn, kind);
    entry_set_modify_timestamp(entry, timestamp);
    add_rdn(entry, dn);
    add_attributes(entry, ldap, message, unique_id_attribute);
    ldap_memfree(dn);
    return g_steal_pointer(&entry);
}
