/* report.h - what kolabctl shows of a state, as text for people or as one line of JSON (RFC 8259).
 *
 * Values are shown without control characters. What is reported is one snapshot while a daemon writes.
 * Each but the journal appends to `out`. Faults: FAULT_STATE. */
#pragma once

#include "state/state.h"

#include <glib.h>

/* Whether a daemon runs, how many entries and changes there are, the domains, the daemon's notes. */
bool report_status(State *state, bool json, GString *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Entries that failed (parked, or waiting for a retry) and domains whose sweep was incomplete; *count says how many. */
bool report_problems(State *state, bool json, GString *out, guint *count, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Everything about the entries that `what` names: a unique id, DN, address, mailbox or login, in any case of letters.
 * *count says how many there are; as JSON they are an array, empty when there is none. */
bool report_show(State *state, const char *what, bool json, GString *out, guint *count,
                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Entries that left: those that are not settled, and those whose mailbox was deleted within the last week; *count says how
 * many. */
bool report_departures(State *state, bool json, GString *out, guint *count, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Which rows of the journal. */
typedef struct {
    const char *entry; /* as for report_show, or what an entry was called once, also when it is gone; NULL: all */
    const char *since; /* as times are stored: that and later; NULL: all */
} JournalFilter;

/* Takes whole lines; false: no more of them. */
typedef bool (*ReportSink)(const char *lines, gpointer user_data);

/* The journal, oldest first, a line a row (as JSON an object each), handed to the sink in pieces: there may be more rows than
 * memory holds. Rows that are written meanwhile are left out. *found says how many entries `filter->entry` names. */
bool report_journal(State *state, const JournalFilter *filter, bool json, ReportSink sink, gpointer user_data, guint *found,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
