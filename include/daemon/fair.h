/* fair.h - of several servers, of the configuration or of a murder, no slow one keeps all workers. */
#pragma once

#include "daemon/job.h"
#include "daemon/shared.h"

#include <glib.h>

/* Before there are workers, and when there are none any more. */
void fair_begin(Shared *shared);
void fair_end(Shared *shared);

/* The server `at` that place of config->imap_servers is a murder: its backends are the servers that count. */
void fair_note_murder(Shared *shared, guint at);

/* The job goes on at the backend that was chosen for its new mailbox (none: at any). When enough workers are there, job->postponed is set
 * and the change is back in the queue. FAULT_STATE. */
bool fair_enter(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;
