#include "directory/watch.h"

#include "directory/connection.h"
#include "directory/dn.h"
#include "directory/persistent_search.h"

/* 389-ds gives each persistent search one of the nsslapd-maxthreadsperconn (5) threads of its connection and never takes it
 * back: the connection that has none left is not read any more. This leaves one for all, and one for other operations. */
enum { SEPARATE_MAX = 3 };

/* How long a watch may say nothing before it is asked whether it still lives. A frontend may hold a connection open, and
 * acknowledge our probes, long after it has lost the server. */
#define SILENCE_SHORTEST_US ((gint64)G_USEC_PER_SEC)
#define SILENCE_LONGEST_US (60 * (gint64)G_USEC_PER_SEC)

/* A message id that no search has. */
enum { NOT_SENT = -1 };

typedef struct {
    char *name;
    char *base_dn;
    char *place; /* the base DN in one form */
    bool entries; /* somebody wants to know which entry it was */
    int id;       /* NOT_SENT: the search for all is its search */
    bool settled; /* a quiet moment has passed since it was added: the base may have been swept */
} Listener;

struct Watch {
    Connection connection;
    char *unique_id_attribute;
    GHashTable *listeners; /* name -> Listener* */
    guint separate;        /* searches of single bases so far, whether or not they are abandoned */
    int wide_id;           /* of the search for all, from the root; NOT_SENT: each has its own */
    bool wide_refused;
    bool doubled; /* the search for all has begun, and the others have not ended */
    gint64 heard_us; /* when the server last said anything */
    GQueue pending; /* of Notice*: more than one may come of a message */
};

static void listener_free(Listener *listener)
{
    g_free(listener->name);
    g_free(listener->base_dn);
    g_free(listener->place);
    g_free(listener);
}

void notice_clear(Notice *notice)
{
    g_free(notice->name);
    g_free(notice->unique_id);
    g_clear_error(&notice->fault);
    *notice = (Notice){0};
}

static void notice_free(Notice *notice)
{
    notice_clear(notice);
    g_free(notice);
}

static Notice *add_notice(Watch *watch, const Listener *listener, NoticeKind kind)
{
    Notice *notice = g_new0(Notice, 1);

    notice->kind = kind;
    notice->name = g_strdup(listener->name);
    g_queue_push_tail(&watch->pending, notice);
    return notice;
}

Watch *watch_open(const DirectorySettings *settings, const char *unique_id_attribute, Stop *stop, GError **error)
{
    g_autoptr(Watch) watch = g_new0(Watch, 1);
    bool has = false;

    connection_init(&watch->connection, settings, stop);
    watch->unique_id_attribute = g_strdup(unique_id_attribute);
    watch->wide_id = NOT_SENT;
    watch->listeners = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)listener_free);
    if (!connection_open(&watch->connection, error) || !persistent_search_offered(&watch->connection, &has, error))
        return NULL;
    if (!has) {
        g_set_error(error, FAULT, FAULT_STOP,
                    "%s: the server has no persistent search (%s); use kolabd --sync from a timer instead of the daemon",
                    settings->uri, LDAP_CONTROL_PERSIST_REQUEST);
        return NULL;
    }
    watch->heard_us = g_get_monotonic_time();
    return g_steal_pointer(&watch);
}

void watch_close(Watch *watch)
{
    if (watch == NULL)
        return;
    connection_close(&watch->connection);
    g_hash_table_unref(watch->listeners);
    g_queue_clear_full(&watch->pending, (GDestroyNotify)notice_free);
    g_free(watch->unique_id_attribute);
    g_free(watch);
}

/* --- what is watched */

static void end_listener(Watch *watch, Listener *listener, int result, const char *server_text)
{
    g_autofree char *operation = g_strdup_printf("watch \"%s\"", listener->base_dn);

    connection_set_error(&add_notice(watch, listener, NOTICE_ENDED)->fault, FAULT_RETRY, &watch->connection, operation, result,
                         server_text);
    g_hash_table_remove(watch->listeners, listener->name);
}

/* One search from the root, for all that come from now on. A server that refuses it may have other limits. */
static bool go_wide(Watch *watch, GError **error)
{
    struct timeval no_time = {0};
    g_autoptr(LDAPMessage) refusal = NULL;
    int id;

    if (!persistent_search_start(&watch->connection, "", watch->unique_id_attribute, &id, error))
        return false;
    watch->wide_refused = ldap_result(watch->connection.ldap, id, LDAP_MSG_ALL, &no_time, &refusal) > 0;
    if (!watch->wide_refused)
        watch->wide_id = id;
    watch->doubled = !watch->wide_refused;
    return true;
}

