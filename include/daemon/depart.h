/* depart.h - what becomes of an entry that left, and of its mailbox. */
#pragma once

#include "daemon/shared.h"
#include "directory/directory.h"
#include "imap/mailstore.h"
#include "state/queue.h"

#include <glib.h>

/* Who works on which change of which domain. */
typedef struct {
    Shared *shared;
    Directory *directory;
    Mailstore *mailstore;
    const DomainSettings *domain;
    Change *change;
    GPtrArray *journal; /* of JournalRow* */
} DepartJob;

/* Ends the change of an entry that is not served: `record` is what is known of it (NULL: nothing; may be changed), `entry`
 * what the directory shows below the base (NULL: nothing). Finds out why it left, and writes that down; deletes its mailbox
 * once that was approved. Faults as provision_change. */
bool depart_settle(const DepartJob *job, Record *record, const Entry *entry, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Fails when a mailbox belongs to another entry, or the login to one whose access rights are still being removed; then
 * the change waits for that. FAULT_RETRY: it will be free by itself. FAULT_PARK: it will not; the message says what to do. */
bool depart_check_owner(const DepartJob *job, const Account *account, GError **error) G_GNUC_WARN_UNUSED_RESULT;
