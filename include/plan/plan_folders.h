/* plan_folders.h - the folders' part of a plan. Private to this folder. Pure. */
#pragma once

#include "plan/plan.h"

/* Adds what creates and repairs the folders, for each actor at a stretch: what only the administrator can create, then the
 * owner's part, then quota and rights. */
void plan_folders(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history);
