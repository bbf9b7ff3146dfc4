#include "daemon/decision.h"

#include "policy/decide.h"

#include <string.h>

typedef struct {
    Shared *shared;
    Directory *directory;
    const DomainSettings *domain;
    const char *unique_id;
    bool deciding; /* we hold decide_lock */
} Decision;

static void decision_end(Decision *decision)
{
    if (decision->deciding)
        g_mutex_unlock(&decision->shared->decide_lock);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Decision, decision_end)

/* The state is asked first: an address leaves it only after the directory has it. */
static bool addresses_taken(GPtrArray *addresses, GHashTable *taken, gpointer user_data, GError **error)
{
    Decision *decision = user_data;

    if (!decision->deciding)
        g_mutex_lock(&decision->shared->decide_lock);
    decision->deciding = true;
    return state_find_reserved(decision->shared->state, decision->domain->name, decision->unique_id, addresses, taken, error)
        && directory_find_addresses(decision->directory, decision->domain, decision->unique_id, addresses, taken, error);
}

static bool contains(GPtrArray *texts, const char *text)
{
    return g_ptr_array_find_with_equal_func(texts, text, g_str_equal, NULL);
}

/* Sets *without to the entry without the aliases that are the policy's own making and now somebody's primary address, which a
 * person chose: in an exchange of addresses one of them was free for a moment. NULL when there are none. */
static bool drop_lost(const Decision *decision, const Entry *entry, Entry **without, GError **error)
{
    const DomainSettings *domain = decision->domain;
    g_autoptr(GPtrArray) lost = NULL, wishes = NULL, aliases = NULL, kept = g_ptr_array_new();

    if (!state_find_lost(decision->shared->state, domain->name, decision->unique_id, &lost, error))
        return false;
    if (lost->len == 0)
        return true;
    if (!recipient_list_wishes(domain, entry, &wishes, error)
        || !entry_get_values(entry, domain->alias_attribute, &aliases, error))
        return false;
    for (guint i = 0; i < aliases->len; i++) {
        g_autofree char *alias = g_utf8_strdown(g_ptr_array_index(aliases, i), -1);

        if (!contains(lost, alias) || !contains(wishes, alias))
            g_ptr_array_add(kept, g_ptr_array_index(aliases, i));
    }
    if (kept->len == aliases->len)
        return true;
    g_ptr_array_add(kept, NULL);
    *without = entry_copy(entry);
    entry_set_values(*without, domain->alias_attribute, (const char *const *)kept->pdata);
    return true;
}

bool decision_make(Shared *shared, Directory *directory, const DomainSettings *domain, const Entry *entry, bool reserve,
                   Account **account, GError **error)
{
    g_auto(Decision) decision = {.shared = shared, .directory = directory, .domain = domain,
                                 .unique_id = entry_unique_id(entry)};
    g_autoptr(Account) decided = NULL;
    g_autoptr(Entry) without = NULL;

    if (!drop_lost(&decision, entry, &without, error)
        || !policy_decide(domain, without != NULL ? without : entry, addresses_taken, &decision, &decided, error))
        return false;
    if (reserve && decision.deciding
        && !state_reserve(shared->state, domain->name, decision.unique_id, decided->primary, decided->aliases, error))
        return false;
    *account = g_steal_pointer(&decided);
    return true;
}
