/* mailstore.h - the IMAP store by meaning: what exists for an account, and steps carried out on it.
 *
 * Holds one long-lived admin session, re-opened after a loss, and opens a short user session where one is needed.
 * One thread uses one Mailstore. As administrator it never sends LIST or SETMETADATA for one mailbox, but after a
 * server died (unfinished.h): under virtual domains Cyrus walks all mailboxes of the server for them. */
#pragma once

#include "imap/creator.h"
#include "imap/gates.h"
#include "model/account.h"
#include "model/observed.h"
#include "plan/step.h"

#include <glib.h>

typedef struct Mailstore Mailstore;

/* All must outlive it. `creator` and `gates`: shared by those of one server; NULL: no other one makes mailboxes, or has sessions of
 * users. */
Mailstore *mailstore_new(const ImapSettings *settings, Creator *creator, Gates *gates, Stop *stop);
void mailstore_free(Mailstore *mailstore);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Mailstore, mailstore_free)

/* Opens the admin session now, if it is not open: then *anew (NULL: nobody asks), and the server does take us; an old session
 * says nothing about that. Faults as imap_session_open. */
bool mailstore_connect(Mailstore *mailstore, bool *anew, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same at `server`, a backend of the murder, by its own address and not through the frontend; makes sure that it is the one that
 * is called so. FAULT_RETRY, and then it is mailstore_culprit. */
bool mailstore_reach(Mailstore *mailstore, const char *server, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What it was made with. */
const ImapSettings *mailstore_settings(const Mailstore *mailstore);

/* Name and version of the server as it says them (RFC 2971), once connected: "Cyrus IMAPD 3.6.1"; "an unknown server" when
 * it does not say. Of the backend `backend` of a murder, if that is not NULL. NULL: not connected so far. Valid until the next
 * connect. */
const char *mailstore_server(const Mailstore *mailstore, const char *backend);
/* Whether the server is part of a murder: then others behind it have the mailboxes, and what is asked or done at a mailbox goes
 * there. Known once connected. */
bool mailstore_is_murder(const Mailstore *mailstore);

/* Begins the work on one entry. */
void mailstore_begin(Mailstore *mailstore);
/* The backend that the work since then failed for, because it or the frontend's way to it does not answer; NULL: none, or what
 * failed was something else. Valid until the next begin. */
const char *mailstore_culprit(const Mailstore *mailstore);

/* The same for work that was not tried, because `server` is known to be out of reach. */
void mailstore_blame(Mailstore *mailstore, const char *server);

/* The backend that answered last since then; NULL: none was asked. Valid as above. */
const char *mailstore_reached(const Mailstore *mailstore);

/* Ends sessions that are kept for a batch of work only: nothing is to be done for the moment. */
void mailstore_rest(Mailstore *mailstore);

/* Whether the last failure as administrator looked like the death of the imapd on the other side (imap_session_died). */
bool mailstore_died(const Mailstore *mailstore);

/* Looks at what exists for an account: mailbox and quota by the admin session, and, when `folders` is asked for and the
 * mailbox exists, folders, metadata and subscriptions by a user session. `previous` is the mailbox's recorded name when
 * that is another one, else NULL. *observed is owned by the caller. */
bool mailstore_observe(Mailstore *mailstore, const Account *account, const char *previous, bool folders,
                       Observed **observed, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Deletes a mailbox; a user's with all its folders, also when a server that died took only some of them; another one only when it has
 * none below it. "Does not exist" is success.
 * FAULT_PARK: the server refuses. FAULT_RETRY: the connection, or it has just deleted another one of this name. */
bool mailstore_delete(Mailstore *mailstore, const char *mailbox, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What is taken for true of a person's mailbox, on a single server, of which nothing was ever heard: that it is not there. Asks
 * nobody; after mailstore_connect. Owned by the caller. */
Observed *mailstore_assume(const Mailstore *mailstore);

/* Only whether two mailboxes exist: `mailbox` and `previous`. *observed is owned by the caller. */
bool mailstore_observe_names(Mailstore *mailstore, const char *mailbox, const char *previous, Observed **observed,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether a RENAME whose end nobody knows, and whose new name is there, came to its end: else something is left below the old name, its
 * limit is, or rights are the old login's, because the server died, or we did before we carried the limit of a shared one. Renamed
 * back, all is together again. `server`: the backend that has it, NULL: there is no murder. FAULT_PARK: the server refuses;
 * FAULT_RETRY. */
bool mailstore_is_renamed(Mailstore *mailstore, const char *server, const char *from, const char *to, bool *whole,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Looks at what exists for a shared mailbox, all by the admin session: the mailbox with its metadata and rights, and, when it
 * is not there, what it has to be below. `previous` as above; `vacated`: take the mailbox for gone, whoever has it. *observed
 * is owned by the caller. */
bool mailstore_observe_shared(Mailstore *mailstore, const Account *account, const char *previous, bool vacated,
                              Observed **observed, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Carries out steps that all have the same actor (ACTOR_ADMIN..., or ACTOR_USER, then as `login`) as one pipeline; on a murder
 * what changes the list of mailboxes at the frontend, the rest at `server`, which has the mailbox (NULL: no murder). Adds to
 * `outcomes` (of StepOutcome*) what became of each that the server answered, also when it fails. "Already exists" is success for
 * a CREATE. FAULT_PARK: the server said NO or BAD to one, the message quotes the first, the others were tried all the same; or
 * it refuses to let the administrator act as `login`. FAULT_RETRY: the connection. */
bool mailstore_apply(Mailstore *mailstore, GPtrArray *steps, const char *server, const char *login, GPtrArray *outcomes,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
