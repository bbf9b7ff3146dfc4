/* apply.h - executes a plan's steps over directory and IMAP store. */
#pragma once

#include "directory/directory.h"
#include "imap/mailstore.h"
#include "plan/plan.h"

#include <glib.h>

/* Carries out the steps in order; neighbours with the same actor travel together (one LDAP modify, one IMAP pipeline).
 * `login` is whom folder steps are done as; NULL when there are none. For each step that took effect or was
 * refused a JournalRow* is added to `journal`, and for the one at which a connection was lost, or was not to be had. The first fault
 * ends it, and what was not sent has no row. */
bool apply_plan(const Plan *plan, const char *login, Directory *directory, Mailstore *mailstore, GPtrArray *journal,
                GError **error) G_GNUC_WARN_UNUSED_RESULT;
