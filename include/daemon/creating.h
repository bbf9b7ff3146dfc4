/* creating.h - the stage of a change that makes its mailbox before the rest can be planned. Private to provision, placing. */
#pragma once

#include "daemon/job.h"

/* Creates the mailbox, by the first part of the plan; nothing when none has to be created. Then job->created_steps says so, and
 * there is no plan: what there is now has to be looked at. Faults as plan_create and apply_plan. */
bool creating_try(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Creates a mailbox whose absence is only assumed, and its quota with it, in one round trip. When it was there, it is looked at and
 * taken as it is. Nothing where somebody has looked. */
bool creating_assumed(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;
