/* endpoint.h - the daemon's end of the control socket: who may speak is heard, one line each (wire.h), and told what comes of it.
 *
 * It lives in the main loop and never waits for anybody: a client that is slow, silent or talks nonsense loses its own
 * connection only. */
#pragma once

#include "daemon/handover.h"
#include "state/state.h"

#include <glib.h>

typedef struct Endpoint Endpoint;

/* `handovers` and `state` must outlive it. FAULT_STOP: the socket cannot be made, and why. */
Endpoint *endpoint_open(const char *state_file, State *state, Handovers *handovers, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Somebody removed the socket, with the state file: makes it again. Those who are connected stay so. */
void endpoint_listen_again(Endpoint *endpoint);
/* The daemon stops: tells that to those that wait, and removes the socket. NULL is allowed. */
void endpoint_close(Endpoint *endpoint);
