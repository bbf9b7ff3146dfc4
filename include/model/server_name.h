/* server_name.h - a server as Cyrus names it (`servername`): a host, with a port where it is not the standard one:
 * "imap1.example.org", "127.0.0.1:24143", "[::1]:143". Pure. */
#pragma once

#include <glib.h>

/* Whether it can stand in a command: Cyrus takes a server's name as a bare word only, never quoted. NULL: no. */
bool server_name_is_word(const char *name);

/* The same server? Without case, as host names are. NULL is no server. */
bool server_name_equal(const char *one, const char *other);

/* The host without brackets, and the port ("" when there is none). Both are owned by the caller. */
void server_name_split(const char *name, char **host, char **port);

/* 127.0.0.0/8, ::1, localhost: nothing goes over a net. */
bool host_is_loopback(const char *host);
