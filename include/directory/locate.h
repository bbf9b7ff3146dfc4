/* locate.h - where an entry is that is not below its domain's base. Private to this folder. */
#pragma once

#include "directory/connection.h"

#include <glib.h>

/* As directory_locate, on an open connection. */
bool connection_locate(Connection *connection, const DomainSettings *domain, const char *unique_id, const char *last_dn,
                       char **dn, GError **error) G_GNUC_WARN_UNUSED_RESULT;
