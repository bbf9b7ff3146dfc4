/* job.h - one change on its way through the stages of provision.c. Private to provision, placing, turn and remember.
 *
 * What a stage finds out is the next one's input. */
#pragma once

#include "daemon/shared.h"
#include "directory/directory.h"
#include "imap/mailstore.h"
#include "plan/plan.h"
#include "state/queue.h"

#include <glib.h>

/* How a job holds the others' shared mailboxes still. */
typedef enum {
    HOLD_NONE,
    HOLD_READER, /* nobody's is renamed */
    HOLD_WRITER, /* and nobody else works on one */
} Hold;

typedef struct {
    Shared *shared;
    Directory *directory;
    Mailstore *mailstore;
    Change *change;
    DomainSettings *domain;
    GPtrArray *journal;
    bool vacated;   /* a dry run takes the wanted mailbox for gone: its owner leaves it */
    bool postponed; /* the change waits for another one */
    char *claimed;  /* mailbox that we took with shared_claim; NULL: none */
    Record *record; /* what is known; NULL: nothing */
    Entry *entry;   /* NULL: not below the base */
    Account *account;
    Observed *observed;
    GPtrArray *backends; /* of PlacementBackend*: of the murder; NULL: it does not matter */
    char *backend;  /* of those, the one for a new mailbox; NULL: Cyrus chooses */
    guint created_steps; /* that were carried out before the plan could be made */
    bool was_there; /* the mailbox was, although its absence was assumed */
    Plan *plan;
    GPtrArray *acl; /* of char*: what the plan gives, to remember */
    Hold hold;
    char *blocked;  /* the step that was left out because the server dies of it; NULL: none */
} Job;

void job_clear(Job *job);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

/* The IMAP server of the job's domain. */
const ImapSettings *job_imap(const Job *job);

/* What plans are told of earlier runs and of the settings. `folders` and `acl` (empty arrays) hold the lists of the result. */
PlanHistory job_history(const Job *job, GPtrArray *folders, GPtrArray *acl);

/* The change is back in the queue, without an outcome. */
void job_note_postponed(Job *job);

/* The mailbox that the state recorded; NULL: none. Owned by the job. */
const char *job_recorded_mailbox(const Job *job);

/* Holds the others' shared mailboxes still from here to the end of the job, when its own is one: a shared mailbox that is to
 * be renamed, or may have been, takes along what is below it. By what is recorded, and by what was decided. FAULT_STATE. */
bool job_hold_recorded(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;
bool job_hold_decided(Job *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;
