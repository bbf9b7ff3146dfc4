/* persistent_search.h - the controls of draft-ietf-ldapext-psearch: asking for notices, and reading what is special about one.
 * Private to this folder. */
#pragma once

#include "directory/connection.h"

/* Whether the server has it, as the root DSE says. */
bool persistent_search_offered(Connection *connection, bool *offered, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Starts one for all changes below a base ("": of the whole server), whose entries come with their unique id, objectClass and
 * hasSubordinates. On return the server listens, or has refused. */
bool persistent_search_start(Connection *connection, const char *base_dn, const char *unique_id_attribute, int *id,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The DN that the entry of a notice had before it was renamed; NULL: it was not. Owned by the caller. */
char *persistent_search_previous_dn(LDAP *ldap, LDAPMessage *message);
