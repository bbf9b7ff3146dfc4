#include "imap/resumption.h"

/* A server that was restarted without its sessions misses once. Cyrus misses some while others log in: an imapd of 3.6.1 deletes the session it
 * made last when it makes another. Several servers behind one address that do not share theirs miss nearly all. */
enum { MISSED_MAX = 20 };
/* A connection that is cut off in the middle of a handshake fails as one does with a server that knows TLS 1.3 only. */
enum { FAILED_MAX = 2 };

void resumption_note(Resumption *resumption, bool offered, bool resumed, bool resumable)
{
    resumption->missed = offered && !resumed ? resumption->missed + 1 : 0;
    resumption->failed = 0;
    /* What was resumed shows that the server does it, also when another connection spoilt the session meanwhile. */
    resumption->off = resumption->off || (!resumed && !resumable) || resumption->missed > MISSED_MAX;
}

void resumption_note_failure(Resumption *resumption)
{
    resumption->failed++;
    resumption->off = resumption->off || resumption->failed > FAILED_MAX;
}
