/* plan.h - the ordered difference between the account that should exist and what does. Pure. */
#pragma once

#include "model/account.h"
#include "model/entry.h"
#include "model/observed.h"
#include "plan/step.h"

#include <glib.h>

typedef struct {
    char *dn;
    char *unique_id;
    GPtrArray *steps; /* of Step*, in the order of execution */
    bool takes_name;  /* the mailbox is created, or gets another name */
    char *server;     /* backend that has the mailbox once the steps are carried out; NULL: there is no murder, or nobody knows */
    char *note;       /* what the operator should know beside the steps; NULL: nothing */
} Plan;

void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

/* Adds a step at the end; owned by the plan. For the modules of this folder. */
Step *plan_add_step(Plan *plan, StepKind kind, const char *mailbox);
/* Likewise: a mailbox gets another name. */
void plan_add_rename(Plan *plan, const char *from, const char *to);

/* Likewise: the limit of a mailbox in KiB, unless it is right. */
void plan_add_quota(Plan *plan, const char *mailbox, gint64 present_kib, gint64 wanted_kib);
/* After a rename, the limit (in KiB, QUOTA_UNLIMITED: none) goes along: Cyrus takes that of a user's mailbox, and leaves that of a
 * shared one to the next mailbox of the old name. */
void plan_carry_quota(Plan *plan, const char *from, const char *to, gint64 quota_kib);

/* Where the mailbox should be; all of it may be absent. */
typedef struct {
    const char *server;        /* backend chosen for a new mailbox */
    const char *partition;     /* of a new mailbox, and of one that is moved */
    bool move;                 /* the mailbox follows what the entry asks for */
    const GPtrArray *backends; /* of PlacementBackend*: those of the murder, as far as they are known */
} PlanPlacement;

/* What the state recorded of an earlier run, and what the settings say; all of it may be absent. */
typedef struct {
    const char *mailbox;           /* NULL: never provisioned */
    gint64 quota_kib;              /* that we set; QUOTA_ANY: none */
    const char *const *folders;    /* that we created; NULL: none */
    bool enforce_folders;          /* create again what was deleted since */
    const char *const *acl;        /* as plan_recorded_acl gave it; NULL: none */
    const char *administrator;     /* whose own entry in an access control list is left alone */
    PlanPlacement placement;
} PlanHistory;

/* Makes the plan. Order: rename or create the mailbox and set its quota first, then publish the addresses in the
 * directory, then the folders: an address is never published before a mailbox can take its mail. A shared mailbox has
 * parents before it, and its rights before its metadata.
 *
 * On a murder the mail host attribute, where it is ours to write, gets the name of the server that has the mailbox, whatever the
 * settings say; while nobody knows that server the attribute is left alone. The move to another server is the last step, so that
 * one that fails keeps nothing else waiting. A shared mailbox is never moved.
 *
 * *plan is owned by the caller. FAULT_PARK: old and new mailbox both exist. */
bool plan_make(const Entry *entry, const Account *desired, const Observed *observed, const PlanHistory *history,
               Plan **plan, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The first part of it where the server has to be asked before the rest can be planned: on a murder, which server got the new
 * mailbox; where its absence is only assumed, whether it was there. Only the parents and the creation under its name, in the latter
 * case also its quota. *plan is owned by the caller; NULL: no mailbox has to be created. Once it is
 * carried out, plan_make with what is there then makes the rest. Faults as plan_make. */
bool plan_create(const Entry *entry, const Account *desired, const Observed *observed, const PlanHistory *history,
                 Plan **plan, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The plan for an entry that is gone: its mailbox is deleted. */
Plan *plan_make_deletion(const char *dn, const char *unique_id, const char *mailbox);

/* A plan of one step: an entry's mailbox gets another name. Owned by the caller. */
Plan *plan_rename(const char *dn, const char *unique_id, const char *from, const char *to);

/* What the state must remember of the rights that the plan gives, for the next plan's history: identifiers whose rights
 * are as the directory says, and "anyone, +p" when anyone may post only for the delivery address. A new array of char*. */
GPtrArray *plan_recorded_acl(const Account *desired, const Observed *observed, const PlanHistory *history);

/* The backend at which the plan's steps are carried out: the one that has the mailbox before a move, which comes last. NULL: there
 * is no murder. Owned by the plan. */
const char *plan_present_server(const Plan *plan);

/* Takes the step off the plan of which some servers die (ACTOR_ADMIN_ALONE): a plan of its own, owned by the caller, or NULL
 * when there is none. It is the last one. */
Plan *plan_split_risky(Plan *plan);

/* The entry as the directory will have it after the plan's writes: owned by the caller. Its fingerprint is what the
 * notice of our own write is compared with. */
Entry *plan_expected_entry(const Plan *plan, const Entry *entry);
