#include "directory/directory.h"

#include "directory/addresses.h"
#include "directory/connection.h"
#include "directory/filter.h"
#include "directory/locate.h"
#include "directory/shown.h"
#include "directory/write.h"

#include <string.h>

/* No message has this id. */
enum { NOT_SENT = -1 };

struct Directory {
    Connection connection;
};

void directory_settings_free(DirectorySettings *settings)
{
    if (settings == NULL)
        return;
    g_free(settings->uri);
    g_free(settings->bind_dn);
    if (settings->bind_password != NULL)
        explicit_bzero(settings->bind_password, strlen(settings->bind_password));
    g_free(settings->bind_password);
    g_free(settings->ca_file);
    g_free(settings);
}

Directory *directory_new(const DirectorySettings *settings, Stop *stop)
{
    Directory *directory = g_new0(Directory, 1);

    connection_init(&directory->connection, settings, stop);
    return directory;
}

void directory_free(Directory *directory)
{
    if (directory == NULL)
        return;
    connection_close(&directory->connection);
    g_free(directory);
}

bool directory_connect(Directory *directory, bool *anew, GError **error)
{
    guint before = directory->connection.sessions;

    if (!connection_open(&directory->connection, error))
        return false;
    *anew = directory->connection.sessions != before;
    return true;
}

/* One search from start to end. *message is owned by the caller. */
static bool search(Connection *connection, const char *base_dn, int scope, const char *filter,
                   const char *const *attributes, LDAPMessage **message, GError **error)
{
    int id;

    return connection_open(connection, error)
        && connection_send_search(connection, base_dn, scope, filter, attributes, NULL, &id, error)
        && connection_wait_search(connection, id, base_dn, message, error);
}

static bool check_base(Directory *directory, const char *base_dn, GError **error)
{
    static const char *const none[] = {LDAP_NO_ATTRS, NULL};
    Connection *connection = &directory->connection;
    g_autoptr(LDAPMessage) message = NULL;

    if (!search(connection, base_dn, LDAP_SCOPE_BASE, "(objectClass=*)", none, &message, error)
        || !connection_check_whole(connection, base_dn, message, error))
        return false;
    if (ldap_count_entries(connection->ldap, message) == 1)
        return true;
    g_set_error(error, FAULT, FAULT_RETRY,
                "%s: bound as \"%s\", but the base \"%s\" cannot be read; check the directory's access control",
                connection->settings->uri, connection->settings->bind_dn, base_dn);
    return false;
}

bool directory_check_base(Directory *directory, const DomainSettings *domain, GError **error)
{
    return check_base(directory, domain->base_dn, error);
}

bool directory_list(Directory *directory, const char *base_dn, const char *filter, const char *const *attributes,
                    GPtrArray **entries, GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify)entry_free);
    Connection *connection = &directory->connection;
    g_autoptr(LDAPMessage) message = NULL;

    if (!check_base(directory, base_dn, error)
        || !search(connection, base_dn, LDAP_SCOPE_SUBTREE, filter, attributes, &message, error)
        || !connection_check_whole(connection, base_dn, message, error))
        return false;
    for (LDAPMessage *at = ldap_first_entry(connection->ldap, message); at != NULL; at = ldap_next_entry(connection->ldap, at)) {
        Entry *entry = connection_make_entry(connection, at, NULL, KIND_NONE, error);

        if (entry == NULL)
            return false;
        g_ptr_array_add(found, entry);
    }
    *entries = g_steal_pointer(&found);
    return true;
}

/* The attributes of the full read: those of the policy, the unique id, modifyTimestamp. */
static char **full_attributes(const DomainSettings *domain)
{
    g_auto(GStrv) policy = domain_settings_attributes(domain);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    g_strv_builder_addv(builder, (const char **)policy);
    g_strv_builder_add(builder, domain->unique_id_attribute);
    g_strv_builder_add(builder, "modifyTimestamp");
    return g_strv_builder_end(builder);
}

