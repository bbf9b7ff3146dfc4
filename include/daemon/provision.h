/* provision.h - what happens to one change: read, decide, observe, plan, apply, record. */
#pragma once

#include "daemon/shared.h"
#include "directory/directory.h"
#include "imap/mailstore.h"
#include "plan/plan.h"
#include "state/queue.h"

#include <glib.h>

/* Prints a plan on standard output, as the options say, in one piece. */
void provision_print_plan(Shared *shared, const Plan *plan, const char *domain);

/* Brings one entry and its mailbox into the state that the directory asks for, and ends the change in the queue. Safe to
 * repeat at any point. Notes the entry's DN in the change as soon as it is known. On failure the change is still leased, and
 * the steps that took effect are in `journal` (of JournalRow*). All faults. */
bool provision_change(Shared *shared, Directory *directory, Mailstore *mailstore, Change *change,
                      GPtrArray *journal, GError **error) G_GNUC_WARN_UNUSED_RESULT;
