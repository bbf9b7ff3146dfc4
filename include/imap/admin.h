/* admin.h - the sessions of a Mailstore, for the other modules of this folder. */
#pragma once

#include "imap/mailstore.h"
#include "imap/namespace.h"

#include <glib.h>

/* Runs commands (of ImapCommand*) as the administrator, connecting first if needed. FAULT_RETRY: the session is lost, the
 * next call opens another. */
bool mailstore_run_admin(Mailstore *mailstore, GPtrArray *commands, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same where a mailbox is: at `server` of a murder (NULL: as above). */
bool mailstore_run_at(Mailstore *mailstore, const char *server, GPtrArray *commands, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Who makes mailboxes; NULL: nobody. */
Creator *mailstore_creator(const Mailstore *mailstore);

/* Opens a session as a user, where the mailbox is; owned by the caller. FAULT_PARK: the server refuses the administrator to act
 * as that user. FAULT_RETRY: the connection. */
ImapSession *mailstore_open_user(Mailstore *mailstore, const char *server, const char *login, GError **error);

/* How users write names: the same for all of them, known once a user session was open. */
const Namespace *mailstore_user_names(const Mailstore *mailstore);
/* Whether a LIST can bring metadata along, once connected. */
bool mailstore_lists_metadata(const Mailstore *mailstore);
/* Whether the server takes special uses, once connected. */
bool mailstore_takes_special_use(const Mailstore *mailstore);

/* How the administrator writes names; known once mailstore_connect has succeeded. */
const Namespace *mailstore_admin_names(const Mailstore *mailstore);
