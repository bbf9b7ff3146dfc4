#include "daemon/domain_reader.h"

#include "daemon/discovery.h"
#include "daemon/log.h"
#include "state/queue.h"

#include <string.h>

static bool read_entries(const DiscoverySettings *discovery, Directory *directory, GPtrArray **entries, GError **error)
{
    const char *const attributes[] = {discovery->name_attribute, discovery->base_attribute, discovery->status_attribute, NULL};

    return directory_list(directory, discovery->base_dn, discovery->filter, attributes, entries, error);
}

/* The place of the domain entries has a row of its own, as if it were a domain: read, or with a problem. */
static bool note_discovery(Shared *shared, GError **error)
{
    const char *base_dn = shared->config->discovery.base_dn;
    const DomainNote note = {.name = base_dn, .base_dn = base_dn, .status = "discovery"};

    return base_dn == NULL || state_note_domain(shared->state, &note, error);
}

static bool note_read(Shared *shared, guint entries, const char *problem, GError **error)
{
    const char *base_dn = shared->config->discovery.base_dn;

    return base_dn == NULL || state_note_sweep(shared->state, base_dn, base_dn, entries, problem, error);
}

static DomainNote *make_note(const char *name, const char *base_dn, const char *status, const char *reason)
{
    DomainNote *note = g_new(DomainNote, 1);

    *note = (DomainNote){.name = name, .base_dn = base_dn, .status = status, .reason = reason};
    return note;
}

static bool note_domains(Shared *shared, const GPtrArray *list, GPtrArray **removed, GError **error)
{
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
    const char *place = shared->config->discovery.base_dn;

    if (place != NULL)
        g_ptr_array_add(notes, make_note(place, place, "discovery", NULL));
    for (guint i = 0; i < list->len; i++) {
        const Domain *domain = g_ptr_array_index(list, i);

        g_ptr_array_add(notes, make_note(domain->name, domain->settings != NULL ? domain->settings->base_dn : NULL,
                                         domain_status_name(domain->status), domain->reason));
    }
    return state_note_domains(shared->state, notes, removed, error);
}

static void tell_served(const Domain *domain, const Domain *before, bool first)
{
    GLogLevelFlags level = first ? G_LOG_LEVEL_DEBUG : G_LOG_LEVEL_INFO;

    if (before == NULL || before->status != DOMAIN_SERVED)
        log_entry(level, domain->name, NULL, "domain %s: served, with base \"%s\"", domain->name, domain->settings->base_dn);
    else if (strcmp(before->settings->digest, domain->settings->digest) != 0)
        log_entry(level, domain->name, NULL, "domain %s: changed, base \"%s\"; all its entries are compared again",
                  domain->name, domain->settings->base_dn);
    if (domain->reason != NULL && (before == NULL || g_strcmp0(before->reason, domain->reason) != 0))
        log_entry(G_LOG_LEVEL_WARNING, domain->name, NULL, "domain %s: %s", domain->name, domain->reason);
}

/* What is new about a domain, once. */
static void tell(const Domain *domain, const Domain *before, bool first)
{
    if (domain->status == DOMAIN_SERVED)
        tell_served(domain, before, first);
    else if (before == NULL || before->status != domain->status || g_strcmp0(before->reason, domain->reason) != 0)
        log_entry(G_LOG_LEVEL_WARNING, domain->name, NULL,
                  "domain %s is %s (%s): its entries and mailboxes are left as they are", domain->name,
                  domain_status_name(domain->status), domain->reason);
}

static void tell_all(const GPtrArray *list, const GPtrArray *before, const GPtrArray *removed, bool first)
{
    for (guint i = 0; i < list->len; i++) {
        const Domain *domain = g_ptr_array_index(list, i);

        tell(domain, domains_find(before, domain->name), first);
    }
    for (guint i = 0; i < removed->len; i++) {
        const char *name = g_ptr_array_index(removed, i);

        if (strchr(name, '=') == NULL) /* else it was an entry without a name */
            log_entry(G_LOG_LEVEL_WARNING, name, NULL,
                      "domain %s is not there any more: its entries and mailboxes are left as they are", name);
    }
}

static bool publish(Shared *shared, const GPtrArray *entries, GError **error)
{
    bool first = !domains_known(shared->domains);
    g_autoptr(GPtrArray) list = discovery_merge(shared->config, entries);
    g_autoptr(GPtrArray) removed = NULL;
    g_autoptr(GPtrArray) before = NULL;

    /* The state first: changes that come for a new domain stay in the queue. */
    if (!note_domains(shared, list, &removed, error) || !note_read(shared, list->len, NULL, error))
        return false;
    before = domains_replace(shared->domains, g_ptr_array_ref(list));
    tell_all(list, before, removed, first);
    shared_tell_status(shared);
    queue_wake(shared->state);
    departure_wake(shared->state);
    return handovers_look_again(shared->handovers, error);
}

bool domain_reader_refresh(Shared *shared, Directory *directory, GError **error)
{
    g_autoptr(GPtrArray) entries = NULL;
    g_autoptr(GError) problem = NULL;

    if (!note_discovery(shared, error))
        return false;
    if (shared->config->discovery.base_dn == NULL
        || read_entries(&shared->config->discovery, directory, &entries, &problem))
        return publish(shared, entries, error);
    g_prefix_error(&problem, "cannot read the domains: ");
    if (!stop_asked(shared->stop) && !note_read(shared, 0, problem->message, error))
        return false;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}
