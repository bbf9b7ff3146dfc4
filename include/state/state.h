/* state.h - what has been provisioned, in one SQLite file. All of sqlite3 is in this folder.
 *
 * Thread-safe: one connection behind one lock. A change stays queued until the commit that records its outcome, so a
 * crash repeats a change and never loses one. Times are ISO 8601 UTC text.
 *
 * Faults: FAULT_STOP when it is opened. Later FAULT_STATE, when the disk is full, somebody else holds a lock for long, or the
 * file was removed, replaced or overwritten: nothing was recorded then, and everything fails so until state_revive. */
#pragma once

#include "state/departure.h"

#include <glib.h>

typedef enum {
    STATE_OWN,     /* read and write; the only process that does (a lock beside the file says so); created when absent */
    STATE_SCRATCH, /* a copy in memory: everything works, nothing is kept; an absent file is an empty state */
    STATE_READ,    /* for kolabctl: read only, while a daemon may be writing; the file must exist. Opened while none
                      runs, it stays at that moment */
    STATE_OPERATOR, /* for kolabctl: beside a daemon that may be writing, for departure_approve and queue_retry only; the file
                       must exist */
} StateMode;

/* Opens the file, checks it (integrity of the header, version) and migrates an older one. A newer version, garbage, a
 * directory that is not writable, or another kolabd on it: FAULT_STOP with what to do. */
