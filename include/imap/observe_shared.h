/* observe_shared.h - the commands that ask what exists of a shared mailbox, and what their answers say. Pure, private to
 * this folder. All are flat in the number of the server's mailboxes: no LIST. */
#pragma once

#include "imap/namespace.h"
#include "imap/session.h"
#include "model/account.h"
#include "model/observed.h"

#include <glib.h>

/* As administrator: existence, metadata and access control list of the mailbox and, unless NULL, of its previous name, and the limit
 * that this has, which Cyrus does not take along. A new array of ImapCommand*. */
GPtrArray *observe_shared_commands(const Namespace *names, const Account *account, const char *previous);
/* `vacated`: take the mailbox for gone. FAULT_PARK: the server refused. FAULT_RETRY: the mailbox went between two questions. */
bool observe_shared_answers(const char *uri, GPtrArray *commands, bool with_previous, bool vacated, Observed *observed,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* On a murder, where it is known already (observe_places_answers) which of the two names is there: at its server, the rest. */
GPtrArray *observe_shared_at_commands(const Namespace *names, const Account *account, const char *mailbox);
bool observe_shared_at_answers(const char *uri, GPtrArray *commands, Observed *observed, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same of what the mailbox is below (of char*, top first), when it has to be created. Without a list of its own yet it
 * will have that of the last one that is there, or the server's default. */
GPtrArray *observe_parents_commands(const Namespace *names, GPtrArray *parents);
bool observe_parents_answers(const char *uri, GPtrArray *commands, GPtrArray *parents, Observed *observed,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
