#include "policy/placement.h"

#include "model/server_name.h"

#include <string.h>

PlacementBackend *placement_backend_new(const char *name)
{
    PlacementBackend *backend = g_new0(PlacementBackend, 1);

    backend->name = g_strdup(name);
    backend->free_kib = FREE_UNKNOWN;
    backend->reachable = true;
    return backend;
}

void placement_backend_free(PlacementBackend *backend)
{
    if (backend == NULL)
        return;
    g_free(backend->name);
    g_free(backend);
}

bool placement_read_host(const DomainSettings *settings, const Entry *entry, char **host, GError **error)
{
    g_autoptr(GPtrArray) values = NULL;

    if (!entry_get_values(entry, settings->mail_host_attribute, &values, error))
        return false;
    *host = values->len == 1 ? g_strdup(g_ptr_array_index(values, 0)) : NULL;
    return true;
}

bool placement_means_host(const char *host)
{
    return host != NULL && *host != '\0' && g_ascii_strcasecmp(host, "localhost") != 0;
}

const PlacementBackend *placement_find(const GPtrArray *backends, const char *host)
{
    for (guint i = 0; placement_means_host(host) && backends != NULL && i < backends->len; i++) {
        const PlacementBackend *backend = g_ptr_array_index(backends, i);

        if (server_name_equal(backend->name, host) && server_name_is_word(backend->name))
            return backend;
    }
    return NULL;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return g_ascii_strcasecmp((*(PlacementBackend *const *)a)->name, (*(PlacementBackend *const *)b)->name);
}

/* Those that can be chosen, by name: in which order they are known must not matter. */
static GPtrArray *list_candidates(const GPtrArray *backends)
{
    GPtrArray *candidates = g_ptr_array_new();

    for (guint i = 0; backends != NULL && i < backends->len; i++) {
        PlacementBackend *backend = g_ptr_array_index(backends, i);

        if (backend->reachable && server_name_is_word(backend->name))
            g_ptr_array_add(candidates, backend);
    }
    g_ptr_array_sort(candidates, compare_names);
    return candidates;
}

/* What a backend must have free to be chosen: nothing, unless all of them say what they have. */
static gint64 wanted_free_kib(const GPtrArray *candidates)
{
    gint64 most = 0;

    for (guint i = 0; i < candidates->len; i++) {
        const PlacementBackend *backend = g_ptr_array_index(candidates, i);

        if (backend->free_kib < 0)
            return FREE_UNKNOWN;
        most = MAX(most, backend->free_kib);
    }
    return most - most / 10;
}

static const char *choose_least_used(const GPtrArray *candidates)
{
    gint64 wanted_kib = wanted_free_kib(candidates);
    const PlacementBackend *best = NULL;

    for (guint i = 0; i < candidates->len; i++) {
        const PlacementBackend *backend = g_ptr_array_index(candidates, i);

        if ((wanted_kib == FREE_UNKNOWN || backend->free_kib >= wanted_kib)
            && (best == NULL || backend->mailboxes < best->mailboxes))
            best = backend;
    }
    return best != NULL ? best->name : NULL;
}

static const char *choose_in_turn(const GPtrArray *candidates, guint turn)
{
    return candidates->len == 0 ? NULL : ((const PlacementBackend *)g_ptr_array_index(candidates, turn % candidates->len))->name;
}

const char *placement_choose(const DomainSettings *settings, const char *host, const GPtrArray *backends, guint turn)
{
    bool host_decides =
        settings->placement_policy == PLACEMENT_MAILHOST || settings->placement_move || settings->read_only;
    const PlacementBackend *asked = host_decides ? placement_find(backends, host) : NULL;
    g_autoptr(GPtrArray) candidates = list_candidates(backends);

    if (asked != NULL && asked->reachable)
        return asked->name;
    switch (settings->placement_policy) {
    case PLACEMENT_SERVER:
    case PLACEMENT_MAILHOST:
        return NULL;
    case PLACEMENT_LEAST_USED:
        return choose_least_used(candidates);
    case PLACEMENT_ROUND_ROBIN:
        return choose_in_turn(candidates, turn);
    }
    g_assert_not_reached();
}
