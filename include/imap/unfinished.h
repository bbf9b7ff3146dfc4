/* unfinished.h - what a server leaves behind that dies in the middle of a RENAME or DELETE. Private to this folder.
 *
 * Cyrus takes the mailbox itself first, then what is below it, one by one, and the quota root at the end; rights and subscriptions
 * it changes after each. So "the mailbox does not exist" is no proof that nothing of it does. */
#pragma once

#include "imap/mailstore.h"

#include <glib.h>

typedef struct {
    GPtrArray *names;      /* of char*: mailboxes that are there, as on the wire, the deepest first */
    gint64 quota_kib;      /* of the quota root; QUOTA_UNLIMITED: there is none, or it limits nothing */
    bool login_has_rights; /* in one of the mailboxes */
} Remains;

void remains_clear(Remains *remains);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Remains, remains_clear)

/* What is below `mailbox`, whether or not that exists; with a `login` also `mailbox` itself, and whether the login has rights in any.
 * At `server` of a murder, NULL: the administrator's server. *remains is to be cleared in any case. Its LISTs walk all mailboxes, so
 * it is for what hardly ever happens. FAULT_PARK: the server refuses; FAULT_RETRY. */
bool unfinished_look(Mailstore *mailstore, const char *server, const char *mailbox, const char *login, Remains *remains,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
