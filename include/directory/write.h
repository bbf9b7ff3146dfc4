/* write.h - changes of entries. Private to this folder. */
#pragma once

#include "directory/connection.h"

#include <glib.h>

/* As directory_write, on an open connection. */
bool connection_write(Connection *connection, const char *dn, GPtrArray *steps, GError **error) G_GNUC_WARN_UNUSED_RESULT;
