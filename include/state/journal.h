/* journal.h - a row of the journal: one step that was tried, with what was there before and after. Plain data.
 *
 * It is written in the transaction of the change's outcome. A step that fails again as it did last time is written once. */
#pragma once

#include <glib.h>

typedef struct {
    char *time;    /* ISO 8601 UTC; NULL: when it is written */
    char *step;    /* "create folder" */
    char *target;  /* "Calendar" */
    char *mailbox; /* canonical name, NULL: none */
    char *before;
    char *after;
    char *outcome; /* "ok", or why it failed */
    char *operator; /* who asked for it by kolabctl; NULL: nobody had to */
} JournalRow;

JournalRow *journal_row_new(const char *step);
void journal_row_free(JournalRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalRow, journal_row_free)
