/* space.h - how much room a backend of a murder has. */
#pragma once

#include "imap/mailstore.h"

/* What is free on the partitions of `server` together, in KiB, by its server annotation (Cyrus' freespace); -1: it does not say.
 * FAULT_RETRY: it cannot be asked. */
bool mailstore_read_space(Mailstore *mailstore, const char *server, gint64 *free_kib, GError **error) G_GNUC_WARN_UNUSED_RESULT;
