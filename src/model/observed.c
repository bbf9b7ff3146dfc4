#include "model/observed.h"

#include "model/account.h"

ObservedFolder *observed_folder_new(void)
{
    ObservedFolder *folder = g_new0(ObservedFolder, 1);

    folder->quota_kib = QUOTA_ANY;
    folder->metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    folder->acl = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return folder;
}

void observed_folder_free(ObservedFolder *folder)
{
    if (folder == NULL)
        return;
    g_hash_table_unref(folder->metadata);
    g_hash_table_unref(folder->acl);
    g_free(folder);
}

Observed *observed_new(void)
{
    Observed *observed = g_new0(Observed, 1);

    observed->quota_kib = QUOTA_UNLIMITED;
    observed->folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)observed_folder_free);
    observed->acl = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    observed->metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    observed->missing_parents = g_ptr_array_new_with_free_func(g_free);
    return observed;
}

void observed_free(Observed *observed)
{
    if (observed == NULL)
        return;
    g_free(observed->server);
    g_hash_table_unref(observed->folders);
    g_hash_table_unref(observed->acl);
    g_hash_table_unref(observed->metadata);
    g_ptr_array_unref(observed->missing_parents);
    g_free(observed);
}
