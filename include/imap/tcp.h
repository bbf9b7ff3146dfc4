/* tcp.h - the way to a server: its addresses, and a TCP connection to the first that answers. Private to this folder. */
#pragma once

#include "imap/opening.h"

/* A connected socket, non-blocking, without Nagle's delay and with keep-alive; owned by the caller. Addresses are tried in the order that
 * the system gives (RFC 6724); where one does not answer at once the next is tried beside it (RFC 8305, 5). -1, FAULT_RETRY: there is none, or
 * none answers. */
int tcp_connect(const Opening *opening, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A server's Nagle algorithm holds back what follows an unacknowledged segment, and our kernel delays the acknowledgement by 40 ms. The
 * option resets itself: before every wait for the server. */
void tcp_acknowledge_at_once(int fd);
