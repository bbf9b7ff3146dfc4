#include "daemon/claim.h"

#include "daemon/decision.h"
#include "model/fault.h"

#include <string.h>

/* An owner on the way. */
typedef struct {
    char *domain;
    char *unique_id;
    char *dn;      /* NULL: not known */
    bool departed;
    bool leaves;
    char *wanted;  /* mailbox it should have instead; NULL: none */
} Owner;

static void owner_clear(Owner *owner)
{
    g_clear_pointer(&owner->domain, g_free);
    g_clear_pointer(&owner->unique_id, g_free);
    g_clear_pointer(&owner->dn, g_free);
    g_clear_pointer(&owner->wanted, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Owner, owner_clear)

void claim_clear(Claim *claim)
{
    g_clear_pointer(&claim->domain, g_free);
    g_clear_pointer(&claim->unique_id, g_free);
    g_clear_pointer(&claim->dn, g_free);
}

static bool is_in_order(const DomainSettings *domain, const Entry *entry, const Record *record)
{
    g_autofree char *fingerprint = entry_fingerprint(entry, domain->digest);

    return g_strcmp0(fingerprint, record->fingerprint) == 0;
}

/* What an entry that changed should have. One that cannot be brought in order stays where it is. */
static bool decide_owner(Shared *shared, Directory *directory, const DomainSettings *domain, const Entry *entry,
                         const char *mailbox, Owner *owner, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(Account) account = NULL;

    if (!decision_make(shared, directory, domain, entry, false, &account, &problem)) {
        if (fault_of(problem) == FAULT_PARK)
            return true;
        g_propagate_error(error, g_steal_pointer(&problem));
        return false;
    }
    /* Without a mailbox of its own it keeps the one it had. */
    owner->leaves = account->mailbox != NULL && strcmp(account->mailbox, mailbox) != 0;
    owner->wanted = owner->leaves ? g_strdup(account->mailbox) : NULL;
    return true;
}

static bool examine_owner(Shared *shared, Directory *directory, const char *mailbox, Owner *owner, GError **error)
{
    g_autoptr(DomainSettings) domain = domains_find_served(shared->domains, owner->domain);
    g_autoptr(Record) record = NULL;
    g_autoptr(Entry) entry = NULL;

    if (!state_find_record(shared->state, owner->domain, owner->unique_id, &record, error))
        return false;
    if (record == NULL || g_strcmp0(record->mailbox, mailbox) != 0 || record->renaming_to != NULL) {
        owner->leaves = true; /* it has left, or its own change tells whether it has */
        return true;
    }
    owner->dn = g_strdup(record->dn);
    owner->departed = record->departed;
    if (domain == NULL || record->departed)
        return true;
    if (!directory_read_entry(directory, domain, owner->unique_id, &entry, error))
        return false;
    if (entry == NULL || entry_kind(entry) == KIND_NONE) {
        owner->leaves = true; /* its departure is still to be settled */
        return true;
    }
    return is_in_order(domain, entry, record)
        || (directory_check_shown(directory, domain, entry, record->attributes, error)
            && decide_owner(shared, directory, domain, entry, mailbox, owner, error));
}

static bool find_owner(Shared *shared, const char *mailbox, Owner *owner, GError **error)
{
    owner_clear(owner);
    *owner = (Owner){.domain = NULL};
    return state_find_owner(shared->state, mailbox, &owner->domain, &owner->unique_id, error);
}

/* From the first owner on. A ring that we are no part of is broken by one that is. */
static bool follow(Shared *shared, Directory *directory, const char *unique_id, const Owner *first, bool *ring, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *mailbox = g_strdup(first->wanted);
    g_auto(Owner) owner = {.domain = NULL};

    *ring = false;
    while (mailbox != NULL && g_hash_table_add(seen, g_strdup(mailbox))) {
        if (!find_owner(shared, mailbox, &owner, error))
            return false;
        *ring = g_strcmp0(owner.unique_id, unique_id) == 0;
        if (*ring || owner.unique_id == NULL)
            return true;
        if (!examine_owner(shared, directory, mailbox, &owner, error))
            return false;
        g_free(mailbox);
        mailbox = g_steal_pointer(&owner.wanted);
    }
    return true;
}

bool claim_examine(Shared *shared, Directory *directory, const char *mailbox, const char *unique_id, Claim *claim,
                   GError **error)
{
    g_auto(Owner) first = {.domain = NULL};
    bool ring;

    claim_clear(claim);
    *claim = (Claim){.kind = CLAIM_FREE};
    if (!find_owner(shared, mailbox, &first, error))
        return false;
    if (first.unique_id == NULL || strcmp(first.unique_id, unique_id) == 0)
        return true;
    if (!examine_owner(shared, directory, mailbox, &first, error)
        || !follow(shared, directory, unique_id, &first, &ring, error))
        return false;
    claim->kind = ring ? CLAIM_RING : first.leaves ? CLAIM_LEAVING : CLAIM_HELD;
    claim->domain = g_steal_pointer(&first.domain);
    claim->unique_id = g_steal_pointer(&first.unique_id);
    claim->dn = g_steal_pointer(&first.dn);
    claim->departed = first.departed;
    return true;
}
