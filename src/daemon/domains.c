#include "daemon/domains.h"

#include "daemon/discovery.h"

#include <string.h>

struct Domains {
    GMutex lock;
    GCond learned;
    GPtrArray *list; /* under lock; itself never changed */
    bool known;      /* under lock */
};

Domains *domains_new(const Config *config)
{
    Domains *domains = g_new0(Domains, 1);

    g_mutex_init(&domains->lock);
    g_cond_init(&domains->learned);
    domains->known = config->discovery.base_dn == NULL;
    domains->list = domains->known ? discovery_merge(config, NULL)
                                   : g_ptr_array_new_with_free_func((GDestroyNotify)domain_free);
    return domains;
}

void domains_free(Domains *domains)
{
    if (domains == NULL)
        return;
    g_ptr_array_unref(domains->list);
    g_mutex_clear(&domains->lock);
    g_cond_clear(&domains->learned);
    g_free(domains);
}

bool domains_known(Domains *domains)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domains->lock);

    return domains->known;
}

bool domains_wait_known(Domains *domains, Stop *stop)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domains->lock);

    while (!domains->known && !stop_asked(stop))
        g_cond_wait(&domains->learned, &domains->lock);
    return domains->known;
}

void domains_wake(Domains *domains)
{
    g_mutex_lock(&domains->lock);
    g_cond_broadcast(&domains->learned);
    g_mutex_unlock(&domains->lock);
}

GPtrArray *domains_list(Domains *domains)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domains->lock);

    return g_ptr_array_ref(domains->list);
}

DomainSettings *domains_find_served(Domains *domains, const char *name)
{
    g_autoptr(GPtrArray) list = domains_list(domains);
    const Domain *domain = domains_find(list, name);

    return domain != NULL && domain->status == DOMAIN_SERVED ? domain_settings_ref(domain->settings) : NULL;
}

GPtrArray *domains_replace(Domains *domains, GPtrArray *list)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&domains->lock);
    GPtrArray *before = domains->list;

    domains->list = list;
    domains->known = true;
    g_cond_broadcast(&domains->learned);
    return before;
}

const Domain *domains_find(const GPtrArray *list, const char *name)
{
    guint from = 0, to = list->len;

    while (from < to) {
        guint middle = from + (to - from) / 2;
        const Domain *domain = g_ptr_array_index(list, middle);
        int order = strcmp(name, domain->name);

        if (order == 0)
            return domain;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}
