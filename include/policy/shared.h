/* shared.h - the account of a shared folder or a resource. Pure.
 *
 * Its addresses are as they are: no recipient policy, and nothing is written to the directory. */
#pragma once

#include "model/account.h"
#include "model/entry.h"
#include "policy/settings.h"

#include <glib.h>

/* Fills in the account. The mailbox is named by the target folder attribute, or else by cn in the domain.
 * FAULT_PARK: a name that no shared mailbox can have, or an access control value that says nothing sensible. */
bool shared_decide(const DomainSettings *settings, const Entry *entry, Account *account,
                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The attribute that names the entry's mailbox: for messages. */
const char *shared_name_attribute(const DomainSettings *settings, const Entry *entry);
