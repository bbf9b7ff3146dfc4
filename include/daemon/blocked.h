/* blocked.h - the step that some IMAP servers die of (SETMETADATA on a shared mailbox), and who found out.
 *
 * It is tried once on each version of a server, by one worker. When the server dies of it, that is remembered in the state
 * with the version, reported once, and the step left out of all plans until the server is another version; the entries that
 * went without it are then queued again. */
#pragma once

#include "imap/mailstore.h"
#include "plan/plan.h"
#include "state/state.h"

#include <glib.h>

typedef struct Blocked Blocked;

/* `server`: what it is remembered by, the URI or the name of a backend. `state` must outlive it. */
Blocked *blocked_new(State *state, const char *server);
void blocked_free(Blocked *blocked);

/* What the server is, as it said at the last connect; another version than the one that died lifts the block. FAULT_STATE. */
bool blocked_notice_version(Blocked *blocked, const char *version, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether the step is known to kill this server. */
bool blocked_is(Blocked *blocked);

/* Whether a block is remembered and nobody has connected yet to see whether the server is still the one that died. True for one
 * caller only, who then asks. */
bool blocked_must_ask(Blocked *blocked);

/* Carries out a plan of one such step, as apply_plan does, unless the server turns out to die of it: then it succeeds with
 * *dies set. */
bool blocked_apply(Blocked *blocked, const Plan *risky, Mailstore *mailstore, GPtrArray *journal, bool *dies,
                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
