/* heir.h - whose mailbox a missing parent is going to be: an entry that should have that name and has another one. */
#pragma once

#include "daemon/shared.h"
#include "directory/directory.h"

#include <glib.h>

typedef struct {
    char *unique_id; /* NULL: nobody's */
    char *mailbox;   /* what it has now */
} Heir;

void heir_clear(Heir *heir);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Heir, heir_clear)

/* Looks among the entries of the domain for one that is about to rename its shared mailbox to `parent`: to make the parent
 * before would leave two mailboxes where there is one name. An entry whose change failed is not waited for. `unique_id` asks.
 * FAULT_RETRY, FAULT_STATE. */
bool heir_find(Shared *shared, Directory *directory, const DomainSettings *domain, const char *parent, const char *unique_id,
               Heir *heir, GError **error) G_GNUC_WARN_UNUSED_RESULT;
