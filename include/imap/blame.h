/* blame.h - who it was: a frontend says the same of a backend that is down and of one that does not let it in, and of one that hangs it
 * says nothing. */
#pragma once

#include "imap/mailstore.h"

/* After a frontend failed with what needs the backends `servers` (of char*): asks them. What one of them fails with is its outage
 * (mailstore_culprit) and part of *error. When all of them answer and `unavailable`, the frontend's word, is about one of
 * them, *error says that the frontend cannot log in. */
void blame_explain(Mailstore *mailstore, const GPtrArray *servers, bool unavailable, GError **error);
