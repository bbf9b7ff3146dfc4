#include "directory/watch.h"

#include "directory/connection.h"

#include <string.h>

/* One persistent search. */
typedef struct {
    char *name;
    char *base_dn;
    char *unique_id_attribute; /* NULL: nobody wants to know */
    int id;
} Listener;

struct Watch {
    Connection connection;
    GHashTable *listeners; /* name -> Listener* */
    GHashTable *by_id;     /* message id -> Listener*, of the same */
};

static void listener_free(Listener *listener)
{
    g_free(listener->name);
    g_free(listener->base_dn);
    g_free(listener->unique_id_attribute);
    g_free(listener);
}

void notice_clear(Notice *notice)
{
    g_free(notice->name);
    g_free(notice->unique_id);
    g_clear_error(&notice->fault);
    *notice = (Notice){0};
}

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
static bool start_search(Watch *watch, Listener *listener, GError **error)
{
    const char *id_attribute = listener->unique_id_attribute;
    const char *const attributes[] = {id_attribute != NULL ? id_attribute : LDAP_NO_ATTRS, "objectClass", "hasSubordinates",
                                      NULL};
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
    sent = connection_send_search(&watch->connection, listener->base_dn, LDAP_SCOPE_SUBTREE, "(objectClass=*)", attributes,
                                  controls, &listener->id, error);
    ldap_control_free(control);
    return sent;
}

Watch *watch_open(const DirectorySettings *settings, Stop *stop, GError **error)
{
    g_autoptr(Watch) watch = g_new0(Watch, 1);
    bool has = false;

    connection_init(&watch->connection, settings, stop);
    watch->by_id = g_hash_table_new(g_direct_hash, g_direct_equal);
    watch->listeners = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)listener_free);
    if (!connection_open(&watch->connection, error) || !has_persistent_search(&watch->connection, &has, error))
        return NULL;
    if (!has) {
        g_set_error(error, FAULT, FAULT_STOP,
                    "%s: the server has no persistent search (%s); use kolabd --sync from a timer instead of the daemon",
                    settings->uri, LDAP_CONTROL_PERSIST_REQUEST);
        return NULL;
    }
    return g_steal_pointer(&watch);
}

void watch_close(Watch *watch)
{
    if (watch == NULL)
        return;
    connection_close(&watch->connection);
    g_hash_table_unref(watch->by_id);
    g_hash_table_unref(watch->listeners);
    g_free(watch);
}

bool watch_add(Watch *watch, const char *name, const char *base_dn, const char *unique_id_attribute, GError **error)
{
    Listener *listener = g_new0(Listener, 1);

    g_assert(!g_hash_table_contains(watch->listeners, name));
    listener->name = g_strdup(name);
    listener->base_dn = g_strdup(base_dn);
    listener->unique_id_attribute = g_strdup(unique_id_attribute);
    if (!start_search(watch, listener, error)) {
        listener_free(listener);
        return false;
    }
    g_hash_table_insert(watch->listeners, listener->name, listener);
    g_hash_table_insert(watch->by_id, GINT_TO_POINTER(listener->id), listener);
    return true;
}

static void forget(Watch *watch, Listener *listener)
{
    g_hash_table_remove(watch->by_id, GINT_TO_POINTER(listener->id));
    g_hash_table_remove(watch->listeners, listener->name);
}

void watch_remove(Watch *watch, const char *name)
{
    Listener *listener = g_hash_table_lookup(watch->listeners, name);

    if (listener == NULL)
        return;
    if (watch->connection.ldap != NULL)
        ldap_abandon_ext(watch->connection.ldap, listener->id, NULL, NULL);
    forget(watch, listener);
}

/* The server reads the operations of a connection in order, so an answer to a later one says that it has begun the earlier. */
bool watch_settle(Watch *watch, GError **error)
{
    bool has;

    return has_persistent_search(&watch->connection, &has, error);
}

/* Waits for any message; *message stays NULL when the deadline passed or the daemon is asked to stop. */
static bool wait_message(Watch *watch, gint64 deadline_us, LDAPMessage **message, GError **error)
{
    Connection *connection = &watch->connection;

    for (;;) {
        struct timeval no_time = {0};
        int type = ldap_result(connection->ldap, LDAP_RES_ANY, LDAP_MSG_ONE, &no_time, message);
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
        if (wait_for(connection->stop, fd, POLLIN, deadline_us, true) != WAIT_READY)
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
static bool read_unique_id(Watch *watch, const Listener *listener, LDAPMessage *message, char **unique_id, GError **error)
{
    const char *const attributes[] = {listener->unique_id_attribute, NULL};
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
        entry = connection_make_entry(connection, ldap_first_entry(connection->ldap, answer), listener->unique_id_attribute,
                                      KIND_NONE, &problem);
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

static bool make_notice(Watch *watch, const Listener *listener, LDAPMessage *message, Notice *notice, GError **error)
{
    g_autoptr(Entry) entry = NULL;
    bool renamed = is_renamed_container(watch, message);

    if (listener->unique_id_attribute != NULL) {
        entry = connection_make_entry(&watch->connection, message, listener->unique_id_attribute, KIND_NONE, NULL);
        if (entry != NULL)
            notice->unique_id = g_strdup(entry_unique_id(entry));
        else if (!read_unique_id(watch, listener, message, &notice->unique_id, error))
            return false;
    }
    notice->kind = renamed || notice->unique_id == NULL ? NOTICE_SWEEP : NOTICE_ENTRY;
    notice->name = g_strdup(listener->name);
    return true;
}

/* A refusal concerns one base and not the connection. */
static void make_end(Watch *watch, Listener *listener, LDAPMessage *message, Notice *notice)
{
    g_autofree char *operation = g_strdup_printf("watch \"%s\"", listener->base_dn);
    char *text = NULL;
    int result = LDAP_OTHER;

    ldap_parse_result(watch->connection.ldap, message, &result, NULL, &text, NULL, NULL, 0);
    connection_set_error(&notice->fault, FAULT_RETRY, &watch->connection, operation, result, text);
    ldap_memfree(text);
    notice->kind = NOTICE_ENDED;
    notice->name = g_strdup(listener->name);
    forget(watch, listener);
}

bool watch_next(Watch *watch, gint64 deadline_us, Notice *notice, GError **error)
{
    for (;;) {
        g_autoptr(LDAPMessage) message = NULL;
        Listener *listener;

        *notice = (Notice){.kind = NOTICE_NONE};
        if (!wait_message(watch, deadline_us, &message, error))
            return false;
        if (message == NULL)
            return true;
        listener = g_hash_table_lookup(watch->by_id, GINT_TO_POINTER(ldap_msgid(message)));
        if (listener == NULL) /* of one that was removed */
            continue;
        if (ldap_msgtype(message) == LDAP_RES_SEARCH_RESULT) {
            make_end(watch, listener, message, notice);
            return true;
        }
        /* A delete or rename on a replica leaves tombstones and glue behind, which nobody asked for. */
        if (ldap_msgtype(message) == LDAP_RES_SEARCH_ENTRY
            && !has_value(watch->connection.ldap, message, "objectClass", "nsTombstone"))
            return make_notice(watch, listener, message, notice, error);
    }
}
