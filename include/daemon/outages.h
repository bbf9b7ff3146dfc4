/* outages.h - what cannot be reached, or refuses us. An outage has a beginning and an end, both told once, whoever notices them;
 * the state file shows those that last. Changes that were put off meanwhile (queue_defer) are due at its end. Thread-safe. */
#pragma once

#include "imap/settings.h"
#include "state/state.h"
#include "wait/wait.h"

#include <glib.h>

/* A server that is back should not be left alone for long. */
#define OUTAGE_PAUSE_LONGEST_US (30 * (gint64)G_USEC_PER_SEC)

typedef struct Outages Outages;

/* Forgets what the state has of an earlier process. `state` must outlive it. */
Outages *outages_new(State *state);
void outages_free(Outages *outages);

/* `server` is out: its URI, as the configuration has it, the name of a backend, or "state file" with its path. `message` names it and
 * says what failed and what to do; the newest one is shown. Logged when it has just begun. `settings` says how the lookout asks it, or
 * the frontend before it, and must outlive this; NULL: the caller himself tries again. `asked_us`
 * (monotonic) is when the attempt began that failed: when somebody else has got through since, it tells nothing. */
void outages_begin(Outages *outages, const char *server, const ImapSettings *settings, gint64 asked_us, const char *message);
/* Whether that is so. */
bool outages_is_out(Outages *outages, const char *server);
/* Whether it is worth a try: it is not out, or its pause, which grows with each outages_begin, is over. Then the next pause begins,
 * so that of all callers one tries. Else *until_us is the end of the pause (monotonic clock). */
bool outages_may_try(Outages *outages, const char *server, gint64 *until_us);
/* For the lookout: waits until the pause of an outage with `settings` is over; nobody else is given that one before it begins once
 * more, or has ended. *server is owned by the caller. False: asked to stop. */
bool outages_next(Outages *outages, Stop *stop, char **server, const ImapSettings **settings) G_GNUC_WARN_UNUSED_RESULT;
/* Ends such a wait when a stop was asked for. */
void outages_wake(Outages *outages);
/* Makes due what was put off. */
void outages_resume(Outages *outages);
/* Whether anything is out. */
bool outages_any(Outages *outages);
/* It is not, or not any more: somebody has just got through. */
void outages_end(Outages *outages, const char *server);
