/* told.h - the outage of the state file itself, for who reads the state. Private to src/state.
 *
 * Its owner cannot write that into the file, only into that of the lock. */
#pragma once

#include "state/database.h"

/* Makes the tables and views of this connection show it, if it lasts, as they show other outages. */
bool told_show(State *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
