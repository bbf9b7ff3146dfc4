/* plan_shared.h - the part of a plan that concerns a shared mailbox: parents, rights, metadata. Pure, private to this
 * folder. */
#pragma once

#include "plan/plan.h"

/* Whether the mailbox may be renamed at all: a person's does not become a shared one, nor the reverse. FAULT_PARK. */
bool plan_space(const Account *desired, const PlanHistory *history, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Adds the parents that must be there before the mailbox: Cyrus 3.6 makes a missing one without its domain. */
void plan_parents(Plan *plan, const Observed *observed, const PlanHistory *history);

/* Adds what carries the limit of a mailbox that is renamed to its new name. */
void plan_shared_quota(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history);

/* Adds the difference of the access control list, then that of the metadata: the last step of all. */
void plan_shared(Plan *plan, const Account *desired, const Observed *observed, const PlanHistory *history);
