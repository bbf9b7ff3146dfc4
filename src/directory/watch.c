#include "directory/watch.h"

#include "directory/connection.h"

#include <string.h>

/* How long an idle watch waits before it looks whether it is asked to stop: it is told, so this is only a bound. */
#define IDLE_US (3600 * (gint64)G_USEC_PER_SEC)

struct Watch {
    Connection connection;
    const DomainSettings *domain;
    int id; /* of the persistent search */
};

static bool has_persistent_search(Connection *connection, bool *has, GError **error)
{
    static const char *const attributes[] = {"supportedControl", NULL};
    g_autoptr(LDAPMessage) message = NULL;
    struct berval **values;
    int id;

    if (!connection_send_search(connection, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, NULL, &id, error)
        || !connection_wait_search(connection, id, "", &message, error))
        return false;
    values = ldap_get_values_len(connection->ldap, ldap_first_entry(connection->ldap, message), "supportedControl");
    *has = false;
    for (gsize i = 0; values != NULL && values[i] != NULL; i++)
        *has |= strcmp(values[i]->bv_val, LDAP_CONTROL_PERSIST_REQUEST) == 0;
    ldap_value_free_len(values);
    return true;
}

/* Filter and scope are tested on the entry after the change: a narrow filter would hide an entry that loses its class. */
static bool start_search(Watch *watch, GError **error)
{
    const char *const attributes[] = {watch->domain->unique_id_attribute, "objectClass", "hasSubordinates", NULL};
    LDAPControl *control = NULL;
    LDAPControl *controls[] = {NULL, NULL};
    int result = ldap_create_persistentsearch_control(
        watch->connection.ldap,
        LDAP_CONTROL_PERSIST_ENTRY_CHANGE_ADD | LDAP_CONTROL_PERSIST_ENTRY_CHANGE_DELETE
            | LDAP_CONTROL_PERSIST_ENTRY_CHANGE_MODIFY | LDAP_CONTROL_PERSIST_ENTRY_CHANGE_RENAME,
        1, 1, 1, &control);
    bool sent;

    if (result != LDAP_SUCCESS)
        return connection_fail(&watch->connection, FAULT_RETRY, "make a persistent search", result, error);
    controls[0] = control;
    sent = connection_send_search(&watch->connection, watch->domain->base_dn, LDAP_SCOPE_SUBTREE, "(objectClass=*)",
                                  attributes, controls, &watch->id, error);
    ldap_control_free(control);
    return sent;
}

Watch *watch_open(const DirectorySettings *settings, const DomainSettings *domain, Stop *stop, GError **error)
{
    g_autoptr(Watch) watch = g_new0(Watch, 1);
    bool has = false;

    connection_init(&watch->connection, settings, stop);
    watch->domain = domain;
    if (!connection_open(&watch->connection, error) || !has_persistent_search(&watch->connection, &has, error))
        return NULL;
    if (!has) {
        g_set_error(error, FAULT, FAULT_STOP,
                    "%s: the server has no persistent search (%s); use kolabd --sync from a timer instead of the daemon",
                    settings->uri, LDAP_CONTROL_PERSIST_REQUEST);
        return NULL;
    }
    return start_search(watch, error) ? g_steal_pointer(&watch) : NULL;
}

void watch_close(Watch *watch)
{
    if (watch == NULL)
        return;
    connection_close(&watch->connection);
    g_free(watch);
}

/* Waits for a message of the persistent search; *message stays NULL when the daemon is asked to stop. */
static bool wait_message(Watch *watch, LDAPMessage **message, GError **error)
{
    Connection *connection = &watch->connection;

    for (;;) {
        struct timeval no_time = {0};
        int type = ldap_result(connection->ldap, watch->id, LDAP_MSG_ONE, &no_time, message);
        int fd = -1;

        if (type > 0)
            return true;
        *message = NULL;
        if (type < 0) {
            int result = LDAP_SERVER_DOWN;

            ldap_get_option(connection->ldap, LDAP_OPT_RESULT_CODE, &result);
            return connection_fail(connection, FAULT_RETRY, "persistent search", result, error);
        }
        ldap_get_option(connection->ldap, LDAP_OPT_DESC, &fd);
        if (wait_for(connection->stop, fd, POLLIN, g_get_monotonic_time() + IDLE_US, true) == WAIT_STOPPED)
            return true;
    }
}

