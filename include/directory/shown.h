/* shown.h - whether attributes that an entry does not show are absent, or hidden from us. Private to this folder. */
#pragma once

#include "directory/connection.h"

/* An entry shows no value of `attributes` (of char*): has it none? On an open connection. FAULT_RETRY: one is hidden from us, or was
 * changed at this moment. */
bool connection_check_absent(Connection *connection, const char *dn, GPtrArray *attributes, GError **error) G_GNUC_WARN_UNUSED_RESULT;
