/* crew.h - the threads of a run and what they share: made from one configuration, started together, stopped together.
 *
 * For the main thread only. Whatever may end its wait (a thread ends, something is fatal) wakes the default main context. */
#pragma once

#include "daemon/shared.h"

#include <glib.h>

typedef struct Crew Crew;

/* The arguments must outlive it; `handovers` is NULL for a one-shot run. `patient`: as in Shared. */
Crew *crew_new(const Config *config, const RunOptions *options, State *state, Handovers *handovers, bool patient);
/* Its threads have ended, or were never started. */
void crew_free(Crew *crew);
Shared *crew_shared(Crew *crew);

void crew_start(Crew *crew);
/* Asks the threads to finish what they do and to end; `now`: to break it off. */
void crew_ask_to_end(Crew *crew, bool now);
/* There is nothing more to wait for: the threads have ended (a one-shot run is done), or were asked to, because something is
 * fatal. */
bool crew_is_over(Crew *crew);
/* No thread runs any more. */
bool crew_has_ended(Crew *crew);
