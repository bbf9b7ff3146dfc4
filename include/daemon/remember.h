/* remember.h - what the state is told of a job: before its steps, so that a process which is killed leaves nothing that nobody
 * knows, and after them. Faults: FAULT_STATE, but where it says otherwise. */
#pragma once

#include "daemon/job.h"

#include <glib.h>

/* That the mailbox may get another name (`to`; NULL: the name stays) and this quota. */
bool remember_begin(Job *job, const char *to, gint64 quota_kib, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same for what the job's plan does, if it does either; and that a move begins. */
bool remember_plan(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What the entries of other mailboxes must know of a shared one, and that a new one is looked at once more: it has rights that
 * nobody could foresee. */
bool remember_others(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The record, and the end of the change. FAULT_PARK as queue_finish. */
bool remember_outcome(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;
