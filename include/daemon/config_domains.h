/* config_domains.h - the domains of a configuration. */
#pragma once

#include "daemon/config_schema.h"
#include "policy/settings.h"

#include <glib.h>

/* Reads all domains of the file. `base` has the global settings that a domain inherits. `optional`: there may be none.
 * Returns a new array of DomainSettings*, sealed, owned by the caller; notes mistakes. */
GPtrArray *config_domains_read(const Reading *reading, const ConfigNode *root, const DomainSettings *base, bool optional);

/* A copy of all settings of a domain (or of the base) under another name, not sealed; its lists of aliases is empty and its
 * base DN made from the name unless `from` has its own. Owned by the caller. */
DomainSettings *config_domains_derive(const DomainSettings *from, const char *name);

/* Brings the attribute settings of a domain (or of the base) in order and notes those that clash, at `node`.
 */
void config_domains_check_attributes(const Reading *reading, DomainSettings *settings,
                                     const ConfigNode *node);

/* A text that may be none is set to "" in the file: from here on it is NULL. */
void config_domains_drop_empty(DomainSettings *settings);
