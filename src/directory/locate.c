#include "directory/locate.h"

#include "directory/filter.h"
#include "directory/whoami.h"

static bool fail(const Connection *connection, const char *problem, const char *what, GError **error)
{
    g_set_error(error, FAULT, FAULT_RETRY, "%s: bound as \"%s\": %s%s%s%s; nothing is concluded from that",
                connection->settings->uri, connection->settings->bind_dn, problem, what != NULL ? " \"" : "",
                what != NULL ? what : "", what != NULL ? "\"" : "");
    return false;
}

/* A search whose result may say that there is nothing to search: *result is LDAP_SUCCESS or one of these. */
static bool search(Connection *connection, const char *base_dn, int scope, const char *filter, const char *const *attributes,
                   LDAPMessage **message, int *result, GError **error)
{
    g_autofree char *operation = g_strdup_printf("search below \"%s\"", base_dn);
    g_autoptr(LDAPMessage) answer = NULL;
    int id;

    if (!connection_send_search(connection, base_dn, scope, filter, attributes, NULL, &id, error)
        || !connection_wait(connection, id, LDAP_MSG_ALL, operation, &answer, error))
        return false;
    if (ldap_parse_result(connection->ldap, answer, result, NULL, NULL, NULL, NULL, 0) != LDAP_SUCCESS)
        *result = LDAP_DECODING_ERROR;
    if (*result != LDAP_SUCCESS && *result != LDAP_NO_SUCH_OBJECT && *result != LDAP_INSUFFICIENT_ACCESS)
        return connection_fail(connection, FAULT_RETRY, operation, *result, error);
    *message = g_steal_pointer(&answer);
    return true;
}

static bool check_base(Connection *connection, const DomainSettings *domain, GError **error)
{
    static const char *const none[] = {LDAP_NO_ATTRS, NULL};
    g_autoptr(LDAPMessage) message = NULL;
    int result;

    if (!search(connection, domain->base_dn, LDAP_SCOPE_BASE, "(objectClass=*)", none, &message, &result, error))
        return false;
    return (result == LDAP_SUCCESS && ldap_count_entries(connection->ldap, message) == 1)
        || fail(connection, "cannot read the base", domain->base_dn, error);
}

/* 389-ds answers a search of an entry, or of anything below one, that we may not read with success and nothing, and a
 * search of a name that is not there with noSuchObject: so this tells hidden from gone. A server that says noSuchObject for
 * both leaves it open. */
static bool check_name(Connection *connection, const char *dn, GError **error)
{
    static const char *const none[] = {LDAP_NO_ATTRS, NULL};
    g_autoptr(LDAPMessage) message = NULL;
    int result;

    if (dn == NULL)
        return true;
    if (!search(connection, dn, LDAP_SCOPE_BASE, "(objectClass=*)", none, &message, &result, error))
        return false;
    return result == LDAP_NO_SUCH_OBJECT || ldap_count_entries(connection->ldap, message) == 1
        || fail(connection, "may not read what has, or contains, the name", dn, error);
}

/* The naming contexts of the server: char*. */
static bool read_contexts(Connection *connection, GPtrArray **contexts, GError **error)
{
    static const char *const attributes[] = {"namingContexts", NULL};
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(LDAPMessage) message = NULL;
    struct berval **values;
    int result;

    if (!search(connection, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, &message, &result, error))
        return false;
    values = ldap_get_values_len(connection->ldap, ldap_first_entry(connection->ldap, message), "namingContexts");
    for (gsize i = 0; values != NULL && values[i] != NULL; i++)
        g_ptr_array_add(found, g_strndup(values[i]->bv_val, values[i]->bv_len));
    ldap_value_free_len(values);
    if (found->len == 0)
        return fail(connection, "the root DSE shows no naming contexts", NULL, error);
    *contexts = g_steal_pointer(&found);
    return true;
}

/* *dn stays NULL when the context does not show the unique id. A context that we may not read shows nothing. `whole`: it must
 * not be that a part of it is on another server. */
static bool search_context(Connection *connection, const char *context, bool whole, const char *by_id, char **dn, GError **error)
{
    static const char *const attributes[] = {"objectClass", NULL};
    g_autoptr(LDAPMessage) message = NULL;
    int result;

    if (!search(connection, context, LDAP_SCOPE_SUBTREE, by_id, attributes, &message, &result, error)
        || (whole && !connection_check_whole(connection, context, message, error)))
        return false;
    for (LDAPMessage *entry = ldap_first_entry(connection->ldap, message); entry != NULL && *dn == NULL;
         entry = ldap_next_entry(connection->ldap, entry)) {
        char *found = ldap_get_dn(connection->ldap, entry);

        if (!connection_has_value(connection->ldap, entry, "objectClass", "nsTombstone"))
            *dn = g_strdup(found);
        ldap_memfree(found);
    }
    return true;
}

bool connection_locate(Connection *connection, const DomainSettings *domain, const char *unique_id, const char *last_dn,
                       char **dn, GError **error)
{
    g_autofree char *by_id = filter_equal(domain->unique_id_attribute, unique_id);
    g_autoptr(GPtrArray) contexts = NULL;
    g_autofree char *inside = NULL;
    g_autofree char *found = NULL;

    if (!whoami_check(connection, true, error) || !check_base(connection, domain, error)
        || !read_contexts(connection, &contexts, error))
        return false;
    for (guint i = 0; i < contexts->len && found == NULL; i++)
        if (!search_context(connection, g_ptr_array_index(contexts, i), false, by_id, &found, error))
            return false;
    if (!search_context(connection, domain->base_dn, true, by_id, &inside, error))
        return false;
    if (inside != NULL)
        return fail(connection, "the entry is below the base again", inside, error);
    if (found == NULL && !check_name(connection, last_dn, error))
        return false;
    *dn = g_steal_pointer(&found);
    return true;
}
