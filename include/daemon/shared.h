/* shared.h - what the threads of a process share. Everything in it outlives them. */
#pragma once

#include "daemon/asked.h"
#include "daemon/blocked.h"
#include "daemon/config.h"
#include "daemon/domains.h"
#include "daemon/handover.h"
#include "daemon/murder.h"
#include "daemon/outages.h"
#include "daemon/progress.h"
#include "imap/creator.h"
#include "imap/gates.h"
#include "state/state.h"
#include "wait/wait.h"

#include <glib.h>

/* What the command line asks for. */
typedef struct {
    bool sync;     /* one shot: bring everything in order, then end */
    bool dry_run;  /* print plans instead of applying them */
    bool json;     /* print them as JSON, one object a line */
    Asked asked;
} RunOptions;

/* Stages at the end of a one-shot run: after each there may be changes again. */
typedef enum {
    SETTLED_NOTHING,
    SETTLED_DELETIONS, /* decided which mailboxes of departed entries may be deleted */
    SETTLED_ALL,       /* cleaned up their access rights */
} Settled;

typedef struct {
    const Config *config;
    const RunOptions *options;
    Domains *domains; /* owned */
    State *state;
    Stop *stop;
    Handovers *handovers; /* NULL: one-shot run */
    bool patient;         /* another configuration of this process has worked: what is refused now is an outage, and no end */
    Progress progress;
    GMutex blocked_lock;
    GHashTable *blocked;  /* char* server -> Blocked*: what each IMAP server dies of; under blocked_lock */
    GPtrArray *creators;  /* of Creator*, in the order of the configuration's imap_servers */
    GPtrArray *gates;     /* of Gates*, in the same order */
    Outages *outages;     /* owned */
    Murder *murder;       /* owned */
    gint *murders;        /* atomic, of each of the configuration's imap_servers: it is known to be a murder; see fair.h */
    GRWLock shared_lock;  /* a shared mailbox is renamed only while no other one is looked at: it may take others along */
    GMutex decide_lock;   /* policy decisions that need new addresses are made one at a time */
    GMutex settle_lock;   /* for settled: a worker that finds nothing to do goes on to the next stage */
    Settled settled;      /* how far a one-shot run is once the queue is drained */
    GMutex claim_lock;
    GCond claim_ended;
    GHashTable *claimed;  /* set of char*: mailboxes that workers are about to take; under claim_lock */
    GMutex output_lock;   /* plans are printed whole */
    gint sweeping;        /* atomic: a sweep may still add changes */
    gint incomplete;      /* atomic: a domain of a one-shot run could not be read */
    gint connected;       /* atomic: both servers have accepted us since the start */
    gint restored;        /* atomic: the state file was removed and is there again; what lay beside it may be gone */
    gint anew;            /* atomic: the state is another one: all threads must end, and others begin */
    GMutex revive_lock;
    GMutex fatal_lock;
    GError *fatal;        /* why the process must end with an error; the first reason counts */
} Shared;

void shared_init(Shared *shared, const Config *config, const RunOptions *options, State *state, Stop *stop);
void shared_clear(Shared *shared);

/* What an IMAP server of the configuration dies of; `backend`: that one of the murder behind it, or NULL. */
Blocked *shared_blocked(Shared *shared, const ImapSettings *server, const char *backend);
/* Whether something is remembered that a server died of, and nobody has connected yet, so that it may be another one by now. */
bool shared_must_ask(Shared *shared);

/* Takes a mailbox's name for one worker, until it is given back: waits while another one has it. Between the look at whose it is
 * and the record that says so, no second entry takes it. A worker takes one name at a time. */
void shared_claim(Shared *shared, const char *mailbox);
void shared_unclaim(Shared *shared, const char *mailbox);

/* Notes why the process must end and asks it to. Takes `fatal`. */
void shared_fail(Shared *shared, GError *fatal);

/* `server` (its URI), asked at `asked_us`, cannot be reached, or refuses us: an outage, and a pause (idle) before attempt + 1.
 * FAULT_STOP before the first success, unless `patient`, and the last attempt of a one-shot run end the process; what was handed
 * over ends after as many. FAULT_STATE is not the server's: as shared_survive. Takes `fault`. */
void shared_outage(Shared *shared, const char *server, gint64 asked_us, guint attempt, GError *fault);

/* After a fault of the state, which `fault` is: waits until it can be used again, so that the caller does once more what failed;
 * nothing of it was recorded. That is an outage, unless it works at once; a state file that was removed meanwhile is written
 * again by this, and with another one the threads begin anew. `attempts`: how often the caller failed in a row so far, counted
 * here. False: the process ends; another fault than FAULT_STATE ends it, and so do the last attempts of a one-shot run. Takes
 * `fault`. */
bool shared_survive(Shared *shared, guint *attempts, GError *fault);

/* Tells systemd what the daemon does (STATUS=). Seldom: who is not listened to waits here. */
void shared_tell_status(Shared *shared);

/* Nothing waits, nobody works, and no sweep can add anything: for the end of a one-shot run. */
bool shared_is_drained(Shared *shared);
