/* sweep.h - one complete read of a domain, and the set difference against the state: what differs is queued. */
#pragma once

#include "daemon/handover.h"
#include "daemon/shared.h"
#include "directory/directory.h"

#include <glib.h>

/* `resync`: all entries are queued, to be verified. `handover` (NULL: none) expects what is queued. FAULT_RETRY: the read was not
 * complete, which is noted in the state; what was found to differ is queued all the same. FAULT_STOP: the state file. */
bool sweep_domain(Shared *shared, Directory *directory, const DomainSettings *domain, bool resync, Handover *handover,
                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
