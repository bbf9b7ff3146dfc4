/* step.h - one LDAP modify of one attribute or one IMAP command, with its meaning. Plain data. */
#pragma once

#include "model/account.h"

#include <glib.h>

typedef enum {
    STEP_RENAME_MAILBOX,  /* before, after: canonical names */
    STEP_CREATE_PARENT,   /* mailbox: what a shared mailbox will be below */
    STEP_CREATE_MAILBOX,  /* mailbox; server or NULL, partition or NULL */
    STEP_SET_QUOTA,       /* mailbox, folder or NULL; quota_kib */
    STEP_WRITE_ATTRIBUTE, /* name, add, remove */
    STEP_CREATE_FOLDER,   /* mailbox, folder, partition or NULL, or use or NULL */
    STEP_SET_USE,         /* mailbox, folder, use: a conflict is no fault, another folder is that already */
    STEP_SET_METADATA,    /* mailbox, folder; metadata: all entries of a folder that differ, one command */
    STEP_SUBSCRIBE,       /* mailbox, folder */
    STEP_MOVE_MAILBOX,    /* mailbox; server: to which backend, partition or NULL; before, after: servers. Cyrus 3.6 may say
                             OK and have done nothing ("* NO USER ..."): only the server's own word afterwards counts */
    STEP_DELETE_MAILBOX,  /* mailbox; a user's with all its folders */
    STEP_SET_ACL,         /* mailbox, folder or NULL; name: the identifier; before, after: its rights */
    STEP_SET_SHARED_METADATA, /* shared mailbox; metadata: all entries that differ, one command */
} StepKind;

typedef struct {
    StepKind kind;
    char *mailbox;       /* canonical name */
    char *folder;        /* name below the mailbox */
    char *server;        /* backend, as a word of a command */
    char *partition;
    char *use;           /* special use (RFC 6154) of a folder, "\\Sent", where the server knows such */
    bool by_admin;       /* the folder is created by the administrator: only that one may choose a partition */
    bool assumed;        /* nobody asked whether the mailbox to be created is there: the answer tells */
    bool existed;        /* and so it told, once the step was carried out: it was */
    bool single;         /* the attribute has one value, whatever the schema allows */
    char *name;          /* attribute, identifier */
    char *before;        /* as shown to people: old name, old quota, old value; NULL: there was nothing */
    char *after;         /* likewise; NULL: there will be nothing */
    gint64 quota_kib;    /* KiB or QUOTA_UNLIMITED */
    GPtrArray *add;      /* of char*: values to add */
    GPtrArray *remove;   /* of char*: values to remove */
    GPtrArray *metadata; /* of Metadata* */
} Step;

Step *step_new(StepKind kind, const char *mailbox);
void step_free(Step *step);

/* The word for people, journal and JSON: "create mailbox", "write attribute", ... */
const char *step_kind_name(StepKind kind);
/* What the step works on: "mail", "user/jane@example.org", "Calendar". Owned by the caller. */
char *step_target(const Step *step);

/* A quota in KiB as people are shown it; NULL: none. Owned by the caller. */
char *step_show_quota(gint64 quota_kib);

/* What became of a step that was tried. */
typedef struct {
    const Step *step; /* borrowed */
    char *refusal;    /* what the server said against it; NULL: it took effect */
    bool ended;       /* for that, what comes after its batch was not tried */
} StepOutcome;

StepOutcome *step_outcome_new(const Step *step, const char *refusal);
void step_outcome_free(StepOutcome *outcome);

/* Who carries the step out. */
typedef enum {
    ACTOR_DIRECTORY,
    ACTOR_ADMIN, /* admin session */
    ACTOR_ADMIN_ALONE, /* admin session, and no other command travels with it: some servers die of it */
    ACTOR_USER,  /* user session */
} Actor;
Actor step_actor(const Step *step);
