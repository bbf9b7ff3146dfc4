/* queue_state.h - a state of its own, and its queue, for one test. */
#pragma once

#include "state/queue.h"
#include "state_file.h"

static State *state;

static inline void open_queue(void)
{
    make_directory();
    state = open_state(STATE_OWN);
}

static inline void close_queue(void)
{
    g_clear_pointer(&state, state_close);
    remove_directory();
}

static inline void add(const char *unique_id)
{
    ck_assert(queue_add(state, "example.org", unique_id, "notice", false, NULL));
}

static inline Change *lease(void)
{
    Change *change;

    ck_assert(queue_lease(state, &change, NULL));
    return change;
}
