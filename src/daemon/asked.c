#include "daemon/asked.h"

#include "model/fault.h"

#include <string.h>

bool asked_has_domain(const Asked *asked, const Domain *domain)
{
    return asked->domain == NULL || domain_has_name(domain, asked->domain);
}

bool asked_check_domain(const Asked *asked, const GPtrArray *list, GError **error)
{
    if (asked->domain == NULL)
        return true;
    for (guint i = 0; i < list->len; i++) {
        const Domain *domain = g_ptr_array_index(list, i);

        if (!asked_has_domain(asked, domain))
            continue;
        if (domain->status == DOMAIN_SERVED)
            return true;
        g_set_error(error, FAULT, FAULT_STOP, "domain %s is %s: %s", domain->name, domain_status_name(domain->status),
                    domain->reason);
        return false;
    }
    g_set_error(error, FAULT, FAULT_STOP, "there is no domain \"%s\", neither in the configuration nor in the directory",
                asked->domain);
    return false;
}

bool asked_find_unsettled(const Asked *asked, const GPtrArray *list, State *state, Unsettled *unsettled, GError **error)
{
    Unsettled found = {0};

    for (guint i = 0; i < list->len && asked->entry == NULL; i++) {
        const Domain *domain = g_ptr_array_index(list, i);

        if (domain->status == DOMAIN_SERVED && asked_has_domain(asked, domain)
            && !state_add_unsettled(state, domain->name, &found, error))
            return false;
    }
    *unsettled = found;
    return true;
}

bool asked_find_entry(const Asked *asked, const GPtrArray *list, Directory *directory, const Domain **owner, char **unique_id,
                      GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autofree char *found = NULL;
    const Domain *place = NULL;

    for (guint i = 0; i < list->len; i++) {
        const Domain *domain = g_ptr_array_index(list, i);
        g_autoptr(GError) fault = NULL;
        g_autofree char *here = NULL;

        if (domain->status != DOMAIN_SERVED || !asked_has_domain(asked, domain))
            continue;
        if (!directory_resolve(directory, domain->settings, asked->entry, &here, &fault)) {
            g_clear_error(&problem);
            problem = g_steal_pointer(&fault);
        } else if (here != NULL && (place == NULL || strlen(place->settings->base_dn) < strlen(domain->settings->base_dn))) {
            place = domain;
            g_free(found);
            found = g_steal_pointer(&here);
        }
    }
    if (place == NULL && problem != NULL) {
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    if (place == NULL) {
        g_set_error(error, FAULT, FAULT_STOP, "no entry with the DN or address \"%s\" in the directory", asked->entry);
        return false;
    }
    *owner = place;
    *unique_id = g_steal_pointer(&found);
    return true;
}
