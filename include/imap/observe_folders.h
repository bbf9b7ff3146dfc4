/* observe_folders.h - the commands that ask a user's session what folders there are, and what their answers say. Pure, private to
 * this folder. */
#pragma once

#include "imap/namespace.h"
#include "imap/session.h"
#include "model/account.h"
#include "model/observed.h"

#include <glib.h>

/* Names in "LIST (flags) separator name", or LSUB, of mailboxes that exist, as on the wire: a new set of char*, owned by the command. */
GHashTable *observe_read_list(const ImapCommand *command, const char *word);

/* As the user, all folders (of Folder*) that are subscribed to, with their metadata (with `special_use` also that), in one command
 * of RFC 5258 and RFC 9590: Cyrus looks at these only, and not at all mailboxes of the server. */
ImapCommand *observe_list_command(GPtrArray *folders, bool special_use);
/* Adds those of `folders` that it shows to observed->folders. False: the server did not answer it, so the next question must ask
 * for the subscriptions, too. */
bool observe_list_answer(const Namespace *names, const ImapCommand *command, GPtrArray *folders, Observed *observed);

/* As the user: existence and metadata of each folder that is not in observed->folders, one by one; with `subscriptions` these, too.
 * A new array of ImapCommand*, perhaps empty. */
GPtrArray *observe_folders_commands(const Namespace *names, GPtrArray *folders, const Observed *observed, bool special_use,
                                    bool subscriptions);
/* Adds those that exist. FAULT_PARK: the server refused. */
bool observe_folders_answers(const char *uri, const Namespace *names, GPtrArray *commands, GPtrArray *folders, bool subscriptions,
                             Observed *observed, GError **error);
