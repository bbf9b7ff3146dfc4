/* journal.h - a row of the journal: one applied step, with what was there before and after. Plain data.
 *
 * queue_finish and queue_fail write it, in the transaction of the change's outcome. */
#pragma once

#include <glib.h>

typedef struct {
    char *time;    /* ISO 8601 UTC; NULL: when it is written */
    char *step;    /* "create folder" */
    char *target;  /* "Calendar" */
    char *mailbox; /* canonical name, NULL: none */
    char *before;
    char *after;
    char *outcome; /* "ok", or the fault's message */
} JournalRow;

JournalRow *journal_row_new(const char *step);
void journal_row_free(JournalRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalRow, journal_row_free)
