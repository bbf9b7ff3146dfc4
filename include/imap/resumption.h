/* resumption.h - whether TLS sessions with a server are worth resuming. Private to this folder. Pure.
 *
 * Processes of Cyrus share the sessions of TLS 1.2 (tls_sessions.db); with TLS 1.3 each hands out tickets that no other can read. So who
 * wants to resume is held to TLS 1.2 and asks for no tickets (RFC 5246, 7.3; RFC 5077, 3.4), and a server that does not resume then gets the
 * newest TLS instead. */
#pragma once

#include <glib.h>

/* All 0 at first. */
typedef struct {
    bool off;     /* for good */
    guint missed; /* sessions offered one after the other that the server did not know */
    guint failed; /* handshakes one after the other */
} Resumption;

/* Of a handshake that was held to TLS 1.2: was a session offered, was it resumed, and can what came of it be resumed later? */
void resumption_note(Resumption *resumption, bool offered, bool resumed, bool resumable);
/* That handshake failed, and right after it one with the newest TLS did not. */
void resumption_note_failure(Resumption *resumption);
