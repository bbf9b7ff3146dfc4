/* handover.h - each --sync that another process handed to the daemon, from its acceptance to its outcome. Thread-safe.
 *
 * Its sweeps are made by one thread. It names the changes that they queue, and is through once each of these has come to an end:
 * brought in order, set aside, or failed as often as a one-shot run would try. The reaper, who knows then what departed entries
 * need, ends it. It outlives a reload, and the process that asked. */
#pragma once

#include "daemon/asked.h"
#include "state/departure.h"
#include "state/queue.h"

#include <glib.h>

typedef struct Handover Handover;   /* counted references; ends with the last one */
typedef struct Handovers Handovers; /* those that are under way */

/* `state` must outlive it. */
Handovers *handovers_new(State *state);
void handovers_free(Handovers *handovers);

/* --- the process that asks, as the control socket has it */

/* Accepts what is asked for (copied) by process `pid`. The result is the caller's until handover_leave. FAULT_RETRY: there are
 * too many. */
Handover *handovers_add(Handovers *handovers, const Asked *asked, int pid, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Readable once any of them has news; handovers_clear_news makes it wait for more. */
int handovers_news_fd(Handovers *handovers);
void handovers_clear_news(Handovers *handovers);
/* Appends what is to be told (lines of wire.h) and was not taken before; true: that was all. */
bool handover_take_news(Handover *handover, GString *text);
/* The process is gone, or has heard all: the work goes on. */
void handover_leave(Handover *handover);

/* --- the thread that makes the sweeps */

/* Waits for the next one that is to be swept; NULL when the daemon stops (handovers_wake makes that known). What a stop
 * interrupts is the next one again. To be unreferenced. */
Handover *handovers_next(Handovers *handovers, Stop *stop);
void handovers_wake(Handovers *handovers);
void handover_unref(Handover *handover);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Handover, handover_unref)

const Asked *handover_asked(const Handover *handover);
/* It ended before its time (handovers_give_up): there is nothing to sweep for any more. */
bool handover_is_over(Handover *handover);
/* A change that is about to be queued; `found`: that was found in the queue just now. */
void handover_expect(Handover *handover, const char *domain, const char *unique_id, bool found);
/* It is about this domain: what of it failed earlier, or fails meanwhile, counts in the end. */
void handover_note_domain(Handover *handover, const char *domain);
/* A domain cannot be read: told, and an error in the end. */
void handover_miss(Handover *handover, const char *domain, const char *message);
/* All that is expected is queued. FAULT_STOP: the state file. */
bool handover_set_swept(Handover *handover, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* It cannot be carried out. */
void handover_fail(Handover *handover, const char *message);

/* --- the other threads */

/* As tally_note_step and tally_note_end, for all of them; `handovers` may be NULL. They cost next to nothing while nothing is
 * handed over. */
void handovers_note_step(Handovers *handovers, const Change *change);
bool handovers_note_end(Handovers *handovers, const Change *change, const GError *fault, const char *message, bool out,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Changes may have left the queue without a try. */
bool handovers_look_again(Handovers *handovers, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A server stays away: those that need it end with an error. `sweeps`: so do those that are not swept. */
void handovers_give_up(Handovers *handovers, bool sweeps, const char *message);
/* Which of them are through; then, after what departed entries need was decided, their end. */
void handovers_begin_end(Handovers *handovers);
void handovers_end(Handovers *handovers, const DepartureSummary *departures);
