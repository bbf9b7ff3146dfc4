/* asked.h - what a --sync is about: all domains, one of them, or one entry. */
#pragma once

#include "daemon/domain.h"
#include "directory/directory.h"
#include "state/unsettled.h"

#include <glib.h>

typedef struct {
    char *domain; /* only this domain, by its name or an alias; NULL: all */
    char *entry;  /* only this entry, by DN or address; NULL: all */
    bool resync;  /* look at every entry and verify the IMAP side */
} Asked;

bool asked_has_domain(const Asked *asked, const Domain *domain);

/* That the domain that is asked for is in the list and served. FAULT_STOP: why not. */
bool asked_check_domain(const Asked *asked, const GPtrArray *list, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What is not in order in the domains of the list that are served and asked for; nothing when it is about one entry, of which is known
 * what became. FAULT_STATE. */
bool asked_find_unsettled(const Asked *asked, const GPtrArray *list, State *state, Unsettled *unsettled,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Looks for the entry that is asked for in every domain of the list that is served and asked for; the one with the longest base
 * has it: *owner is one of the list, *unique_id owned by the caller. A domain that cannot be read is passed over, unless nobody
 * has the entry. FAULT_STOP: nobody has it. */
bool asked_find_entry(const Asked *asked, const GPtrArray *list, Directory *directory, const Domain **owner, char **unique_id,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
