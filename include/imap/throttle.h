/* throttle.h - how many sessions may work at a server at once, by how long it takes for what it does. Pure: times come in.
 *
 * A server that is used to the full takes longer the more sessions work at it, and that is no reason to use it less: of N sessions
 * each may take N times as long as one alone. What is far beyond the best, with that in mind, is somebody else's doing, a backup or
 * a mass of mails: then half as many sessions work, down to one; and one more whenever the server kept up with those there are.
 * The best is forgotten by and by, so that a server which stays slow becomes the measure of itself.
 *
 * What is compared must be alike: one kind of work with itself, in the same unit. */
#pragma once

#include <glib.h>

typedef enum {
    WORK_LOOK, /* a time a command: folders of a mailbox are looked at one by one */
    WORK_LIST, /* a time a command: all of a mailbox at once */
    WORK_MAKE, /* a time a folder: folders are made, and given what belongs to them */
    WORK_KINDS,
} Work;

/* Work that was done. */
typedef struct {
    Work kind;
    double time_us;            /* of a unit */
    double at_once;            /* so many sessions did such work, this one counted */
    gint64 began_us, ended_us; /* monotonic */
} WorkDone;

/* One judgement is made of so many, of which that with the middle time counts. */
enum { THROTTLE_WINDOW = 7 };

typedef struct {
    WorkDone best;                  /* no time: none yet */
    WorkDone done[THROTTLE_WINDOW]; /* since the last judgement */
    guint count;
} ThrottleWork;

typedef struct {
    guint ceiling;     /* sessions at once when all is well */
    guint limit;       /* 1 to ceiling */
    gint64 changed_us; /* when the limit last did; 0: never */
    ThrottleWork work[WORK_KINDS];
} Throttle;

/* `ceiling`: 1 at least. */
Throttle throttle_start(guint ceiling);

/* Takes note of work that was done. True: throttle->limit has changed. What began before the last change says nothing of it. */
bool throttle_observe(Throttle *throttle, const WorkDone *done);
