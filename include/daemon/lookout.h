/* lookout.h - the thread that tries whether servers that are out of reach are back. Nobody's work waits for a server that hangs. */
#pragma once

#include <glib.h>

/* `data` is the Shared. */
gpointer lookout_run(gpointer data);
