/* placement.h - on which backend of a murder a mailbox should be. Pure. */
#pragma once

#include "model/entry.h"
#include "policy/settings.h"

#include <glib.h>

enum { FREE_UNKNOWN = -1 };

/* A backend and how full it is, as far as it is known. */
typedef struct {
    char *name;      /* its `servername` */
    guint mailboxes; /* counted on it */
    gint64 free_kib; /* of its partitions together; FREE_UNKNOWN: it does not say */
    bool reachable;
} PlacementBackend;

/* Without mailboxes, FREE_UNKNOWN, reachable. */
PlacementBackend *placement_backend_new(const char *name);
void placement_backend_free(PlacementBackend *backend);

/* What the entry's mail host attribute asks for: *host is its one value, owned by the caller; NULL: it has none, or several,
 * which ask for nothing clear. FAULT_PARK: the value is no text. */
bool placement_read_host(const DomainSettings *settings, const Entry *entry, char **host,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether such a value says anything: "localhost" is what directories are filled with by others. NULL: no. */
bool placement_means_host(const char *host);

/* The backend of that name, without case; NULL: `host` is NULL, means nothing, or is none of them (of PlacementBackend*; NULL:
 * none is known). Owned by `backends`. */
const PlacementBackend *placement_find(const GPtrArray *backends, const char *host);

/* The backend for a new mailbox by its name, owned by `backends`; NULL: let Cyrus choose. `host` is what the entry asks for;
 * `turn` counts up from mailbox to mailbox, for PLACEMENT_ROUND_ROBIN. Never one that is out of reach, nor one whose name
 * cannot stand in a command.
 *
 * Where the attribute will not be corrected afterwards (the mailbox follows it, or the directory is not ours to write) what it
 * asks for comes before the policy. When that backend is out of reach the answer is the policy's: who would rather wait for it
 * asks placement_find before.
 *
 * PLACEMENT_LEAST_USED: when all that are in reach say how much is free, those with at least nine tenths of the most are
 * alike, so that a crowd of new mailboxes does not go to one of them; of these, else of all, the one with the fewest mailboxes,
 * and of equal ones the first by name. */
const char *placement_choose(const DomainSettings *settings, const char *host, const GPtrArray *backends, guint turn);
