/* config_domains.h - the domains of a configuration. */
#pragma once

#include "daemon/config_schema.h"
#include "policy/settings.h"

#include <glib.h>

/* Reads all domains of the file. `base` has the global settings that a domain inherits. Returns a new array
 * of DomainSettings*, sealed, owned by the caller; notes mistakes. */
GPtrArray *config_domains_read(const Reading *reading, const ConfigNode *root, const DomainSettings *base);

/* Brings the attribute settings of a domain (or of the base) in order and notes those that clash, at `node`.
 */
void config_domains_check_attributes(const Reading *reading, DomainSettings *settings,
                                     const ConfigNode *node);
