/* units.h - numbers with a unit behind them: "30s", "5GiB". Pure. */
#pragma once

#include <glib.h>

typedef struct {
    const char *suffix; /* "": a plain number */
    gint64 factor;
} Unit;

/* Digits and one of the suffixes; `units` ends with a NULL suffix. A number too large becomes G_MAXINT64, which no range allows.
 * False: it is something else. */
bool units_parse(const char *text, const Unit *units, gint64 *value) G_GNUC_WARN_UNUSED_RESULT;
