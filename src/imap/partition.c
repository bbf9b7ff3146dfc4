#include "imap/partition.h"

#include <glib.h>

G_LOCK_DEFINE_STATIC(warned);
static GHashTable *warned; /* set of char* "URI partition"; lives as long as the process */

void partition_warn(const char *uri, const char *partition)
{
    bool first;

    G_LOCK(warned);
    if (warned == NULL)
        warned = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    first = g_hash_table_add(warned, g_strconcat(uri, " ", partition, NULL));
    G_UNLOCK(warned);
    if (first)
        g_warning("%s has no partition \"%s\": folders that should be there are created where the server chooses", uri,
                  partition);
}
