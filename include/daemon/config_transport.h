/* config_transport.h - that no password goes over a net in clear text. */
#pragma once

#include "daemon/config_schema.h"
#include "imap/settings.h"

/* Notes at the settings of `section` ("ldap", "imap") when they allow that. What the section does not say itself it has from
 * elsewhere. ldapi:// is no net. */
void config_transport_check(const Reading *reading, const ConfigNode *section, const char *uri, bool insecure, bool starttls);

/* The same for the URIs of imap.backends. */
void config_transport_check_backends(const Reading *reading, const ConfigNode *section, const ImapSettings *settings);
