/* default_domain.h - a server whose `defaultdomain` is one that we serve. Private to this folder; thread-safe. */
#pragma once

#include "imap/command.h"

/* Logs it, once for the process, when the server's METADATA answer about `wire_name` calls the mailbox by a name without the domain: it
 * keeps the people of that domain without it, too, and does not give them the rights that name them by address (Cyrus 3.6). */
void default_domain_look(const char *uri, const char *wire_name, const ImapCommand *command);
