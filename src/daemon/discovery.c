#include "daemon/discovery.h"

#include "daemon/config_domains.h"
#include "directory/dn.h"

#include <string.h>

/* Takes `domain`. Two entries for one name: neither is believed, lest the wrong base DN makes people leave. */
static void add_domain(GPtrArray *domains, GHashTable *by_name, Domain *domain)
{
    Domain *other = g_hash_table_lookup(by_name, domain->name);

    if (other == NULL) {
        g_hash_table_insert(by_name, domain->name, domain);
        g_ptr_array_add(domains, domain);
        return;
    }
    domain_refuse(other, g_strdup("several domain entries name this domain; leave one of them"));
    domain_free(domain);
}

static gint compare_domains(gconstpointer a, gconstpointer b)
{
    const Domain *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

/* The list may be that of the configuration: a new one takes its place. */
static void drop_taken_aliases(Domain *domain, GHashTable *taken)
{
    g_autoptr(GPtrArray) aliases = domain->settings->aliases;

    domain->settings->aliases = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < aliases->len; i++) {
        const char *alias = g_ptr_array_index(aliases, i);
        const Domain *owner = g_hash_table_lookup(taken, alias);

        if (owner == NULL || owner == domain)
            g_ptr_array_add(domain->settings->aliases, g_strdup(alias));
        else
            domain_remark(domain, g_strdup_printf("alias %s belongs to domain %s", alias, owner->name));
    }
}

static void settle_aliases_of(Domain *domain, GHashTable *taken)
{
    drop_taken_aliases(domain, taken);
    for (guint i = 0; i < domain->settings->aliases->len; i++)
        g_hash_table_insert(taken, g_ptr_array_index(domain->settings->aliases, i), domain);
}

/* Names of domains come before aliases, the file's aliases before those of entries; then the domain's name decides. */
static void settle_aliases(GPtrArray *domains)
{
    g_autoptr(GHashTable) taken = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < domains->len; i++) {
        Domain *domain = g_ptr_array_index(domains, i);

        g_hash_table_insert(taken, domain->name, domain);
    }
    for (guint own = 0; own < 2; own++)
        for (guint i = 0; i < domains->len; i++) {
            Domain *domain = g_ptr_array_index(domains, i);

            if (domain->settings != NULL && domain->settings->own_aliases == (own == 0))
                settle_aliases_of(domain, taken);
        }
}

static void refuse_shared_base(Domain *domain, const Domain *other)
{
    if (domain->status == DOMAIN_SERVED) /* not yet because of a third one */
        domain_refuse(domain, g_strdup_printf("its base \"%s\" is that of domain %s too; make one an alias of the other",
                                              domain->settings->base_dn, other->name));
}

/* Whoever is below such a base would belong to two domains. */
static void refuse_shared_bases(GPtrArray *domains)
{
    g_autoptr(GHashTable) owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < domains->len; i++) {
        Domain *domain = g_ptr_array_index(domains, i);
        g_autofree char *base = domain->status != DOMAIN_SERVED ? NULL : dn_normalize(domain->settings->base_dn);
        Domain *other = base == NULL ? NULL : g_hash_table_lookup(owners, base);

        if (other != NULL) {
            refuse_shared_base(domain, other);
            refuse_shared_base(other, domain);
        } else if (base != NULL) {
            g_hash_table_insert(owners, g_steal_pointer(&base), domain);
        }
    }
}

static void add_domains_of_file(GPtrArray *domains, const Config *config, GHashTable *by_name, bool copy)
{
    for (guint i = 0; i < config->domains->len; i++) {
        DomainSettings *settings = g_ptr_array_index(config->domains, i);
        g_autoptr(DomainSettings) own = copy ? config_domains_derive(settings, settings->name) : domain_settings_ref(settings);

        if (!g_hash_table_contains(by_name, settings->name))
            g_ptr_array_add(domains, domain_of_settings(own));
    }
}

GPtrArray *discovery_merge(const Config *config, const GPtrArray *entries)
{
    GPtrArray *domains = g_ptr_array_new_with_free_func((GDestroyNotify)domain_free);
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal); /* of what the directory has */

    for (guint i = 0; entries != NULL && i < entries->len; i++)
        add_domain(domains, by_name, domain_of_entry(config, g_ptr_array_index(entries, i)));
    add_domains_of_file(domains, config, by_name, entries != NULL);
    g_ptr_array_sort(domains, compare_domains);
    if (entries == NULL)
        return domains;
    settle_aliases(domains);
    refuse_shared_bases(domains);
    for (guint i = 0; i < domains->len; i++) {
        Domain *domain = g_ptr_array_index(domains, i);

        if (domain->settings != NULL)
            domain_settings_seal(domain->settings);
    }
    return domains;
}
