/* stores.h - a worker's Mailstores: one for each IMAP server that its domains have, and which of them can be tried now. One thread
 * uses it. */
#pragma once

#include "daemon/shared.h"
#include "imap/mailstore.h"
#include "state/queue.h"

#include <glib.h>

typedef struct Stores Stores;

Stores *stores_new(Shared *shared);
void stores_free(Stores *stores);

/* Connects to the only server that the configuration has; false with a fault when that fails. With several, it connects to those that
 * can be tried now; what fails is an outage of that server alone, and true. */
bool stores_connect(Stores *stores, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The Mailstore for a change, connected. NULL: its server, or the backend that has its mailbox, is out of reach, and
 * that has been told: *until_us is when to look again, should nobody say before that it is back. Fails with a fault of the state, or of the only server. */
bool stores_find(Stores *stores, const Change *change, Mailstore **mailstore, gint64 *until_us,
                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* After work with a Mailstore, which failed with `fault` (NULL: it did not): the beginning and the end of a backend's outage. True
 * when that is why it failed; then *until_us as above. */
bool stores_judge(Stores *stores, Mailstore *mailstore, const GError *fault, gint64 *until_us);

/* Nothing is to be done for the moment. */
void stores_rest(Stores *stores);
