/* namespace.h - how names are written in a session (RFC 2342): separator and personal prefix. Private to this folder. */
#pragma once

#include "imap/session.h"

#include <glib.h>

typedef struct {
    char separator; /* '/' or '.' */
    char *prefix;   /* of personal folders, as on the wire: "" with altnamespace, else "INBOX/" or "INBOX." */
} Namespace;

/* The question, owned by the caller. */
ImapCommand *namespace_command(void);
/* What the server at `uri` has answered. `admin`: take the separator of the users' namespace, there is no personal one. FAULT_RETRY: the
 * answer has none. Clears what was in *names before. */
bool namespace_read(const ImapCommand *command, const char *uri, bool admin, Namespace *names,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
void namespace_clear(Namespace *names);

/* A mailbox's canonical name as the administrator writes it on the wire. Owned by the caller. */
char *namespace_mailbox(const Namespace *names, const char *mailbox);
/* A folder's name as its owner writes it on the wire. Owned by the caller. */
char *namespace_folder(const Namespace *names, const char *folder);
