/* decision.h - the policy's decision about an entry, with the answers it needs: which addresses are taken. */
#pragma once

#include "daemon/shared.h"
#include "directory/directory.h"
#include "model/account.h"

#include <glib.h>

/* Decides the account of an entry. With `reserved` the decision is going to be carried out: addresses that had to be asked for
 * are reserved before anybody else decides. *account is owned by the caller. Faults as policy_decide, directory_find_addresses. */
bool decision_make(Shared *shared, Directory *directory, const DomainSettings *domain, const Entry *entry, bool reserved,
                   Account **account, GError **error) G_GNUC_WARN_UNUSED_RESULT;
