/* greeting.h - what a server calls itself as it greets. Pure. */
#pragma once

#include <glib.h>

/* The server's own name in the text of its greeting, "imap1.example.org Cyrus IMAP 3.6.1 server ready", or, when it says no more of
 * itself (serverinfo: min), "imap1.example.org server ready". Owned by the caller; NULL: it does not say it, or is not Cyrus. */
char *greeting_server(const char *text);
