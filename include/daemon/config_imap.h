/* config_imap.h - the IMAP servers of a configuration: that of the file's top, and those of domains that have their own. */
#pragma once

#include "daemon/config.h"
#include "daemon/config_schema.h"

/* Checks config->imap, which was read from the root already, and reads what domains have instead: fills imap_servers and
 * imap_of_domain. Notes mistakes. */
void config_imap_read(const Reading *reading, const ConfigNode *root, Config *config);

/* What mailHost should say: the host of imap.uri, unless imap.mail_host says something else. For the top of the file
 * (`inherited` NULL) and for a domain. One with a URI of its own has that one's host, unless it, or the top with "", says
 * something else. */
void config_imap_complete_mail_host(const ConfigNode *node, const DomainSettings *inherited, DomainSettings *settings);
