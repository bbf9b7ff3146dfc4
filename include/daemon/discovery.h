/* discovery.h - from the domain entries of the directory, and the configuration, to the domains there are.
 *
 * A name and a base DN belong to one domain only. Pure. */
#pragma once

#include "daemon/domain.h"

#include <glib.h>

/* The domains of the file and of `entries` (of Entry*; NULL: the file only), sorted by name (strcmp). Of a domain that
 * both have, the entry says names, base DN and status, unless the file has that setting too, and the file the rest.
 * A new array of Domain*, owned by the caller. */
GPtrArray *discovery_merge(const Config *config, const GPtrArray *entries);
