#include "imap/once.h"

#include <glib.h>

G_LOCK_DEFINE_STATIC(told);
static GHashTable *told; /* set of char* "SERVER WHAT"; lives as long as the process */

bool once_of(const char *server, const char *what)
{
    bool first;

    G_LOCK(told);
    if (told == NULL)
        told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    first = g_hash_table_add(told, g_strconcat(server, " ", what, NULL));
    G_UNLOCK(told);
    return first;
}
