/* capability.h - what a server offers (RFC 3501, 6.1.1). Private to this folder. */
#pragma once

#include "imap/session.h"

#include <glib.h>

typedef struct {
    bool special_use; /* CREATE-SPECIAL-USE */
    bool list_metadata; /* LIST-METADATA (RFC 9590) */
    bool murder;      /* MUPDATE=: one of several servers, which know of each other */
} Capability;

/* Asks what the server offers to who is logged in. Faults as imap_session_run. */
bool capability_ask(ImapSession *session, Capability *offered, GError **error) G_GNUC_WARN_UNUSED_RESULT;
