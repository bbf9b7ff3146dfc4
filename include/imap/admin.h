/* admin.h - the administrator's session of a Mailstore, for the other modules of this folder. */
#pragma once

#include "imap/mailstore.h"
#include "imap/namespace.h"

#include <glib.h>

/* Runs commands (of ImapCommand*) as the administrator, connecting first if needed. FAULT_RETRY: the session is lost, the
 * next call opens another. */
bool mailstore_run_admin(Mailstore *mailstore, GPtrArray *commands, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* How the administrator writes names; known once mailstore_connect has succeeded. */
const Namespace *mailstore_admin_names(const Mailstore *mailstore);

const ImapSettings *mailstore_settings(const Mailstore *mailstore);
