#include "directory/addresses.h"

#include "directory/filter.h"

#include <string.h>

/* Addresses in one OR filter: well below every server's limit for a filter. */
enum { FILTER_ADDRESSES_MAX = 30 };

/* Adds to `taken` the asked-for addresses among an entry's values. */
static bool collect_taken(const Entry *entry, const DomainSettings *domain, GPtrArray *addresses, GHashTable *taken,
                          GError **error)
{
    for (guint i = 0; i < domain->address_attributes->len; i++) {
        g_autoptr(GPtrArray) values = NULL;

        if (!entry_get_values(entry, g_ptr_array_index(domain->address_attributes, i), &values, error))
            return false;
        for (guint v = 0; v < values->len; v++) {
            g_autofree char *value = g_utf8_strdown(g_ptr_array_index(values, v), -1);

            for (guint a = 0; a < addresses->len; a++)
                if (strcmp(value, g_ptr_array_index(addresses, a)) == 0)
                    g_hash_table_add(taken, g_strdup(value));
        }
    }
    return true;
}

static bool send_question(Connection *connection, const DomainSettings *domain, GPtrArray *addresses, int *id, GError **error)
{
    g_autofree char *filter = filter_any(domain->address_attributes, addresses);
    g_autoptr(GPtrArray) attributes = g_ptr_array_new();

    for (guint i = 0; i < domain->address_attributes->len; i++)
        g_ptr_array_add(attributes, g_ptr_array_index(domain->address_attributes, i));
    g_ptr_array_add(attributes, domain->unique_id_attribute);
    g_ptr_array_add(attributes, NULL);
    return connection_send_search(connection, domain->base_dn, LDAP_SCOPE_SUBTREE, filter, (const char *const *)attributes->pdata,
                                  NULL, id, error);
}

/* *others: the search found an entry other than `unique_id`; what it shows of the addresses is added to `taken`. */
static bool find_others(Connection *connection, const DomainSettings *domain, const char *unique_id, GPtrArray *addresses,
                        GHashTable *taken, bool *others, GError **error)
{
    g_autoptr(LDAPMessage) message = NULL;
    int id;

    if (!send_question(connection, domain, addresses, &id, error)
        || !connection_wait_search(connection, id, domain->base_dn, &message, error)
        || !connection_check_whole(connection, domain->base_dn, message, error))
        return false;
    *others = false;
    for (LDAPMessage *found = ldap_first_entry(connection->ldap, message); found != NULL;
         found = ldap_next_entry(connection->ldap, found)) {
        g_autoptr(Entry) entry = connection_make_entry(connection, found, domain->unique_id_attribute, KIND_NONE, error);

        if (entry == NULL)
            return false;
        if (strcmp(entry_unique_id(entry), unique_id) == 0)
            continue;
        *others = true;
        if (!collect_taken(entry, domain, addresses, taken, error))
            return false;
    }
    return true;
}

/* Some of the addresses, from an index on: those that nobody is known to have, `max` at the most. They belong to `addresses`. */
static GPtrArray *list_open(GPtrArray *addresses, guint from, guint max, GHashTable *taken)
{
    GPtrArray *open = g_ptr_array_new();

    for (guint i = from; i < MIN(from + max, addresses->len); i++)
        if (!g_hash_table_contains(taken, g_ptr_array_index(addresses, i)))
            g_ptr_array_add(open, g_ptr_array_index(addresses, i));
    return open;
}

static bool settle(Connection *connection, const DomainSettings *domain, const char *unique_id, GPtrArray *addresses,
                   GHashTable *taken, GError **error);

static bool settle_part(Connection *connection, const DomainSettings *domain, const char *unique_id, GPtrArray *addresses, guint from,
                        guint max, GHashTable *taken, GError **error)
{
    g_autoptr(GPtrArray) open = list_open(addresses, from, max, taken);

    return open->len == 0 || settle(connection, domain, unique_id, open, taken, error);
}

/* Who has an address the server says, by the attribute's matching rule; what it shows may be spelt otherwise (with a blank at the end), or
 * hidden. So an address is free only once a search for it found nobody else: as long as somebody is found, those that nobody
 * is seen to have are asked for again, in halves when nothing was seen. Where all is shown that is one search more. To
 * wait until all is shown would keep a newcomer waiting for ever; to call all of them taken would give odd addresses. */
static bool settle(Connection *connection, const DomainSettings *domain, const char *unique_id, GPtrArray *addresses,
                   GHashTable *taken, GError **error)
{
    guint before = g_hash_table_size(taken), half = (addresses->len + 1) / 2;
    bool others;

    if (!find_others(connection, domain, unique_id, addresses, taken, &others, error))
        return false;
    if (!others)
        return true;
    if (g_hash_table_size(taken) > before)
        return settle_part(connection, domain, unique_id, addresses, 0, addresses->len, taken, error);
    if (addresses->len > 1)
        return settle_part(connection, domain, unique_id, addresses, 0, half, taken, error)
            && settle_part(connection, domain, unique_id, addresses, half, half, taken, error);
    g_hash_table_add(taken, g_strdup(g_ptr_array_index(addresses, 0)));
    return true;
}

bool connection_find_addresses(Connection *connection, const DomainSettings *domain, const char *unique_id, GPtrArray *addresses,
                               GHashTable *taken, GError **error)
{
    for (guint from = 0; from < addresses->len; from += FILTER_ADDRESSES_MAX)
        if (!settle_part(connection, domain, unique_id, addresses, from, FILTER_ADDRESSES_MAX, taken, error))
            return false;
    return true;
}
