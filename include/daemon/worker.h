/* worker.h - takes changes from the queue, one at a time, and brings their entries in order. A thread each, with its own
 * LDAP and IMAP connections. */
#pragma once

#include "daemon/shared.h"

#include <glib.h>

/* The thread's function: runs until the daemon is asked to stop, in a one-shot run until nothing is left to do. */
gpointer worker_run(gpointer shared);
