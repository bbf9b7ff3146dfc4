/* domain_reader.h - finds out which domains there are, and makes it known: to the threads, to the state, to the operator. */
#pragma once

#include "daemon/shared.h"
#include "directory/directory.h"

#include <glib.h>

/* Reads the domain entries (if the configuration says so) and puts the domains in place of those before. By one thread at
 * a time. FAULT_RETRY: the read was not complete, and what was known before stays. FAULT_STATE. */
bool domain_reader_refresh(Shared *shared, Directory *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;