State *state_open(const char *path, StateMode mode, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void state_close(State *state);

/* When the file was written last before it was opened, microseconds since 1970; 0: there was none. */
gint64 state_last_written_us(const State *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(State, state_close)

typedef enum {
    REVIVED_ITSELF,        /* it can be used (again) */
    REVIVED_WRITTEN_AGAIN, /* it was removed, and written again with all that it had */
    REVIVED_OTHER,         /* another file lies there, or somebody wrote into it: that is used now. Entries are to be compared with it */
} StateRevival;

/* After FAULT_STATE: whether the file can be used again. What was removed is written again; another file that lies in its place is
 * taken into use when it is a sane one. Costs next to nothing while all is well. FAULT_STATE: not yet; the message says why. */
bool state_revive(State *state, StateRevival *revival, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What is known of an entry. Strings may be NULL where they say nothing. */
typedef struct {
    char *domain;
    char *unique_id;
    char *kind;             /* "user" */
    char *dn;
    char *modify_timestamp; /* as the directory writes it */
    char *result_attribute; /* value of the result attribute */
    char *mailbox;          /* canonical name */
    char *renaming_to;      /* name that the mailbox may have already; NULL: none (state_note_begin) */
    char *mail_host;
    gint64 quota_kib;       /* that we set on the mailbox; QUOTA_ANY: none */
    char *fingerprint;      /* of the entry as it was brought in order */
    char *attributes;       /* names of those that it had then, as entry_attribute_names gives them */
    char *primary;          /* primary address */
    GPtrArray *aliases;     /* of char* */
    GPtrArray *folders;     /* of char*: default folders that we created */
    GPtrArray *identifiers; /* of char*: what it is called in access control lists, lower case */
    bool departed;          /* the entry left */
    Departure departure;    /* then: why, and what becomes of its mailbox */
    GPtrArray *acl;         /* of char*: what plan_recorded_acl gave */
    char *blocked;          /* the step that was left out because the server dies of it; NULL: none */
} Record;

Record *record_new(const char *domain, const char *unique_id);
void record_free(Record *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Record, record_free)

/* Finds the record of an entry: *record is owned by the caller, NULL when there is none. */
bool state_find_record(State *state, const char *domain, const char *unique_id, Record **record,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Finds only the fingerprint (for the sweep's comparison); NULL when there is no record, or it is departed. */
bool state_find_fingerprint(State *state, const char *domain, const char *unique_id, char **fingerprint,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The unique ids of a domain's entries that have not departed: a new set of char*, owned by the caller. */
bool state_list_entries(State *state, const char *domain, GHashTable **unique_ids,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The unique ids of a domain's departed entries that were found elsewhere: a new set of char*, owned by the caller. */
bool state_list_elsewhere(State *state, const char *domain, GHashTable **unique_ids,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Which other domain has a record of this entry: *other is owned by the caller, NULL when none has. */
bool state_find_elsewhere(State *state, const char *domain, const char *unique_id, char **other,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Makes the record of an entry, with its addresses, that of another domain, which has none: the entry was moved there. It has
 * not departed, and whatever was to become of it is off. */
bool state_take_over(State *state, const char *from, const char *to, const char *unique_id,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whose mailbox this is: *unique_id of the record that has it, departed or not, or may have renamed its own to it already;
 * NULL: nobody's. */
bool state_find_owner(State *state, const char *mailbox, char **domain, char **unique_id,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Notes, before a plan is carried out, what it may have done when the process is killed: the mailbox has the name `renaming_to`
 * (NULL: neither created nor renamed), the quota is set. Of `record` domain, unique id, kind and DN are read; it need not be in
 * the state. Both names are the entry's then, and it does not count as in order before the change comes to its end. */
bool state_note_begin(State *state, const Record *record, const char *renaming_to, gint64 quota_kib,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Notes which name a mailbox turned out to have (NULL: it was not created). Changes that wait for the other one become due. */
bool state_set_mailbox(State *state, const char *domain, const char *unique_id, const char *mailbox,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Adds to `taken` those of `addresses` that another entry has reserved and not yet written. */
bool state_find_reserved(State *state, const char *domain, const char *unique_id, GPtrArray *addresses,
                         GHashTable *taken, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Adds to `lost` (of char*, owned by it) the aliases that the policy made for an entry and another one in the domain holds as its primary address. */
bool state_find_lost(State *state, const char *domain, const char *unique_id, GPtrArray *lost,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reserves addresses for an entry until its record is written. `present` (of char*, lower case; NULL: all) are those that it
 * has already; the others count as made by the policy from now on. */
bool state_reserve(State *state, const char *domain, const char *unique_id, const char *primary, GPtrArray *aliases,
                   GHashTable *present, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A shared mailbox has another name, and so has what is below it: records the new names of other entries' mailboxes there, and
 * queues those entries. */
bool state_move_below(State *state, const char *from, const char *to, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* How many mailboxes are on record for each server. The callback must not use the state. */
typedef void (*HostCounted)(const char *host, guint mailboxes, gpointer user_data);
bool state_count_hosts(State *state, HostCounted counted, gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The server that has an entry's mailbox, as it was recorded; NULL: not known. Owned by the caller. */
bool state_find_host(State *state, const char *domain, const char *unique_id, char **host,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The version of an IMAP server that dies of a step, as it was noted; NULL: none was. `uri`: the server's, or of a backend of a
 * murder its name in lower case. */
bool state_find_block(State *state, const char *uri, char **version, GError **error) G_GNUC_WARN_UNUSED_RESULT;
bool state_note_block(State *state, const char *uri, const char *version, const char *problem,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Whether there is such a note of any server. */
bool state_has_block(State *state, bool *any, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Forgets it, and queues the entries whose record has a blocked step; for a backend those that are there. */
bool state_lift_block(State *state, const char *uri, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Notes that a server is out, and why (`message` NULL: it is not). Without `server`, that none is. */
bool state_note_outage(State *state, const char *server, const char *message, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Notes the outcome of a domain's sweep: `problem` NULL when it was complete. */
bool state_note_sweep(State *state, const char *domain, const char *base_dn, guint entries, const char *problem,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Notes why changes of a domain are not noticed as they happen; `problem` NULL: they are. */
bool state_note_watch(State *state, const char *domain, const char *problem, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A domain and what becomes of it; plain data, `name` is the key. */
typedef struct {
    const char *name;
    const char *base_dn; /* NULL: unknown */
    const char *status;  /* "served", "suspended", "deleted", "refused"; "discovery": where domain entries are read */
    const char *reason;  /* NULL: none */
} DomainNote;

/* Notes one of them. */
bool state_note_domain(State *state, const DomainNote *note, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Notes all domains that there are (of DomainNote*). Others that the state knows are removed ones from now on, or forgotten
 * when it has no entry of theirs: *removed names those that are removed since this call (a new array of char*, owned by the
 * caller). The changes of a domain that is not served leave the queue, and their entries lose their fingerprint: its next sweep
 * finds them again, whatever the reason was. */
bool state_note_domains(State *state, GPtrArray *notes, GPtrArray **removed, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Notes what the process is and does, for `kolabctl status`: one value a name ("pid", "started", "directory", "imap"). */
bool state_note(State *state, const char *name, const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
