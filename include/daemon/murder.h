/* murder.h - what is known of the servers behind the frontends: which there are, how full they are, whose turn it is, and which new
 * mailboxes a frontend does not know yet. Thread-safe. */
#pragma once

#include "daemon/outages.h"
#include "imap/mailstore.h"
#include "state/state.h"

#include <glib.h>

typedef struct Murder Murder;

/* Both must outlive it. */
Murder *murder_new(State *state, Outages *outages);
void murder_free(Murder *murder);

/* The backends of a frontend: those that imap.backends names; without that setting, those that have mailboxes on record. With a
 * `mailstore` also what each has free, as it says it; who does not answer is out of reach. A new array of PlacementBackend*. */
bool murder_list_backends(Murder *murder, const ImapSettings *frontend, Mailstore *mailstore, GPtrArray **backends,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Counts up, for backends that are chosen in turn; goes on where an earlier process was, more or less. */
guint murder_take_turn(Murder *murder);

/* A mailbox was created; until it shows (murder_show) nobody has to create it again. */
void murder_create(Murder *murder, const char *mailbox, const char *server);
void murder_show(Murder *murder, const char *mailbox);
/* For how long it does not show; -1: it was not created by us, or shows. */
gint64 murder_hidden_us(Murder *murder, const char *mailbox);
