/* departures.h - people of one domain in a state file, served or departed: the fixture of all unit tests that need some. */
#pragma once

#include "state/queue.h"
#include "state/state.h"

#include <check.h>
#include <string.h>

static inline Record *person(const char *name)
{
    g_autofree char *unique_id = g_strconcat("id-", name, NULL);
    Record *record = record_new("example.org", unique_id);

    record->kind = g_strdup("user");
    record->dn = g_strdup_printf("uid=%s,dc=example,dc=org", name);
    record->mailbox = g_strdup_printf("user/%s@example.org", name);
    record->primary = g_strdup_printf("%s@example.org", name);
    g_ptr_array_add(record->identifiers, g_strdup(record->primary));
    return record;
}

static inline Change *lease(State *state, const char *unique_id)
{
    Change *change = NULL;

    ck_assert(queue_add(state, "example.org", unique_id, "notice", false, NULL));
    do {
        if (change != NULL)
            queue_return(state, change);
        g_clear_pointer(&change, change_free);
        ck_assert(queue_lease(state, &change, NULL));
        ck_assert_ptr_nonnull(change);
    } while (strcmp(change->unique_id, unique_id) != 0);
    return change;
}

static inline void store(State *state, const Record *record)
{
    g_autoptr(Change) change = lease(state, record->unique_id);

    ck_assert(queue_finish(state, change, record, NULL, NULL));
}

static inline void serve(State *state, const char *name)
{
    g_autoptr(Record) record = person(name);

    store(state, record);
}

static inline void depart(State *state, const char *name, DepartureReason reason, DepartureStatus status, gint64 delay_us)
{
    g_autoptr(Record) record = person(name);

    record->departed = true;
    record->departure = (Departure){.reason = reason, .status = status, .delay_us = delay_us};
    store(state, record);
}

static inline Record *find(State *state, const char *name)
{
    g_autofree char *unique_id = g_strconcat("id-", name, NULL);
    Record *record;

    ck_assert(state_find_record(state, "example.org", unique_id, &record, NULL));
    return record;
}

static inline void assert_status(State *state, const char *name, DepartureStatus expected)
{
    g_autoptr(Record) record = find(state, name);

    ck_assert_ptr_nonnull(record);
    ck_assert(record->departed);
    ck_assert_str_eq(departure_status_name(record->departure.status), departure_status_name(expected));
}
