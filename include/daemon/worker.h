/* worker.h - takes changes from the queue, one at a time, and brings their entries in order. A thread each, with its own
 * LDAP and IMAP connections. */
#pragma once

#include "daemon/config.h"
#include "daemon/progress.h"
#include "state/queue.h"
#include "state/state.h"
#include "wait/wait.h"

#include <glib.h>

/* What the workers of a process share. Must outlive them. */
typedef struct {
    const Config *config;
    State *state;
    Stop *stop;
    Progress *progress;
    GMutex decide_lock;  /* policy decisions that need new addresses are made one at a time */
    bool one_shot;       /* --sync: end when the queue is drained, give up on servers that stay away */
    bool dry_run;        /* print plans instead of applying them */
    bool json;
    gint sweeping;       /* atomic: a sweep may still add changes */
    GMutex output_lock;  /* plans are printed whole */
    GError *fatal;       /* FAULT_STOP, or a server that stayed away in a one-shot run; under output_lock */
} Shared;

void shared_init(Shared *shared, const Config *config, State *state, Stop *stop, Progress *progress);
void shared_clear(Shared *shared);

/* Notes why the process must end (the first reason counts) and asks it to. Takes `fatal`. */
void shared_fail(Shared *shared, GError *fatal);

/* The thread's function: runs until the daemon is asked to stop, in a one-shot run until nothing is left to do. */
gpointer worker_run(gpointer shared);
