/* limit.h - how many entries of a domain may go without an operator's word. Pure. */
#pragma once

#include "policy/settings.h"

#include <glib.h>

/* The larger of deletion_limit and deletion_limit_percent of `entries` (rounded down). */
guint limit_of_deletions(const DomainSettings *settings, guint entries);

/* What happens to the departures that wait. */
typedef enum {
    LIMIT_RELEASE, /* those that are due may be deleted */
    LIMIT_WAIT,    /* how many there are is not known yet */
    LIMIT_HOLD,    /* all of them are held */
} LimitVerdict;

/* `entries`: of the domain, those that wait or are held among them. `recent`: deleted within the last hour. Held ones
 * count too: as long as an operator has not decided about a set, nothing is taken from it piece by piece. `unsettled`: missing
 * entries that nobody has looked at, or not with success so far. */
LimitVerdict limit_judge(const DomainSettings *settings, guint entries, guint waiting, guint held, guint recent,
                         guint unsettled);
