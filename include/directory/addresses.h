/* addresses.h - which addresses somebody has. Private to this folder. */
#pragma once

#include "directory/connection.h"

#include <glib.h>

/* As directory_find_addresses, on an open connection. */
bool connection_find_addresses(Connection *connection, const DomainSettings *domain, const char *unique_id, GPtrArray *addresses,
                               GHashTable *taken, GError **error) G_GNUC_WARN_UNUSED_RESULT;
