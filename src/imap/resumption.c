#include "imap/resumption.h"

/* A server that was restarted without its sessions misses once. Cyrus misses some while others log in: an imapd of 3.6.1 deletes the session it
 * made last when it makes another. Several servers behind one address that do not share theirs miss nearly all. */
enum { MISSED_MAX = 20 };

void resumption_note(Resumption *resumption, bool offered, bool resumed, bool resumable)
{
    resumption->missed = offered && !resumed ? resumption->missed + 1 : 0;
    resumption->off = resumption->off || !resumable || resumption->missed > MISSED_MAX;
}

void resumption_give_up(Resumption *resumption)
{
    resumption->off = true;
}
