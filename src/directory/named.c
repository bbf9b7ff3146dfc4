#include "directory/directory.h"
#include "directory/filter.h"

bool directory_find_values(Directory *directory, const DomainSettings *domain, GPtrArray *attributes, GPtrArray *values,
                           GPtrArray **unique_ids, GError **error)
{
    const char *const wanted[] = {domain->unique_id_attribute, NULL};
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *filter = filter_any(attributes, values);
    g_autoptr(GPtrArray) entries = NULL;

    if (!directory_list(directory, domain->base_dn, filter, wanted, &entries, error))
        return false;
    for (guint i = 0; i < entries->len; i++) {
        char *unique_id = NULL;

        if (!entry_get_value(g_ptr_array_index(entries, i), domain->unique_id_attribute, &unique_id, error))
            return false;
        if (unique_id != NULL)
            g_ptr_array_add(found, g_ascii_strdown(unique_id, -1));
        g_free(unique_id);
    }
    *unique_ids = g_steal_pointer(&found);
    return true;
}
