/* client.h - speaks to the running daemon through its control socket. For processes with one thread. */
#pragma once

#include "daemon/asked.h"

#include <glib.h>

/* Hands a --sync to the daemon that has the state file, waits for its end and logs what it tells. False: no daemon listens there.
 * A signal that would end the process only ends the waiting. */
bool client_sync(const char *state_file, const Asked *asked, int *status);

/* Tells the daemon that the state file was written. False: no daemon has heard it. */
bool client_look(const char *state_file);
