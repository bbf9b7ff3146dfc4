#include "daemon/heir.h"

#include "daemon/decision.h"
#include "model/fault.h"
#include "model/mailbox_name.h"
#include "state/queue.h"

#include <string.h>

void heir_clear(Heir *heir)
{
    g_clear_pointer(&heir->unique_id, g_free);
    g_clear_pointer(&heir->mailbox, g_free);
}

/* What an entry may say to have this mailbox: with and without "shared/", with and without the domain. */
static GPtrArray *spell(const char *mailbox, const char *domain)
{
    GPtrArray *values = g_ptr_array_new_with_free_func(g_free);
    const char *name = strchr(mailbox, '/') + 1;
    const char *at = strrchr(mailbox, '@');

    g_ptr_array_add(values, g_strdup(mailbox));
    g_ptr_array_add(values, g_strdup(name));
    if (at == NULL || g_ascii_strcasecmp(at + 1, domain) != 0)
        return values;
    g_ptr_array_add(values, g_strndup(mailbox, (gsize)(at - mailbox)));
    g_ptr_array_add(values, g_strndup(name, (gsize)(at - name)));
    return values;
}

/* Does the policy say so? An entry that cannot be brought in order inherits nothing. */
static bool wants(Shared *shared, Directory *directory, const DomainSettings *domain, const char *unique_id, const char *parent,
                  bool *wanted, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(Entry) entry = NULL;
    g_autoptr(Account) account = NULL;

    *wanted = false;
    if (!directory_read_entry(directory, domain, unique_id, &entry, error))
        return false;
    if (entry == NULL || entry_kind(entry) == KIND_NONE)
        return true;
    if (decision_make(shared, directory, domain, entry, false, &account, &problem)) {
        *wanted = g_strcmp0(account->mailbox, parent) == 0;
        return true;
    }
    if (fault_of(problem) == FAULT_PARK)
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

static bool examine(Shared *shared, Directory *directory, const DomainSettings *domain, const char *unique_id, const char *parent,
                    Heir *heir, GError **error)
{
    g_autoptr(Record) record = NULL;
    QueuePlace place;
    bool wanted;

    if (!state_find_record(shared->state, domain->name, unique_id, &record, error)
        || !queue_look(shared->state, domain->name, unique_id, &place, error))
        return false;
    if (record == NULL || record->departed || record->mailbox == NULL || strcmp(record->mailbox, parent) == 0
        || place == QUEUE_FAILED)
        return true;
    if (!wants(shared, directory, domain, unique_id, parent, &wanted, error))
        return false;
    if (wanted) {
        heir->unique_id = g_strdup(unique_id);
        heir->mailbox = g_strdup(record->mailbox);
    }
    return true;
}

bool heir_find(Shared *shared, Directory *directory, const DomainSettings *domain, const char *parent, const char *unique_id,
               Heir *heir, GError **error)
{
    g_autoptr(GPtrArray) attributes = g_ptr_array_new();
    g_autoptr(GPtrArray) values = spell(parent, domain->name);
    g_autoptr(GPtrArray) unique_ids = NULL;

    heir_clear(heir);
    g_ptr_array_add(attributes, domain->target_folder_attribute);
    g_ptr_array_add(attributes, (gpointer)"cn");
    if (!directory_find_values(directory, domain, attributes, values, &unique_ids, error))
        return false;
    for (guint i = 0; i < unique_ids->len && heir->unique_id == NULL; i++)
        if (strcmp(g_ptr_array_index(unique_ids, i), unique_id) != 0
            && !examine(shared, directory, domain, g_ptr_array_index(unique_ids, i), parent, heir, error))
            return false;
    return true;
}
