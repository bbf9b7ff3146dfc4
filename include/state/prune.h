/* prune.h - the end of what is only history: journal rows, the names of their entries, departures whose mailbox was deleted. */
#pragma once

#include "state/state.h"

#include <glib.h>

/* Removes some of what is older than `days`, in one short transaction; *more says whether to call again. FAULT_STOP only. */
bool journal_prune(State *state, guint days, bool *more, GError **error) G_GNUC_WARN_UNUSED_RESULT;
