/* outages.h - what cannot be reached, or refuses us. An outage has a beginning and an end, both told once, whoever notices them;
 * the state file shows those that last. Thread-safe. */
#pragma once

#include "state/state.h"

#include <glib.h>

typedef struct Outages Outages;

/* Forgets what the state has of an earlier process. `state` must outlive it. */
Outages *outages_new(State *state);
void outages_free(Outages *outages);

/* `server` is out: its URI, as the configuration has it. `message` names it and says what failed and what to do; the newest one
 * is shown. Logged when it has just begun. */
void outages_begin(Outages *outages, const char *server, const char *message);
/* Whether that is so. */
bool outages_is_out(Outages *outages, const char *server);
/* It is not, or not any more: costs next to nothing while nothing is out. */
void outages_end(Outages *outages, const char *server);
