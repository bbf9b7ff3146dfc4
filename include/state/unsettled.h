/* unsettled.h - what of a domain is not in order although nobody is at work on it. */
#pragma once

#include "state/state.h"

#include <glib.h>

typedef struct {
    guint changes;   /* failed ones: set aside, or waiting for another try; without those that wait for another entry */
    guint deletions; /* approved ones that were not carried out */
} Unsettled;

/* Adds those of a domain to *unsettled. Faults: FAULT_STATE. */
bool state_add_unsettled(State *state, const char *domain, Unsettled *unsettled, GError **error) G_GNUC_WARN_UNUSED_RESULT;
