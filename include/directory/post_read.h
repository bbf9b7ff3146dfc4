/* post_read.h - an entry as it is after a modify, which the server gives with its answer (RFC 4527, post-read control). Pure; private
 * to this folder. */
#pragma once

#include <glib.h>
#include <ldap.h>

/* The control that asks for these attributes (NULL-terminated), not critical: a server that does not know it passes it over. NULL: there
 * is not enough memory. The caller frees it (ldap_control_free). */
LDAPControl *post_read_ask(const char *const *attributes);

/* How many values of `attribute`, without case, the entry in a server's answer has. False: the octets are none (a SearchResultEntry,
 * RFC 4511, 4.5.2, in BER). */
bool post_read_count(const struct berval *answer, const char *attribute, guint *count) G_GNUC_WARN_UNUSED_RESULT;
