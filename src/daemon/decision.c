#include "daemon/decision.h"

#include "policy/decide.h"

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

/* Adds the lower-case values of an attribute. */
static bool add_addresses(const Entry *entry, const char *attribute, GHashTable *addresses, GError **error)
{
    g_autoptr(GPtrArray) values = NULL;

    if (!entry_get_values(entry, attribute, &values, error))
        return false;
    for (guint i = 0; i < values->len; i++)
        g_hash_table_add(addresses, g_utf8_strdown(g_ptr_array_index(values, i), -1));
    return true;
}

static bool reserve(const Decision *decision, const Entry *entry, const Account *account, GError **error)
{
    const DomainSettings *domain = decision->domain;
    g_autoptr(GHashTable) present = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    return add_addresses(entry, domain->mail_attribute, present, error)
        && add_addresses(entry, domain->alias_attribute, present, error)
        && state_reserve(decision->shared->state, domain->name, decision->unique_id, account->primary, account->aliases, present,
                         error);
}

/* Sets *without to the entry without the aliases that the policy made and that are somebody's primary address now, which a
 * person chose: in an exchange of addresses one of them was free for a moment. NULL when there are none. */
static bool drop_lost(const Decision *decision, const Entry *entry, Entry **without, GError **error)
{
    const char *attribute = decision->domain->alias_attribute;
    g_autoptr(GPtrArray) lost = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) aliases = NULL, kept = g_ptr_array_new();

    if (!state_find_lost(decision->shared->state, decision->domain->name, decision->unique_id, lost, error))
        return false;
    if (lost->len == 0)
        return true;
    if (!entry_get_values(entry, attribute, &aliases, error))
        return false;
    for (guint i = 0; i < aliases->len; i++) {
        g_autofree char *alias = g_utf8_strdown(g_ptr_array_index(aliases, i), -1);

        if (!g_ptr_array_find_with_equal_func(lost, alias, g_str_equal, NULL))
            g_ptr_array_add(kept, g_ptr_array_index(aliases, i));
    }
    g_ptr_array_add(kept, NULL);
    *without = entry_copy(entry);
    entry_set_values(*without, attribute, (const char *const *)kept->pdata);
    return true;
}

bool decision_make(Shared *shared, Directory *directory, const DomainSettings *domain, const Entry *entry, bool reserved,
                   Account **account, GError **error)
{
    g_auto(Decision) decision = {.shared = shared, .directory = directory, .domain = domain,
                                 .unique_id = entry_unique_id(entry)};
    g_autoptr(Account) decided = NULL;
    g_autoptr(Entry) without = NULL;

    if (!drop_lost(&decision, entry, &without, error)
        || !policy_decide(domain, without != NULL ? without : entry, addresses_taken, &decision, &decided, error))
        return false;
    if (reserved && decision.deciding && !reserve(&decision, entry, decided, error))
        return false;
    *account = g_steal_pointer(&decided);
    return true;
}