/* Sends one search per kind but users for the entry with this id; the server evaluates the filters. */
static bool send_kinds(Connection *connection, const DomainSettings *domain, const char *by_id, int *ids, GError **error)
{
    static const char *const none[] = {LDAP_NO_ATTRS, NULL};

    for (guint kind = KIND_USER + 1; kind < KIND_COUNT; kind++) {
        g_autofree char *of_kind = domain_settings_filter(domain, kind);
        g_autofree char *filter = of_kind == NULL ? NULL : g_strconcat("(&", by_id, of_kind, ")", NULL);

        ids[kind] = NOT_SENT;
        if (filter != NULL
            && !connection_send_search(connection, domain->base_dn, LDAP_SCOPE_SUBTREE, filter, none, NULL, &ids[kind],
                                       error))
            return false;
    }
    return true;
}

static bool wait_kinds(Connection *connection, const DomainSettings *domain, const int *ids, EntryKind *found, GError **error)
{
    *found = KIND_NONE;
    for (guint kind = KIND_USER + 1; kind < KIND_COUNT; kind++) {
        g_autoptr(LDAPMessage) message = NULL;

        if (ids[kind] == NOT_SENT)
            continue;
        if (!connection_wait_search(connection, ids[kind], domain->base_dn, &message, error))
            return false;
        if (*found == KIND_NONE && ldap_count_entries(connection->ldap, message) > 0)
            *found = kind;
    }
    return true;
}

/* The entry of a search that finds one at the most; *entry is NULL when it found none. */
static bool make_found(Connection *connection, const DomainSettings *domain, LDAPMessage *message, EntryKind kind,
                       Entry **entry, GError **error)
{
    LDAPMessage *first = ldap_first_entry(connection->ldap, message);

    *entry = first == NULL ? NULL : connection_make_entry(connection, first, domain->unique_id_attribute, kind, error);
    return first == NULL || *entry != NULL;
}

/* Most entries are users, and each kind is a search more for the server. */
static bool read_user(Connection *connection, const DomainSettings *domain, const char *by_id, const char *const *attributes,
                      Entry **entry, GError **error)
{
    g_autofree char *of_kind = domain_settings_filter(domain, KIND_USER);
    g_autofree char *filter = of_kind == NULL ? NULL : g_strconcat("(&", by_id, of_kind, ")", NULL);
    g_autoptr(LDAPMessage) message = NULL;

    *entry = NULL;
    if (filter == NULL)
        return true;
    return search(connection, domain->base_dn, LDAP_SCOPE_SUBTREE, filter, attributes, &message, error)
        && make_found(connection, domain, message, KIND_USER, entry, error);
}

/* The full read and the kinds go out together, and are waited for once. */
static bool read_other(Connection *connection, const DomainSettings *domain, const char *by_id, const char *const *attributes,
                       Entry **entry, GError **error)
{
    g_autoptr(LDAPMessage) full = NULL;
    EntryKind kind;
    int full_id, kind_ids[KIND_COUNT];

    return connection_open(connection, error)
        && connection_send_search(connection, domain->base_dn, LDAP_SCOPE_SUBTREE, by_id, attributes, NULL, &full_id, error)
        && send_kinds(connection, domain, by_id, kind_ids, error)
        && connection_wait_search(connection, full_id, domain->base_dn, &full, error)
        && wait_kinds(connection, domain, kind_ids, &kind, error)
        && make_found(connection, domain, full, kind, entry, error);
}

bool directory_read_entry(Directory *directory, const DomainSettings *domain, const char *unique_id, Entry **entry,
                          GError **error)
{
    g_auto(GStrv) attributes = full_attributes(domain);
    g_autofree char *by_id = filter_equal(domain->unique_id_attribute, unique_id);
    g_autoptr(Entry) found = NULL;

    if (!read_user(&directory->connection, domain, by_id, (const char *const *)attributes, &found, error))
        return false;
    if (found == NULL
        && !read_other(&directory->connection, domain, by_id, (const char *const *)attributes, &found, error))
        return false;
    *entry = g_steal_pointer(&found);
    return true;
}

bool directory_check_shown(Directory *directory, const DomainSettings *domain, const Entry *entry, const char *names, GError **error)
{
    g_auto(GStrv) before = g_strsplit(names != NULL ? names : "", " ", -1);
    g_auto(GStrv) read = domain_settings_attributes(domain);
    g_autoptr(GPtrArray) missing = g_ptr_array_new();

    for (gsize i = 0; read[i] != NULL; i++) {
        g_autofree char *name = g_ascii_strdown(read[i], -1);

        if (g_strv_contains((const char *const *)before, name) && entry_count_values(entry, name) == 0)
            g_ptr_array_add(missing, read[i]);
    }
    return missing->len == 0
        || (connection_open(&directory->connection, error)
            && connection_check_absent(&directory->connection, entry_dn(entry), missing, error));
}

