/* decide.h - an entry and its domain's settings to the account that should exist. Pure. */
#pragma once

#include "model/account.h"
#include "model/entry.h"
#include "policy/recipient.h"
#include "policy/settings.h"

#include <glib.h>

/* Largest quota Cyrus 3.6 survives, in KiB: SETQUOTA with more makes its imapd die. */
#define QUOTA_MAX_KIB G_GINT64_CONSTANT(2147483647)

/* Decides the account of a user. *account is owned by the caller.
 * Faults: those of recipient_decide; FAULT_PARK for a quota that is no number, below -1, or above QUOTA_MAX_KIB, and for
 * a value of the result attribute that cannot be a mailbox's name. */
bool policy_decide(const DomainSettings *settings, const Entry *entry, AddressesTaken addresses_taken,
                   gpointer user_data, Account **account, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The mailbox that a user's entry names as it stands, whatever the policy would make of it: mail to its address is looked for
 * there. NULL: it names none, several, or one that cannot be. Owned by the caller. */
char *policy_published_mailbox(const DomainSettings *settings, const Entry *entry);
