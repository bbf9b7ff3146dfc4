/* match.h - which entries an operator means by a word. Private to src/state; called with the state's lock held. */
#pragma once

#include "state/database.h"

typedef struct {
    char *domain;
    char *unique_id;
} Match;

void match_free(Match *match);

/* What is typed, in any encoding, as names, addresses and mailboxes are stored: NFC, lower case. Owned by the caller. */
char *match_fold(const char *what);

/* Finds what has the unique id, DN, address or mailbox `what`, or is the user of that login, in whatever domain, served, queued or
 * departed; upper and lower case do not matter. `what` is as typed, in any encoding. *matches is an array of Match*, owned by
 * the caller. */
bool match_entries(State *state, const char *what, GPtrArray **matches, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same with all that was ever called so, as far as the journal knows. */
bool match_history(State *state, const char *what, GPtrArray **matches, GError **error) G_GNUC_WARN_UNUSED_RESULT;
