/* summary.h - what a --sync came to, in words and as an exit status: the same whether the process did the work itself or handed it
 * to the daemon. Pure. */
#pragma once

#include "state/departure.h"
#include "state/unsettled.h"

#include <glib.h>

/* Exit statuses of kolabd. */
enum {
    EXIT_IN_ORDER = 0,
    EXIT_ERROR = 1,
    EXIT_TO_DO = 2,         /* --dry-run: there is something to do */
    EXIT_SOME_FAILED = 3,   /* --sync: some entries failed, now or earlier */
    EXIT_CONFIGURATION = 78 /* daemon: nothing can succeed, do not restart (sysexits: EX_CONFIG) */
};

typedef struct {
    bool dry_run;
    guint done;    /* entries looked at */
    guint changed; /* of these */
    guint failed;
    bool incomplete; /* interrupted, or a domain could not be read */
    Unsettled unsettled;
    DepartureSummary departures;
} Summary;

/* The line about the entries. Owned by the caller. */
char *summary_describe(const Summary *summary);
/* The line about what failed earlier and waits, or was set aside then, and about deletions that were approved and not carried out;
 * NULL: there are none. Owned by the caller. */
char *summary_describe_unsettled(const Summary *summary);
/* The line about departures that an operator must look at, and changes that wait for them; NULL: there are none. Owned by the
 * caller. */
char *summary_describe_departures(const Summary *summary);

int summary_status(const Summary *summary);