static bool has_value(LDAP *ldap, LDAPMessage *message, const char *attribute, const char *value)
{
    struct berval **values = ldap_get_values_len(ldap, message, attribute);
    bool found = false;

    for (gsize i = 0; values != NULL && values[i] != NULL; i++)
        found |= g_ascii_strcasecmp(values[i]->bv_val, value) == 0;
    ldap_value_free_len(values);
    return found;
}

/* The first notice after the start often lacks all user attributes: then its DN is read again. A missing entry leaves
 * *unique_id NULL. */
static bool read_unique_id(Watch *watch, LDAPMessage *message, char **unique_id, GError **error)
{
    const char *const attributes[] = {watch->domain->unique_id_attribute, NULL};
    Connection *connection = &watch->connection;
    char *dn = ldap_get_dn(connection->ldap, message);
    g_autoptr(LDAPMessage) answer = NULL;
    g_autoptr(Entry) entry = NULL;
    g_autoptr(GError) problem = NULL;
    int id;
    bool read = dn != NULL
             && connection_send_search(connection, dn, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, NULL, &id, &problem)
             && connection_wait_search(connection, id, dn, &answer, &problem);

    ldap_memfree(dn);
    if (read && ldap_first_entry(connection->ldap, answer) != NULL)
        entry = connection_make_entry(connection, ldap_first_entry(connection->ldap, answer),
                                      watch->domain->unique_id_attribute, KIND_NONE, &problem);
    *unique_id = entry != NULL ? g_strdup(entry_unique_id(entry)) : NULL;
    if (connection->ldap != NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

/* Whether entries below this one changed their DN too, for which the server sends nothing. */
static bool is_renamed_container(Watch *watch, LDAPMessage *message)
{
    LDAP *ldap = watch->connection.ldap;
    LDAPControl **controls = NULL;
    LDAPControl *change;
    int type = 0;
    bool renamed;

    if (ldap_get_entry_controls(ldap, message, &controls) != LDAP_SUCCESS)
        return false;
    change = ldap_control_find(LDAP_CONTROL_PERSIST_ENTRY_CHANGE_NOTICE, controls, NULL);
    if (change != NULL)
        ldap_parse_entrychange_control(ldap, change, &type, NULL, NULL, NULL);
    renamed = type == LDAP_CONTROL_PERSIST_ENTRY_CHANGE_RENAME && has_value(ldap, message, "hasSubordinates", "TRUE");
    ldap_controls_free(controls);
    return renamed;
}

static bool make_notice(Watch *watch, LDAPMessage *message, char **unique_id, bool *sweep, GError **error)
{
    g_autoptr(Entry) entry = connection_make_entry(&watch->connection, message, watch->domain->unique_id_attribute, KIND_NONE,
                                                   NULL);

    *sweep = is_renamed_container(watch, message);
    if (entry != NULL) {
        *unique_id = g_strdup(entry_unique_id(entry));
        return true;
    }
    if (!read_unique_id(watch, message, unique_id, error))
        return false;
    *sweep |= *unique_id == NULL;
    return true;
}

bool watch_next(Watch *watch, char **unique_id, bool *sweep, GError **error)
{
    LDAP *ldap = watch->connection.ldap;

    for (;;) {
        g_autoptr(LDAPMessage) message = NULL;
        int result = LDAP_OTHER;

        if (!wait_message(watch, &message, error))
            return false;
        if (message == NULL) {
            *unique_id = NULL;
            *sweep = false;
            return true;
        }
        if (ldap_msgtype(message) == LDAP_RES_SEARCH_RESULT) {
            ldap_parse_result(ldap, message, &result, NULL, NULL, NULL, NULL, 0);
            return connection_fail(&watch->connection, FAULT_RETRY, "persistent search ended by the server", result, error);
        }
        /* A delete or rename on a replica leaves tombstones and glue behind, which nobody asked for. */
        if (ldap_msgtype(message) == LDAP_RES_SEARCH_ENTRY && !has_value(ldap, message, "objectClass", "nsTombstone"))
            return make_notice(watch, message, unique_id, sweep, error);
    }
}
