/* clash.h - settles which of the addresses that the policy asks for an entry can have. Pure. */
#pragma once

#include "policy/recipient.h"

#include <glib.h>

/* An address the policy asks for. */
typedef struct {
    char *plain;   /* canonical, as the template has it */
    char *address; /* `plain`, or with a number behind its local part; NULL: not settled */
} Wish;

void wish_free(Wish *wish);

/* Adds a wish for `plain`, which it takes. The same address is wished for once, so that a clash gives it one number.
 * Owned by `wishes`. */
Wish *wish_add(GPtrArray *wishes, char *plain);

/* Settles the wishes: the plain address where the entry has it or nobody else does; else the number (2, 3, ...) behind
 * the local part that an earlier clash gave the entry, its primary address before all others; else the first that is
 * free. All wishes share the questions: the plain ones, then 2 to 9, 10 to 99, 100 to 999, none when nothing is new.
 * `primary` (NULL: none) and the set `own` (of char*) are what the entry has, canonical.
 * *unsettled is the first wish for which nothing is free, NULL when all are settled; owned by `wishes`. Faults are those
 * of `addresses_taken`. */
bool clash_settle(GPtrArray *wishes, const char *primary, GHashTable *own, AddressesTaken addresses_taken,
                  gpointer user_data, const Wish **unsettled, GError **error) G_GNUC_WARN_UNUSED_RESULT;
