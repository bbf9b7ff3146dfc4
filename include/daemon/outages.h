/* outages.h - what cannot be reached, or refuses us. An outage has a beginning and an end, both told once, whoever notices them;
 * the state file shows those that last, and systemd is told one of them (STATUS=). Thread-safe. */
#pragma once

#include "state/state.h"

#include <glib.h>

/* A server that is back should not be left alone for long. */
#define OUTAGE_PAUSE_LONGEST_US (30 * (gint64)G_USEC_PER_SEC)

typedef struct Outages Outages;

/* Forgets what the state has of an earlier process. `state` must outlive it. */
Outages *outages_new(State *state);
void outages_free(Outages *outages);

/* What systemd is told while nothing is out. */
void outages_set_calm(Outages *outages, const char *status);

/* `server` is out: its URI, as the configuration has it, or "state file" with its path. `message` names it and says what failed and what to do; the newest one
 * is shown. Logged when it has just begun. `asked_us` (monotonic) is when the attempt began that failed: when somebody else has
 * got through since, it tells nothing. */
void outages_begin(Outages *outages, const char *server, gint64 asked_us, const char *message);
/* Whether that is so. */
bool outages_is_out(Outages *outages, const char *server);
/* Whether it is worth a try: it is not out, or its pause, which grows with each outages_begin, is over. Then the next pause begins,
 * so that of all callers one tries. Else *until_us is the end of the pause (monotonic clock). */
bool outages_may_try(Outages *outages, const char *server, gint64 *until_us);
/* When its pause ends (monotonic clock); now, when it is not out. */
gint64 outages_pause_end(Outages *outages, const char *server);
/* Whether anything is out. */
bool outages_any(Outages *outages);
/* It is not, or not any more: somebody has just got through. */
void outages_end(Outages *outages, const char *server);
