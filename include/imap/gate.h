/* gate.h - how many sessions of users there are at one server at the same time: no more than it has places for, and fewer while it
 * is slow (see throttle.h). Who comes first is let in first.
 *
 * Thread-safe. Administrators do not pass here: each worker keeps a session of its own and has it when it waits for a user's, so
 * their places are set apart and nobody waits for them. Who is inside needs nothing of those who wait. */
#pragma once

#include "wait/wait.h"

#include <glib.h>

typedef struct Gate Gate;

/* `server`: as messages name it. `places`: 1 at least. */
Gate *gate_new(const char *server, guint places);
/* Nobody is inside. */
void gate_free(Gate *gate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Gate, gate_free)

/* Waits for a place; gate_leave gives it back. FAULT_RETRY: the daemon is to stop now, or can have no more descriptors. */
bool gate_enter(Gate *gate, Stop *stop, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void gate_leave(Gate *gate);

/* Who is inside has commands carried out from gate_begin to gate_end, which gets them (of ImapCommand*): so it is known how fast
 * the server is. */
typedef struct {
    gint64 began_us;
    guint inside;
} GateTurn;

GateTurn gate_begin(Gate *gate);
void gate_end(Gate *gate, const GateTurn *turn, const GPtrArray *commands);
