#include "directory/write.h"

#include "directory/post_read.h"
#include "directory/shown.h"

/* Only what the operator or the entry's owner can mend is set aside. */
static Fault fault_of_write(int result)
{
    switch (result) {
    case LDAP_CONSTRAINT_VIOLATION:
    case LDAP_INSUFFICIENT_ACCESS:
    case LDAP_INVALID_SYNTAX:
    case LDAP_NAMING_VIOLATION:
    case LDAP_NOT_ALLOWED_ON_RDN:
    case LDAP_NO_OBJECT_CLASS_MODS:
    case LDAP_OBJECT_CLASS_VIOLATION:
    case LDAP_UNDEFINED_TYPE:
    case LDAP_UNWILLING_TO_PERFORM:
    case LDAP_REFERRAL:
        return FAULT_PARK;
    default: /* an int of the server, not an enum of ours */
        return FAULT_RETRY;
    }
}

/* What an operator can do about it; "": nothing that we know of. */
static const char *advice(int result)
{
    switch (result) {
    case LDAP_NAMING_VIOLATION: /* what OpenLDAP says of it */
    case LDAP_NOT_ALLOWED_ON_RDN:
        return "; a value that is to go, such as an address, is part of the entry's name, which kolabd never changes; rename the entry, "
               "best to an RDN of an attribute that stays, such as uid";
    default: /* an int of the server, not an enum of ours */
        return "";
    }
}

