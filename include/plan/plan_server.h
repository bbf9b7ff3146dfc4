/* plan_server.h - the part of a plan that concerns the server of the mailbox. Pure, private to this folder. */
#pragma once

#include "plan/plan.h"

/* Adds the creation, with the backend that is chosen for it, and the partition. */
void plan_creation(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history);

/* Finds which backend has the mailbox in the end: plan->server. */
void plan_find_server(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history);

/* Adds the move to that backend, if it is another one than now. */
void plan_move(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history);

/* Tells when the mail host attribute, which asks for something else, is corrected by the plan. */
void plan_note_correction(Plan *plan, const Account *desired, const PlanHistory *history);
