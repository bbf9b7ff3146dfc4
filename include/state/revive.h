/* revive.h - a state file that cannot be used, back in use. Private to src/state; state_revive itself is in state.h. */
#pragma once

#include "state/database.h"

/* Before the state is closed: what was removed is written again, and no log is left beside a file that is not its own. */
void revive_before_end(State *state);
