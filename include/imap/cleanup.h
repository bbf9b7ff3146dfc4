/* cleanup.h - removes identifiers of departed entries from all access control lists of the server, in one pass. */
#pragma once

#include "imap/mailstore.h"

#include <glib.h>

/* One identifier taken out of one list, or not. */
typedef struct {
    char *mailbox;    /* canonical name */
    char *identifier; /* as it was asked for, lower case */
    char *listed;     /* as it stood in the list: perhaps with upper case, or "-" in front */
    char *rights;     /* what it had */
    char *refusal;    /* what the server said against it; NULL: it is gone */
} Removal;

void removal_free(Removal *removal);

/* What a pass saw. */
typedef struct {
    guint mailboxes;
    guint removed;
    guint refused; /* lists that the server does not let us see or change, without what is only unavailable */
} CleanupResult;

/* Looks at the lists of all mailboxes (one LIST, then GETACL in pipelines) and removes the `identifiers` (set of char*, lower
 * case), the negative ones too. When a mailbox is not there any more, names are listed again, since it may have been renamed, and
 * those that are new looked at. An identifier that names an existing mailbox is somebody's login: it is taken out of the set
 * and nothing of it is touched. Mailboxes that wait for their expiry below DELETED/ keep their lists: that is the undo.
 * Adds to `removals` (of Removal*) what the server answered, also when it fails. FAULT_PARK: no LIST. FAULT_RETRY: the connection; or,
 * after all that was possible, a list could not be seen or changed for the moment (a backend of a murder is down), or mailboxes went
 * on being renamed. */
bool mailstore_clean_up(Mailstore *mailstore, GHashTable *identifiers, GPtrArray *removals, CleanupResult *result,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
