/* turn.h - whose turn it is: mailboxes that change their names, and entries that wait for each other. */
#pragma once

#include "daemon/depart.h"
#include "daemon/job.h"

#include <glib.h>

/* Finds out which of its two names a mailbox has whose renaming did not come to a known end, or whether it was created, and
 * corrects the job's record. One that was renamed in part gets its old name back first. FAULT_PARK: both exist, or the server
 * refuses; FAULT_RETRY. */
bool turn_find_renamed(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Makes sure that nobody else has the mailbox that the account should have: waits for an owner who leaves (job->postponed is
 * set, and the change is back in the queue), or moves our own mailbox aside to open a ring. FAULT_PARK: it is another's. */
bool turn_claim_mailbox(Job *job, const DepartJob *depart, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Waits (as above) when a parent that is missing may be the new name of another entry's mailbox: that one comes first. */
bool turn_wait_for_heirs(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* For a job that was refused for good while it was carried out: when the directory does not take the new address, it still names
 * the mailbox that the entry had, and mail to it would bounce. So the mailbox gets that name again. Decided by what entry and
 * mailbox are now, so that an attempt which was cut short is made up for by the next one that is refused. FAULT_PARK: the server
 * refuses, or the name is taken by now; FAULT_RETRY, FAULT_STATE. */
bool turn_go_back(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;
