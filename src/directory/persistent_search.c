#include "directory/persistent_search.h"

#include <string.h>

bool persistent_search_offered(Connection *connection, bool *offered, GError **error)
{
    static const char *const attributes[] = {"supportedControl", NULL};
    g_autoptr(LDAPMessage) message = NULL;
    struct berval **values;
    int id;

    if (!connection_send_search(connection, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, NULL, &id, error)
        || !connection_wait_search(connection, id, "", &message, error))
        return false;
    values = ldap_get_values_len(connection->ldap, ldap_first_entry(connection->ldap, message), "supportedControl");
    *offered = false;
    for (gsize i = 0; values != NULL && values[i] != NULL; i++)
        *offered |= strcmp(values[i]->bv_val, LDAP_CONTROL_PERSIST_REQUEST) == 0;
    ldap_value_free_len(values);
    return true;
}

/* Filter and scope are tested on the entry after the change: a narrow filter would hide an entry that loses its class. */
bool persistent_search_start(Connection *connection, const char *base_dn, const char *unique_id_attribute, int *id, GError **error)
{
    const char *const attributes[] = {unique_id_attribute, "objectClass", "hasSubordinates", NULL};
    LDAPControl *control = NULL;
    LDAPControl *controls[] = {NULL, NULL};
    int result = ldap_create_persistentsearch_control(
        connection->ldap,
        LDAP_CONTROL_PERSIST_ENTRY_CHANGE_ADD | LDAP_CONTROL_PERSIST_ENTRY_CHANGE_DELETE
            | LDAP_CONTROL_PERSIST_ENTRY_CHANGE_MODIFY | LDAP_CONTROL_PERSIST_ENTRY_CHANGE_RENAME,
        1, 1, 1, &control);
    bool offered;
    bool sent;

    if (result != LDAP_SUCCESS)
        return connection_fail(connection, FAULT_RETRY, "make a persistent search", result, error);
    controls[0] = control;
    sent = connection_send_search(connection, base_dn, LDAP_SCOPE_SUBTREE, "(objectClass=*)", attributes, controls, id, error);
    ldap_control_free(control);
    /* The server reads the operations of a connection in order: the answer to a later one says that it has begun this one. */
    return sent && persistent_search_offered(connection, &offered, error);
}

/* EntryChangeNotification ::= SEQUENCE { changeType ENUMERATED, previousDN LDAPDN OPTIONAL, changeNumber INTEGER OPTIONAL }.
 * (ldap_parse_entrychange_control gives a previousDN that it has freed.) */
static char *parse_previous_dn(LDAPControl *control)
{
    BerElement *ber = control != NULL ? ber_init(&control->ldctl_value) : NULL;
    char *previous_dn = NULL;
    char *copy;
    ber_int_t type = 0;
    ber_len_t len;

    if (ber != NULL && ber_scanf(ber, "{e", &type) != LBER_ERROR && type == LDAP_CONTROL_PERSIST_ENTRY_CHANGE_RENAME
        && ber_peek_tag(ber, &len) == LBER_OCTETSTRING && ber_scanf(ber, "a", &previous_dn) == LBER_ERROR)
        previous_dn = NULL;
    copy = g_strdup(previous_dn);
    ber_memfree(previous_dn);
    ber_free(ber, 1);
    return copy;
}

char *persistent_search_previous_dn(LDAP *ldap, LDAPMessage *message)
{
    LDAPControl **controls = NULL;
    char *previous_dn;

    if (ldap_get_entry_controls(ldap, message, &controls) != LDAP_SUCCESS)
        return NULL;
    previous_dn = parse_previous_dn(ldap_control_find(LDAP_CONTROL_PERSIST_ENTRY_CHANGE_NOTICE, controls, NULL));
    ldap_controls_free(controls);
    return previous_dn;
}
