/* domains.h - which domains there are now. Thread-safe: each reader sees one moment, and keeps it as long as it likes. */
#pragma once

#include "daemon/domain.h"
#include "wait/wait.h"

#include <glib.h>

typedef struct Domains Domains;

/* Knows the domains of the file; none, and not that there is none, when the directory has to be asked. */
Domains *domains_new(const Config *config);
void domains_free(Domains *domains);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Domains, domains_free)

/* Whether the domains are known: before, nothing can be said about any entry. */
bool domains_known(Domains *domains);
/* Waits until they are; false when the daemon stops first (domains_wake makes that known). */
bool domains_wait_known(Domains *domains, Stop *stop);
void domains_wake(Domains *domains);

/* All of them, sorted by name: an array of Domain* that nobody changes, to be unreferenced. Empty while unknown. */
GPtrArray *domains_list(Domains *domains);

/* The settings of a domain by its name, lower case; NULL: it is not served. To be unreferenced. */
DomainSettings *domains_find_served(Domains *domains, const char *name);

/* Takes the place of all of them (`list` as domains_list, is taken). Returns the ones before, to be unreferenced. */
GPtrArray *domains_replace(Domains *domains, GPtrArray *list);

/* A domain of a list by its exact name; NULL: there is none. Owned by the list. */
const Domain *domains_find(const GPtrArray *list, const char *name);
