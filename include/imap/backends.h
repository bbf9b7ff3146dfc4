/* backends.h - sessions to the servers behind a frontend, which have the mailboxes. Private to this folder; one thread uses it.
 *
 * Admin sessions are kept for the length of a batch of work (backends_rest ends them), user sessions are the caller's. A backend
 * with several addresses is tried at the one that answered last, then at the others in their order. */
#pragma once

#include "imap/gates.h"
#include "imap/session.h"

#include <glib.h>

typedef struct Backends Backends;

/* All must outlive it; `gates` may be NULL. */
Backends *backends_new(const ImapSettings *frontend, Gates *gates, Stop *stop);
void backends_free(Backends *backends);

/* Has an admin session to `server`, a name as the murder says it. FAULT_RETRY as below. */
bool backends_reach(Backends *backends, const char *server, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What `server` says it is (see identity.h), as of the last admin session; NULL: there was none. */
const char *backends_identity(const Backends *backends, const char *server);

/* Runs commands as the administrator at `server`, a name as the murder says it. FAULT_RETRY: it cannot be reached, refuses the
 * administrator, has another name, or the connection is lost; the message names the backend. */
bool backends_run(Backends *backends, const char *server, GPtrArray *commands, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Opens a session as the user `login`; owned by the caller. Faults as above; FAULT_PARK: it takes the administrator, who logs in anew
 * to prove that, but not on behalf of this user. */
ImapSession *backends_open_user(Backends *backends, const char *server, const char *login, GError **error);

/* Whether the last failure of backends_run looked like the death of the imapd on the other side. */
bool backends_died(const Backends *backends);

/* Closes the admin sessions. */
void backends_rest(Backends *backends);
