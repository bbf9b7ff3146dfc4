/* identity.h - what a server says it is (RFC 2971). Private to this folder. */
#pragma once

#include "imap/session.h"

#include <glib.h>

/* The question, owned by the caller. */
ImapCommand *identity_command(void);
/* The answer: "Cyrus IMAPD 3.6.1-Debian-3.6.1-4+deb12u5", printable; "an unknown server" when it does not say. Owned by the caller. */
char *identity_read(const ImapCommand *command);
