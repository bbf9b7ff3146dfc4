#include "directory/write.h"

#include "directory/shown.h"

/* Only what the operator or the entry's owner can mend is set aside. */
static Fault fault_of_write(int result)
{
    switch (result) {
    case LDAP_CONSTRAINT_VIOLATION:
    case LDAP_INSUFFICIENT_ACCESS:
    case LDAP_INVALID_SYNTAX:
    case LDAP_OBJECT_CLASS_VIOLATION:
    case LDAP_UNDEFINED_TYPE:
    case LDAP_UNWILLING_TO_PERFORM:
    case LDAP_REFERRAL:
        return FAULT_PARK;
    default: /* an int of the server, not an enum of ours */
        return FAULT_RETRY;
    }
}

static void add_modification(GPtrArray *modifications, int operation, const char *attribute, GPtrArray *values)
{
    LDAPMod *modification;
    struct berval **list;

    if (values->len == 0)
        return;
    list = g_new0(struct berval *, values->len + 1);
    for (guint i = 0; i < values->len; i++) {
        char *value = g_ptr_array_index(values, i);

        list[i] = ber_bvstr(value);
    }
    modification = g_new0(LDAPMod, 1);
    modification->mod_op = operation | LDAP_MOD_BVALUES;
    modification->mod_type = (char *)attribute;
    modification->mod_bvalues = list;
    g_ptr_array_add(modifications, modification);
}

/* The values belong to the steps. */
static void modification_free(gpointer data)
{
    LDAPMod *modification = data;

    for (gsize i = 0; modification != NULL && modification->mod_bvalues[i] != NULL; i++)
        ber_memfree(modification->mod_bvalues[i]);
    if (modification != NULL)
        g_free(modification->mod_bvalues);
    g_free(modification);
}

static bool modify(Connection *connection, const char *dn, GPtrArray *modifications, GError **error)
{
    g_autofree char *operation = g_strdup_printf("modify \"%s\"", dn);
    g_autoptr(LDAPMessage) message = NULL;
    int result, id;

    g_ptr_array_add(modifications, NULL);
    result = ldap_modify_ext(connection->ldap, dn, (LDAPMod **)modifications->pdata, NULL, NULL, &id);
    if (result != LDAP_SUCCESS)
        return connection_fail(connection, FAULT_RETRY, operation, result, error);
    if (!connection_wait(connection, id, LDAP_MSG_ALL, operation, &message, error))
        return false;
    if (ldap_parse_result(connection->ldap, message, &result, NULL, NULL, NULL, NULL, 0) != LDAP_SUCCESS)
        result = LDAP_DECODING_ERROR;
    return result == LDAP_SUCCESS || connection_fail(connection, fault_of_write(result), operation, result, error);
}

/* Whether a step gave an attribute that had no value the one that it may have. */
static bool is_first_value(const Step *step)
{
    return step->single && step->remove->len == 0 && step->add->len == 1;
}

static int count_values(LDAP *ldap, LDAPMessage *message, const char *attribute)
{
    LDAPMessage *first = ldap_first_entry(ldap, message);
    struct berval **values = first == NULL ? NULL : ldap_get_values_len(ldap, first, attribute);
    int count = ldap_count_values_len(values);

    ldap_value_free_len(values);
    return count;
}

/* The attributes that get one: of char*, which belong to the steps. */
static GPtrArray *list_first_values(GPtrArray *steps)
{
    GPtrArray *attributes = g_ptr_array_new();

    for (guint i = 0; i < steps->len; i++)
        if (is_first_value(g_ptr_array_index(steps, i)))
            g_ptr_array_add(attributes, ((const Step *)g_ptr_array_index(steps, i))->name);
    return attributes;
}

static bool read_back(Connection *connection, const char *dn, GPtrArray *steps, LDAPMessage **message, GError **error)
{
    g_autoptr(GPtrArray) attributes = list_first_values(steps);
    int id;

    if (attributes->len == 0)
        return true;
    g_ptr_array_add(attributes, NULL);
    return connection_send_search(connection, dn, LDAP_SCOPE_BASE, "(objectClass=*)", (const char *const *)attributes->pdata, NULL,
                                  &id, error)
        && connection_wait_search(connection, id, dn, message, error);
}

/* A modify cannot say "if it has no value yet". So when somebody else was first, ours is taken back. */
static bool give_way(Connection *connection, const char *dn, GPtrArray *steps, GError **error)
{
    g_autoptr(GPtrArray) modifications = g_ptr_array_new_with_free_func(modification_free);
    g_autoptr(LDAPMessage) message = NULL;

    if (!read_back(connection, dn, steps, &message, error))
        return false;
    for (guint i = 0; message != NULL && i < steps->len; i++) {
        const Step *step = g_ptr_array_index(steps, i);

        if (is_first_value(step) && count_values(connection->ldap, message, step->name) > 1)
            add_modification(modifications, LDAP_MOD_DELETE, step->name, step->add);
    }
    if (modifications->len == 0)
        return true;
    if (modify(connection, dn, modifications, error))
        g_set_error(error, FAULT, FAULT_RETRY, "%s: somebody else changed \"%s\" at the same time; it is read again",
                    connection->settings->uri, dn);
    return false;
}

/* To add to what we may not read would give an attribute two values. */
static bool check_first_values(Connection *connection, const char *dn, GPtrArray *steps, GError **error)
{
    g_autoptr(GPtrArray) attributes = list_first_values(steps);

    return connection_check_absent(connection, dn, attributes, error);
}

bool connection_write(Connection *connection, const char *dn, GPtrArray *steps, GError **error)
{
    g_autoptr(GPtrArray) modifications = g_ptr_array_new_with_free_func(modification_free);

    for (guint i = 0; i < steps->len; i++) {
        const Step *step = g_ptr_array_index(steps, i);

        add_modification(modifications, LDAP_MOD_DELETE, step->name, step->remove);
        add_modification(modifications, LDAP_MOD_ADD, step->name, step->add);
    }
    return check_first_values(connection, dn, steps, error) && modify(connection, dn, modifications, error)
        && give_way(connection, dn, steps, error);
}
