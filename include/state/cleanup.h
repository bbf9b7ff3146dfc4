/* cleanup.h - ACL identifiers of departed entries, to be removed from all access control lists. Faults: FAULT_STATE. */
#pragma once

#include "state/state.h"

#include <glib.h>

typedef struct {
    char *identifier; /* lower case: "jane@example.org", "group:staff@example.org" */
    char *domain;     /* whose it was */
    char *unique_id;
} Leftover;

void leftover_free(Leftover *leftover);

/* What is up for the next pass, after dropping what an entry uses that is there: a new array of Leftover*. *age_us says
 * since when the oldest waits. */
bool cleanup_list(State *state, GPtrArray **leftovers, gint64 *age_us, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Ends a pass: writes journal rows (of JournalRow*, a GPtrArray* for each leftover) and, when it was `complete`, drops the
 * leftovers from the list and wakes who waited for that. */
bool cleanup_finish(State *state, GPtrArray *leftovers, GPtrArray *journals, bool complete,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Is this identifier up for a clean-up? */
bool cleanup_pending(State *state, const char *identifier, bool *pending, GError **error) G_GNUC_WARN_UNUSED_RESULT;