bool watch_add(Watch *watch, const char *name, const char *base_dn, bool entries, GError **error)
{
    Listener *listener;

    g_assert(!g_hash_table_contains(watch->listeners, name));
    if (watch->wide_id == NOT_SENT && !watch->wide_refused && watch->separate >= SEPARATE_MAX && !go_wide(watch, error))
        return false;
    listener = g_new0(Listener, 1);
    *listener = (Listener){.name = g_strdup(name), .base_dn = g_strdup(base_dn), .place = dn_normalize(base_dn),
                           .entries = entries, .id = NOT_SENT};
    g_hash_table_insert(watch->listeners, listener->name, listener);
    if (listener->place == NULL) {
        end_listener(watch, listener, LDAP_INVALID_DN_SYNTAX, NULL);
        return true;
    }
    if (watch->wide_id != NOT_SENT)
        return true;
    watch->separate++;
    return persistent_search_start(&watch->connection, base_dn, watch->unique_id_attribute, &listener->id, error);
}

void watch_remove(Watch *watch, const char *name)
{
    Listener *listener = g_hash_table_lookup(watch->listeners, name);

    if (listener == NULL)
        return;
    if (listener->id != NOT_SENT && watch->connection.ldap != NULL)
        ldap_abandon_ext(watch->connection.ldap, listener->id, NULL, NULL);
    g_hash_table_remove(watch->listeners, name);
}

/* --- notices */

/* The server drops what it has queued for a search that is abandoned, and that for all has only what was changed since it began: so
 * what had a search of its own is swept, unless that is still to come. */
static void end_doubled(Watch *watch)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, watch->listeners);
    while (watch->doubled && g_hash_table_iter_next(&iter, NULL, &value)) {
        Listener *listener = value;

        if (listener->id == NOT_SENT)
            continue;
        ldap_abandon_ext(watch->connection.ldap, listener->id, NULL, NULL);
        listener->id = NOT_SENT;
        if (listener->settled)
            add_notice(watch, listener, NOTICE_SWEEP);
    }
    watch->doubled = false;
}

/* Looks for a message that is there already; *message stays NULL when none is. */
static bool look_for_message(Watch *watch, LDAPMessage **message, GError **error)
{
    Connection *connection = &watch->connection;
    struct timeval no_time = {0};
    int type = ldap_result(connection->ldap, LDAP_RES_ANY, LDAP_MSG_ONE, &no_time, message);
    int result = LDAP_SERVER_DOWN;

    if (type > 0) {
        watch->heard_us = g_get_monotonic_time();
        return true;
    }
    *message = NULL;
    if (type == 0)
        return true;
    ldap_get_option(connection->ldap, LDAP_OPT_RESULT_CODE, &result);
    return connection_fail(connection, FAULT_RETRY, "persistent search", result, error);
}

/* Asks whatever has an answer. Notices that come meanwhile wait in libldap. */
static bool ask_for_life(Watch *watch, GError **error)
{
    bool has;

    if (!persistent_search_offered(&watch->connection, &has, error)) {
        g_prefix_error(error, "it was silent, and then: ");
        return false;
    }
    watch->heard_us = g_get_monotonic_time();
    return true;
}

/* Waits for any message; *message stays NULL when the deadline passed or the daemon is asked to stop, or when there is a notice
 * without one. */
static bool wait_message(Watch *watch, gint64 deadline_us, LDAPMessage **message, GError **error)
{
    Connection *connection = &watch->connection;
    gint64 silence_us = CLAMP(connection->settings->timeout_us, SILENCE_SHORTEST_US, SILENCE_LONGEST_US);

    for (;;) {
        int fd = -1;

        /* While messages keep coming there is nothing to wait for. */
        if (stop_asked(connection->stop))
            return true;
        if (!look_for_message(watch, message, error))
            return false;
        if (*message != NULL)
            return true;
        end_doubled(watch);
        if (!g_queue_is_empty(&watch->pending))
            return true;
        ldap_get_option(connection->ldap, LDAP_OPT_DESC, &fd);
        switch (wait_for(connection->stop, fd, POLLIN, MIN(deadline_us, watch->heard_us + silence_us), true)) {
        case WAIT_READY:
            break;
        case WAIT_STOPPED:
            return true;
        case WAIT_DEADLINE:
            if (g_get_monotonic_time() >= deadline_us)
                return true;
            if (!ask_for_life(watch, error))
                return false;
        }
    }
}

/* The first notice after the start often lacks all user attributes: then its DN is read again. A missing entry leaves
 * *unique_id NULL. */
