/* recipient.h - the recipient policy: which addresses an entry should have. Pure. */
#pragma once

#include "model/entry.h"
#include "policy/settings.h"

#include <glib.h>

typedef struct {
    char *primary;      /* NULL: none, and none can be made */
    GPtrArray *aliases; /* of char*, sorted, without the primary */
} Recipient;

void recipient_free(Recipient *recipient);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Recipient, recipient_free)

/* Answers which of `addresses` (canonical, char*) belong to somebody else: adds those to the set `taken` (char*, owned
 * by the set). Called as rarely as possible, with as many addresses as possible: each call may be a search. */
typedef bool (*AddressesTaken)(GPtrArray *addresses, GHashTable *taken, gpointer user_data, GError **error);

/* Decides the addresses. Order of the rules:
 *  - primary: kept, or made from the template, by mode; a clash adds 2, 3, ... to the local part;
 *  - aliases: (templates for the domain, then for each alias domain) + existing - primary; a template whose attribute is
 *    absent makes no address; a clash adds 2, 3, ... likewise;
 *  - existing addresses are never questioned, new ones must be free.
 * A local part: transliterated by preferredLanguage (else the default locale), lower case, without what an address
 * (RFC 5322 atext and dots) or a mailbox name (mailbox_name_takes) cannot carry.
 * FAULT_PARK names attribute, value and rule: a needed attribute is absent, two values where one is expected, an
 * unknown preferredLanguage, an address that is none. Other faults come from `addresses_taken`. */
bool recipient_decide(const DomainSettings *settings, const Entry *entry, AddressesTaken addresses_taken,
                      gpointer user_data, Recipient **recipient, GError **error) G_GNUC_WARN_UNUSED_RESULT;
