/* claim.h - what stands between an entry and the mailbox it should have: the entry that the state says has it now. */
#pragma once

#include "daemon/shared.h"
#include "directory/directory.h"

#include <glib.h>

typedef enum {
    CLAIM_FREE,    /* nobody else has it */
    CLAIM_HELD,    /* its owner keeps it */
    CLAIM_LEAVING, /* its owner should have another mailbox, or none: wait for its change */
    CLAIM_RING,    /* the owner's wish leads, from owner to owner, back to our own mailbox: nobody can begin */
} ClaimKind;

typedef struct {
    ClaimKind kind;
    char *domain;    /* the owner's; NULL when free, like the others */
    char *unique_id;
    char *dn;        /* NULL: not known */
    bool departed;   /* held by the record of an entry that left */
} Claim;

void claim_clear(Claim *claim);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Claim, claim_clear)

/* Follows the owners, reading each entry as it is now and deciding what it should have. `mailbox` is what the entry
 * `unique_id` should have. An owner whose entry is at fault keeps what it has. FAULT_RETRY, FAULT_STATE. */
bool claim_examine(Shared *shared, Directory *directory, const char *mailbox, const char *unique_id, Claim *claim,
                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
