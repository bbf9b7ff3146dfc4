/* observed.h - what exists on the IMAP side for an account. Plain data. */
#pragma once

#include <glib.h>

/* Where a folder's special use can be read and changed. */
#define SPECIAL_USE_ENTRY "/private/specialuse"

typedef struct {
    bool exists;
    bool subscribed;
    gint64 quota_kib;     /* of its own quota root; QUOTA_ANY: it has none of its own */
    GHashTable *metadata; /* char* name -> char* value; only entries that have a value */
    GHashTable *acl;      /* char* identifier as the server has it -> char* rights; read when rights are wanted */
} ObservedFolder;

ObservedFolder *observed_folder_new(void);
void observed_folder_free(ObservedFolder *folder);

typedef struct {
    bool assumed;          /* nobody looked: nothing is known that speaks for the mailbox */
    bool mailbox_exists;
    bool previous_exists;  /* the mailbox under the name that the state recorded, when that is another one */
    bool murder;           /* the server is a frontend: others behind it have the mailboxes */
    char *server;          /* the one that has the mailbox, as the murder says; before a rename, that has the one which will be
                              renamed. NULL: there is no murder, no mailbox, or nobody asked */
    bool quota_known;      /* quota_kib was read or recorded */
    gint64 quota_kib;      /* KiB, QUOTA_UNLIMITED: none set */
    bool special_use_offered; /* the server knows special uses; a folder's is its metadata entry SPECIAL_USE_ENTRY */
    bool folders_known;    /* folders was read; false: take them as they were recorded */
    GHashTable *folders;   /* char* name -> ObservedFolder*; a folder not in it does not exist */

    /* Of a shared mailbox only; before a rename, of the one that will be renamed: */
    bool acl_known;             /* acl was read; false: it is what Cyrus gives, unless it is configured otherwise */
    GHashTable *acl;            /* char* identifier as the server has it -> char* rights; of a mailbox that is not there,
                                   what it will have once created */
    GHashTable *metadata;       /* char* name -> char* value; only entries that have a value */
    GPtrArray *missing_parents; /* of char*: to create before, top first */
} Observed;

Observed *observed_new(void);
void observed_free(Observed *observed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Observed, observed_free)
