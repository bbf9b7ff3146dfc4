/* fake_wire.h - the end of a connection (imap/connection.h) that never waits, for fuzz targets that replace the rest themselves. */
#pragma once

#include "imap/connection.h"

/* So that it is looked each time whether the server has more to say. */
bool imap_connection_has_pending(const ImapConnection *connection)
{
    (void)connection;
    return true;
}

/* Nobody else could make something of the wait. */
WaitResult imap_connection_wait(ImapConnection *connection, gsize expected, gint64 gather_us, bool to_send, int wake_fd,
                                gint64 deadline_us)
{
    (void)connection, (void)expected, (void)gather_us, (void)wake_fd, (void)deadline_us;
    return to_send ? WAIT_READY : WAIT_DEADLINE;
}

const char *imap_connection_loss(const ImapConnection *connection)
{
    (void)connection;
    return "";
}

/* What people read has no octet that a terminal obeys. */
static inline void check_text(const char *text)
{
    g_assert(g_utf8_validate(text, -1, NULL));
    for (const char *c = text; *c != '\0'; c++)
        g_assert(!g_ascii_iscntrl(*c));
}
