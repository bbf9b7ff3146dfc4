/* shown.h - whether an attribute that an entry shows no more is gone, or hidden from us. Private to this folder. */
#pragma once

#include "directory/connection.h"

/* An entry shows no value of `attribute`: has it none? On an open connection. FAULT_RETRY: it is hidden from us, or was changed
 * at this moment. */
bool connection_check_absent(Connection *connection, const char *dn, const char *attribute, GError **error) G_GNUC_WARN_UNUSED_RESULT;
