#include "imap/partition.h"

#include "imap/once.h"

#include <glib.h>

void partition_warn(const char *uri, const char *partition)
{
    g_autofree char *what = g_strconcat("partition ", partition, NULL);

    if (once_of(uri, what))
        g_warning("%s has no partition \"%s\": folders that should be there are created where the server chooses", uri,
                  partition);
}