static bool fail(Connection *connection, const char *operation, int result, GError **error)
{
    g_autoptr(GError) fault = NULL;

    connection_fail(connection, fault_of_write(result), operation, result, &fault);
    g_set_error(error, FAULT, fault->code, "%s%s", fault->message, advice(result));
    return false;
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

/* *entry_after: what the entry is then, as the server says of the attributes that `ask` names; NULL when it does not. Owned by the
 * caller (ber_bvfree). */
static bool take_result(Connection *connection, LDAPMessage *message, const char *operation, struct berval **entry_after, GError **error)
{
    LDAPControl **controls = NULL;
    LDAPControl *after;
    int result;

    if (ldap_parse_result(connection->ldap, message, &result, NULL, NULL, NULL, &controls, 0) != LDAP_SUCCESS)
        result = LDAP_DECODING_ERROR;
    after = ldap_control_find(LDAP_CONTROL_POST_READ, controls, NULL);
    if (result == LDAP_SUCCESS && after != NULL && entry_after != NULL)
        *entry_after = ber_bvdup(&after->ldctl_value);
    ldap_controls_free(controls);
    return result == LDAP_SUCCESS || fail(connection, operation, result, error);
}

/* The names of a list that list_first_values gave, as libldap takes them. */
static const char *const *names_of(const GPtrArray *attributes)
{
    return (const char *const *)attributes->pdata;
}

/* `ask`: attributes (of char*) of which *entry_after is to tell; empty: none. */
static bool modify(Connection *connection, const char *dn, GPtrArray *modifications, GPtrArray *ask, struct berval **entry_after,
                   GError **error)
{
    g_autofree char *operation = g_strdup_printf("modify \"%s\"", dn);
    g_autoptr(LDAPMessage) message = NULL;
    LDAPControl *controls[] = {ask->len > 0 ? post_read_ask(names_of(ask)) : NULL, NULL};
    int result, id;

    g_ptr_array_add(modifications, NULL);
    result = ldap_modify_ext(connection->ldap, dn, (LDAPMod **)modifications->pdata, controls, NULL, &id);
    ldap_control_free(controls[0]);
    if (result != LDAP_SUCCESS)
        return connection_fail(connection, FAULT_RETRY, operation, result, error);
    return connection_wait(connection, id, LDAP_MSG_ALL, operation, &message, error)
        && take_result(connection, message, operation, entry_after, error);
}

/* Whether a step gave an attribute that had no value the one that it may have. */
static bool is_first_value(const Step *step)
{
    return step->single && step->remove->len == 0 && step->add->len == 1;
}

/* The attributes that get one: of char*, which belong to the steps; NULL-terminated. */
static GPtrArray *list_first_values(GPtrArray *steps)
{
    GPtrArray *attributes = g_ptr_array_new_null_terminated(0, NULL, true);

    for (guint i = 0; i < steps->len; i++)
        if (is_first_value(g_ptr_array_index(steps, i)))
            g_ptr_array_add(attributes, ((const Step *)g_ptr_array_index(steps, i))->name);
    return attributes;
}

/* What is read of an entry once it is written; NULL: nothing. */
typedef struct {
    struct berval *told;  /* the server's own word, with its answer */
    LDAPMessage *message; /* what it says when it is asked */
} After;

static void after_clear(After *after)
{
    if (after->told != NULL)
        ber_bvfree(after->told);
    if (after->message != NULL)
        ldap_msgfree(after->message);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(After, after_clear)

/* A server that has no post-read control is asked. */
static bool read_back(Connection *connection, const char *dn, GPtrArray *attributes, LDAPMessage **message, GError **error)
{
    int id;

    return connection_send_search(connection, dn, LDAP_SCOPE_BASE, "(objectClass=*)", names_of(attributes), NULL, &id, error)
        && connection_wait_search(connection, id, dn, message, error);
}

/* An answer that cannot be read says nothing: then the server is asked, too. */
static bool is_told(const After *after, const char *attribute, guint *count)
{
    return after->told != NULL && post_read_count(after->told, attribute, count);
}

static guint count_values(Connection *connection, const After *after, const char *attribute)
{
    LDAPMessage *first;
    struct berval **values;
    guint count;

    if (is_told(after, attribute, &count))
        return count;
    first = after->message != NULL ? ldap_first_entry(connection->ldap, after->message) : NULL;
    values = first == NULL ? NULL : ldap_get_values_len(connection->ldap, first, attribute);
    count = (guint)ldap_count_values_len(values);
    ldap_value_free_len(values);
    return count;
}

/* A modify cannot say "if it has no value yet". So when somebody else was first, ours is taken back. */
static bool give_way(Connection *connection, const char *dn, GPtrArray *steps, const After *after, GError **error)
{
    g_autoptr(GPtrArray) modifications = g_ptr_array_new_with_free_func(modification_free);
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();

    for (guint i = 0; i < steps->len; i++) {
        const Step *step = g_ptr_array_index(steps, i);

        if (is_first_value(step) && count_values(connection, after, step->name) > 1)
            add_modification(modifications, LDAP_MOD_DELETE, step->name, step->add);
    }
    if (modifications->len == 0)
        return true;
    if (modify(connection, dn, modifications, nothing, NULL, error))
        g_set_error(error, FAULT, FAULT_RETRY, "%s: somebody else changed \"%s\" at the same time; it is read again",
                    connection->settings->uri, dn);
    return false;
}

bool connection_write(Connection *connection, const char *dn, GPtrArray *steps, GError **error)
{
    g_autoptr(GPtrArray) modifications = g_ptr_array_new_with_free_func(modification_free);
    g_autoptr(GPtrArray) first_values = list_first_values(steps);
    g_auto(After) after = {0};
    guint count;

    for (guint i = 0; i < steps->len; i++) {
        const Step *step = g_ptr_array_index(steps, i);

        add_modification(modifications, LDAP_MOD_DELETE, step->name, step->remove);
        add_modification(modifications, LDAP_MOD_ADD, step->name, step->add);
    }
    /* To add to what we may not read would give an attribute two values. */
    if (!connection_check_absent(connection, dn, first_values, error)
        || !modify(connection, dn, modifications, first_values, &after.told, error))
        return false;
    if (first_values->len > 0 && !is_told(&after, g_ptr_array_index(first_values, 0), &count)
        && !read_back(connection, dn, first_values, &after.message, error))
        return false;
    return give_way(connection, dn, steps, &after, error);
}
