/* identity.h - what a server says it is (RFC 2971). Private to this folder. */
#pragma once

#include "imap/session.h"

#include <glib.h>

/* Asks by ID. Replaces *server: "Cyrus IMAPD 3.6.1-Debian-3.6.1-4+deb12u5", printable; "an unknown server" when it does not
 * say. Faults as imap_session_run. */
bool identity_ask(ImapSession *session, char **server, GError **error) G_GNUC_WARN_UNUSED_RESULT;
