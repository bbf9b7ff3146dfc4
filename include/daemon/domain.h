/* domain.h - a domain that there is, and what its entry in the directory says of it.
 *
 * Whatever is not clear is refused, and a refused domain is left alone: a wrong guess would give people addresses, or take
 * their entries for departed ones. Pure. */
#pragma once

#include "daemon/config.h"
#include "model/entry.h"
#include "policy/settings.h"

#include <glib.h>

typedef enum {
    DOMAIN_SERVED,
    DOMAIN_SUSPENDED, /* its entry says so: nothing is read or done until that changes */
    DOMAIN_DELETED,   /* its entry says so: the same, since nobody knows that the data may go */
    DOMAIN_REFUSED,   /* its entry, or several of them, say nothing clear: the same */
} DomainStatus;

/* "served", "suspended", "deleted", "refused". */
const char *domain_status_name(DomainStatus status);

/* Immutable once it is published. */
typedef struct {
    char *name; /* lower case; of an entry without a usable name: its DN */
    DomainStatus status;
    char *reason;             /* why it is not served; of a served one: what of its entry could not be used; NULL: nothing */
    DomainSettings *settings; /* sealed; NULL: refused */
} Domain;

void domain_free(Domain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domain, domain_free)

/* Whether this is a name or (of a served domain) an alias of the domain; without case. */
bool domain_has_name(const Domain *domain, const char *name);


/* Makes the domain of a domain entry; its settings are not sealed. What the file says of a domain of that name comes first.
 * Never fails: an entry that cannot be understood is a refused domain. Owned by the caller. */
Domain *domain_of_entry(const Config *config, const Entry *entry);
/* A domain of the file. `settings` is taken by reference. Owned by the caller. */
Domain *domain_of_settings(DomainSettings *settings);

/* Makes it a refused one. The first reason counts: others may be its consequence. Takes `reason`. */
void domain_refuse(Domain *domain, char *reason);
/* Says that something of it cannot be used. Takes `remark`. */
void domain_remark(Domain *domain, char *remark);