bool directory_locate(Directory *directory, const DomainSettings *domain, const char *unique_id, const char *last_dn,
                      char **dn, GError **error)
{
    return connection_open(&directory->connection, error)
        && connection_locate(&directory->connection, domain, unique_id, last_dn, dn, error);
}

bool directory_find_addresses(Directory *directory, const DomainSettings *domain, const char *unique_id,
                              GPtrArray *addresses, GHashTable *taken, GError **error)
{
    return connection_open(&directory->connection, error)
        && connection_find_addresses(&directory->connection, domain, unique_id, addresses, taken, error);
}

bool directory_write(Directory *directory, const char *dn, GPtrArray *steps, GError **error)
{
    return connection_open(&directory->connection, error) && connection_write(&directory->connection, dn, steps, error);
}

/* A DN may be one of another domain: *found is NULL then. */
static bool find_below(Directory *directory, const DomainSettings *domain, const char *unique_id, char **found, GError **error)
{
    static const char *const none[] = {LDAP_NO_ATTRS, NULL};
    g_autofree char *by_id = filter_equal(domain->unique_id_attribute, unique_id);
    g_autoptr(LDAPMessage) message = NULL;

    if (!search(&directory->connection, domain->base_dn, LDAP_SCOPE_SUBTREE, by_id, none, &message, error))
        return false;
    *found = ldap_count_entries(directory->connection.ldap, message) > 0 ? g_strdup(unique_id) : NULL;
    return true;
}

/* An address may have a "=" before its "@"; a DN of one part only, which it would be then, has no entry that is below a base. */
static bool is_dn_of_entry(const char *text)
{
    return strchr(text, '=') != NULL && (strchr(text, '@') == NULL || strchr(text, ',') != NULL);
}

bool directory_resolve(Directory *directory, const DomainSettings *domain, const char *dn_or_address, char **unique_id,
                       GError **error)
{
    const char *const attributes[] = {domain->unique_id_attribute, NULL};
    Connection *connection = &directory->connection;
    bool is_dn = is_dn_of_entry(dn_or_address);
    g_autofree char *address = g_utf8_strdown(dn_or_address, -1);
    g_autoptr(GPtrArray) addresses = g_ptr_array_new();
    g_autofree char *filter = NULL;
    g_autoptr(LDAPMessage) message = NULL;
    g_autoptr(Entry) entry = NULL;
    LDAPMessage *first;

    g_ptr_array_add(addresses, address);
    filter = is_dn ? g_strdup("(objectClass=*)") : filter_any(domain->address_attributes, addresses);
    if (!search(connection, is_dn ? dn_or_address : domain->base_dn, is_dn ? LDAP_SCOPE_BASE : LDAP_SCOPE_SUBTREE, filter,
                attributes, &message, error))
        return false;
    first = ldap_first_entry(connection->ldap, message);
    if (ldap_count_entries(connection->ldap, message) > 1) {
        g_set_error(error, FAULT, FAULT_PARK, "%s: %d entries have the address \"%s\"; name one of them by its DN",
                    connection->settings->uri, ldap_count_entries(connection->ldap, message), address);
        return false;
    }
    if (first == NULL) {
        *unique_id = NULL;
        return true;
    }
    entry = connection_make_entry(connection, first, domain->unique_id_attribute, KIND_NONE, error);
    if (entry == NULL)
        return false;
    if (is_dn)
        return find_below(directory, domain, entry_unique_id(entry), unique_id, error);
    *unique_id = g_strdup(entry_unique_id(entry));
    return true;
}

bool directory_sweep(Directory *directory, const DomainSettings *domain, DirectoryVisit visit, gpointer user_data,
                     GError **error)
{
    g_auto(GStrv) attributes = full_attributes(domain);

    if (!directory_check_base(directory, domain, error))
        return false;
    for (guint kind = KIND_NONE + 1; kind < KIND_COUNT; kind++)
        if (!connection_sweep(&directory->connection, domain, kind, (const char *const *)attributes, visit, user_data, error))
            return false;
    return true;
}
