/* login.h - the dialogue with a server until somebody is logged in: greeting, STARTTLS, AUTHENTICATE PLAIN. Private to this folder. */
#pragma once

#include "imap/connection.h"

#include <glib.h>

/* Connects to `settings->uri` and logs in as the administrator, with `authorize_as` as that user (RFC 4616). *server is what the server calls
 * itself (Cyrus' servername), NULL when it does not say. Both are owned by the caller; `input` gets what has come after the login; `stop` must
 * outlive the connection. FAULT_STOP: the server refuses the credentials or offers no AUTH=PLAIN, or the authorities cannot be read.
 * FAULT_RETRY: everything that may heal. */
ImapConnection *imap_login(const ImapSettings *settings, const char *authorize_as, Stop *stop, char **server, GString *input,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
