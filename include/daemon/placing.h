/* placing.h - on a murder: chooses the backend of a new mailbox, creates it there, and waits until the murder knows it. Nothing of
 * this on a single server. */
#pragma once

#include "daemon/job.h"

/* Finds out which backends there are and, for a mailbox that is not there, which one is to have it. FAULT_RETRY: the entry asks for
 * one that is out of reach. */
bool placing_choose(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Creates a mailbox that is not there, and looks at it again: which server has it is known only then. FAULT_RETRY: the murder does
 * not show it yet; FAULT_PARK: nor within placement.settle_timeout. */
bool placing_create(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;
