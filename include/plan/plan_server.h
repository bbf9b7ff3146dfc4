/* plan_server.h - the part of a plan that concerns the server of the mailbox. Pure, private to this folder. */
#pragma once

#include "plan/plan.h"

/* Adds the creation, on the backend and in the partition that are chosen for it: of a shared mailbox, when one is chosen, under
 * another name, and then its renaming. */
void plan_creation(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history);

/* Finds which backend has the mailbox in the end: plan->server. */
void plan_find_server(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history);

/* Adds the move to that backend, if it is another one than now. */
void plan_move(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history);

/* Tells when the mailbox does not follow the mail host attribute, although somebody may have meant it to. */
void plan_note_refused(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history);
