/* observe.h - the commands that ask what exists, and what their answers say. Pure, private to this folder. */
#pragma once

#include "imap/namespace.h"
#include "imap/session.h"
#include "model/account.h"
#include "model/observed.h"

#include <glib.h>

/* Every mailbox has this entry, and reading it is flat in the number of mailboxes. */
#define OBSERVE_PARTITION_ENTRY "/shared/vendor/cmu/cyrus-imapd/partition"

/* As administrator: existence and quota of a mailbox and, unless NULL, of its previous name. Existence is asked by
 * GETMETADATA of its partition, because LIST walks all mailboxes of the server. A new array of ImapCommand*. */
GPtrArray *observe_mailbox_commands(const Namespace *names, const char *mailbox, const char *previous);
/* FAULT_PARK: the server refused. FAULT_RETRY: its quota cannot be read. */
bool observe_mailbox_answers(const char *uri, GPtrArray *commands, bool with_previous, Observed *observed,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same on a murder, in two steps, because the frontend knows where a mailbox is but not what it has. First, at the
 * frontend: existence of both names, and the server. */
GPtrArray *observe_places_commands(const Namespace *names, const char *mailbox, const char *previous);
bool observe_places_answers(const char *uri, GPtrArray *commands, bool with_previous, Observed *observed,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Then, at that server: the quota of the one that is there. Faults as above; FAULT_RETRY also when it is not there: it was moved, and
 * the frontend has not heard of it yet. */
GPtrArray *observe_quota_commands(const Namespace *names, const char *mailbox);
bool observe_quota_answers(const char *uri, GPtrArray *commands, Observed *observed, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Only the limit of a mailbox, before something changes it; QUOTA_UNLIMITED: it has none, or is not there. Faults as above. */
ImapCommand *observe_limit_command(const Namespace *names, const char *mailbox);
bool observe_limit_answer(const char *uri, const ImapCommand *command, gint64 *quota_kib, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A mailbox is there, or the server says that it is not. FAULT_PARK: anything else. */
bool observe_read_existence(const char *uri, const ImapCommand *command, bool *exists,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* "ACL mailbox identifier rights ...": adds char* identifier -> char* rights, both as the server has them. */
void observe_read_acl(const ImapCommand *command, GHashTable *acl);
/* "METADATA mailbox (entry value ...)": adds char* entry -> char* value; NIL is no value. Of all replies, or of one. */
void observe_read_metadata(const ImapCommand *command, GHashTable *metadata);
void observe_take_metadata(const ImapReply *reply, GHashTable *metadata);

/* Adds a command about a mailbox, whose name is as on the wire; owned by `commands`. */
ImapCommand *observe_add_command(GPtrArray *commands, const char *verb, const char *wire_name);
/* Untagged data of one kind, of so many values at the least: "QUOTA root (...)" has the word first. */
bool observe_is_reply(const ImapReply *reply, const char *word, guint values);

/* As administrator, once it is known which folders are there: quota and rights of those that are to have some of their own. */
GPtrArray *observe_control_commands(const Namespace *names, const char *mailbox, GPtrArray *folders, const Observed *observed);
/* FAULT_PARK: the server refused. FAULT_RETRY: its quota cannot be read. */
bool observe_control_answers(const char *uri, GPtrArray *commands, GPtrArray *folders, Observed *observed,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
