/* whoami.h - who the server says we are (RFC 4532): what nobody may read is not gone. Private to this folder. */
#pragma once

#include "directory/connection.h"

#include <glib.h>

/* Asks the server. FAULT_RETRY: it takes us for nobody, whatever the bind said; or, when it is `required` to, does not say. */
bool whoami_check(Connection *connection, bool required, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Does an authorisation identity ("dn:..." or "u:...", empty for nobody) name somebody? Pure. */
bool whoami_is_somebody(const char *identity, gsize len);