static bool read_unique_id(Watch *watch, LDAPMessage *message, char **unique_id, GError **error)
{
    const char *const attributes[] = {watch->unique_id_attribute, NULL};
    Connection *connection = &watch->connection;
    g_autoptr(Entry) entry = connection_make_entry(connection, message, watch->unique_id_attribute, KIND_NONE, NULL);
    char *dn = entry != NULL ? NULL : ldap_get_dn(connection->ldap, message);
    g_autoptr(LDAPMessage) answer = NULL;
    g_autoptr(GError) problem = NULL;
    int id;
    bool read = dn != NULL
             && connection_send_search(connection, dn, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, NULL, &id, &problem)
             && connection_wait_search(connection, id, dn, &answer, &problem);

    ldap_memfree(dn);
    if (read && ldap_first_entry(connection->ldap, answer) != NULL)
        entry = connection_make_entry(connection, ldap_first_entry(connection->ldap, answer), watch->unique_id_attribute,
                                      KIND_NONE, NULL);
    *unique_id = entry != NULL ? g_strdup(entry_unique_id(entry)) : NULL;
    if (connection->ldap != NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

/* Whether a message concerns a listener: its own search brought it, or that for all did and the entry is below its base, or
 * was before it was moved. */
static bool concerns(const Listener *listener, int id, int wide_id, const char *place, const char *previous_place)
{
    if (id != wide_id)
        return listener->id == id;
    return dn_is_below(place, listener->place) || dn_is_below(previous_place, listener->place);
}

/* The listeners that a message concerns. */
static GPtrArray *find_listeners(Watch *watch, LDAPMessage *message, const char *previous_dn)
{
    char *dn = ldap_get_dn(watch->connection.ldap, message);
    g_autofree char *place = dn_normalize(dn);
    g_autofree char *previous_place = dn_normalize(previous_dn);
    GPtrArray *found = g_ptr_array_new();
    GHashTableIter iter;
    gpointer listener;

    ldap_memfree(dn);
    g_hash_table_iter_init(&iter, watch->listeners);
    while (g_hash_table_iter_next(&iter, NULL, &listener))
        if (concerns(listener, ldap_msgid(message), watch->wide_id, place, previous_place))
            g_ptr_array_add(found, listener);
    return found;
}

static bool take_entry(Watch *watch, LDAPMessage *message, GError **error)
{
    g_autofree char *previous_dn = persistent_search_previous_dn(watch->connection.ldap, message);
    g_autoptr(GPtrArray) found = find_listeners(watch, message, previous_dn);
    /* Entries below a renamed one changed their DN too, for which the server sends nothing. */
    bool sweep = previous_dn != NULL && connection_has_value(watch->connection.ldap, message, "hasSubordinates", "TRUE");
    g_autofree char *unique_id = NULL;
    bool entries = false;

    for (guint i = 0; i < found->len; i++)
        entries |= ((Listener *)g_ptr_array_index(found, i))->entries;
    if (entries && !read_unique_id(watch, message, &unique_id, error))
        return false;
    for (guint i = 0; i < found->len; i++)
        add_notice(watch, g_ptr_array_index(found, i), sweep || unique_id == NULL ? NOTICE_SWEEP : NOTICE_ENTRY)->unique_id =
            g_strdup(unique_id);
    return true;
}

/* A refusal concerns one base, unless it is that of the search for all. */
static bool take_result(Watch *watch, LDAPMessage *message, GError **error)
{
    Listener *ended = NULL;
    GHashTableIter iter;
    gpointer listener;
    char *text = NULL;
    int result = LDAP_OTHER;

    ldap_parse_result(watch->connection.ldap, message, &result, NULL, NULL, NULL, NULL, 0);
    if (ldap_msgid(message) == watch->wide_id)
        return connection_fail(&watch->connection, FAULT_RETRY, "persistent search ended by the server", result, error);
    g_hash_table_iter_init(&iter, watch->listeners);
    while (g_hash_table_iter_next(&iter, NULL, &listener))
        if (((Listener *)listener)->id == ldap_msgid(message))
            ended = listener;
    if (ended == NULL) /* of one that was removed */
        return true;
    ldap_parse_result(watch->connection.ldap, message, NULL, NULL, &text, NULL, NULL, 0);
    end_listener(watch, ended, result, text);
    ldap_memfree(text);
    return true;
}

static bool take_message(Watch *watch, LDAPMessage *message, GError **error)
{
    if (ldap_msgtype(message) == LDAP_RES_SEARCH_RESULT)
        return take_result(watch, message, error);
    /* A delete or rename on a replica leaves tombstones and glue behind, which nobody asked for. */
    return ldap_msgtype(message) != LDAP_RES_SEARCH_ENTRY
        || connection_has_value(watch->connection.ldap, message, "objectClass", "nsTombstone") || take_entry(watch, message, error);
}

static void settle(Watch *watch)
{
    GHashTableIter iter;
    gpointer listener;

    g_hash_table_iter_init(&iter, watch->listeners);
    while (g_hash_table_iter_next(&iter, NULL, &listener))
        ((Listener *)listener)->settled = true;
}

bool watch_next(Watch *watch, gint64 deadline_us, Notice *notice, GError **error)
{
    *notice = (Notice){.kind = NOTICE_NONE};
    for (;;) {
        g_autoptr(LDAPMessage) message = NULL;
        g_autofree Notice *first = g_queue_pop_head(&watch->pending);

        if (first != NULL) {
            *notice = *first;
            return true;
        }
        if (!wait_message(watch, deadline_us, &message, error))
            return false;
        if (message == NULL && g_queue_is_empty(&watch->pending)) {
            settle(watch);
            return true;
        }
        if (message != NULL && !take_message(watch, message, error))
            return false;
    }
}
