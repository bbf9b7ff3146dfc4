/* capability.h - what a server offers (RFC 3501, 6.1.1). Private to this folder. */
#pragma once

#include "imap/session.h"

#include <glib.h>

/* Asks whether the server offers `name` to who is logged in. Faults as imap_session_run. */
bool capability_ask(ImapSession *session, const char *name, bool *offered, GError **error) G_GNUC_WARN_UNUSED_RESULT;
