/* status.h - what a server means by NO: only what is recognised is an answer, the rest is an error. Private to this folder. */
#pragma once

#include "imap/session.h"

#include <glib.h>

/* "No such mailbox" (RFC 5530 NONEXISTENT, or Cyrus' own words, which carry no code). */
bool imap_says_absent(const ImapCommand *command);
/* "No such quota root", likewise. */
bool imap_says_no_quota(const ImapCommand *command);
/* "Mailbox already exists" (RFC 5530 ALREADYEXISTS, or Cyrus' own words). */
bool imap_says_exists(const ImapCommand *command);

/* "Another mailbox has that special use" (RFC 6154 USEATTR, or Cyrus' own words). */
bool imap_says_use_conflict(const ImapCommand *command);
/* "No such partition", in Cyrus' own words. */
bool imap_says_no_partition(const ImapCommand *command);

/* What a frontend says of a backend that it cannot reach, that does not let it in, or that it does not know: "Server(s) unavailable to
 * complete operation". */
bool imap_says_backend_unavailable(const ImapCommand *command);
/* "Not now": the server itself, one behind it or the master of a murder cannot be asked, a mailbox is on its way to another server, is
 * locked, or the server has trouble of its own, as with its disk (RFC 5530 UNAVAILABLE, INUSE, SERVERBUG, or Cyrus' words). */
bool imap_says_unavailable(const ImapCommand *command);

/* Sets FAULT_PARK, or FAULT_RETRY for what is just unavailable: "URI: OPERATION: the server refuses COMMAND: its words". */
void imap_set_refusal(GError **error, const char *uri, const char *operation, const ImapCommand *command);
