/* capability.h - what a server offers (RFC 3501, 6.1.1). Private to this folder. */
#pragma once

#include "imap/command.h"

#include <glib.h>

typedef struct {
    bool special_use; /* CREATE-SPECIAL-USE */
    bool list_metadata; /* LIST-METADATA (RFC 9590) */
    bool murder;      /* MUPDATE=: one of several servers, which know of each other */
} Capability;

/* The names that a reply tells, as untagged data or in its response code (RFC 3501, 7.1); NULL: it tells none. Owned by the caller. */
GStrv capability_names(const ImapReply *reply);
/* `name` in any case; "NAME=" with any value. `names` may be NULL. */
bool capability_offered(GStrv names, const char *name);

/* The question, owned by the caller. */
ImapCommand *capability_command(void);
/* What the server offers to who is logged in. */
Capability capability_read(const ImapCommand *command);
