#include "directory/whoami.h"

#include <string.h>

bool whoami_is_somebody(const char *identity, gsize len)
{
    const char *colon = len == 0 ? NULL : memchr(identity, ':', len);

    if (colon == NULL)
        return false;
    for (const char *at = colon + 1; at < identity + len; at++)
        if (*at != ' ')
            return true;
    return false;
}

/* *identity stays NULL where the server does not know the question. Owned by the caller. */
static bool ask(Connection *connection, bool required, struct berval **identity, GError **error)
{
    g_autoptr(LDAPMessage) message = NULL;
    int result, id;

    result = ldap_whoami(connection->ldap, NULL, NULL, &id);
    if (result != LDAP_SUCCESS)
        return connection_fail(connection, FAULT_RETRY, "who am I", result, error);
    if (!connection_wait(connection, id, LDAP_MSG_ALL, "who am I", &message, error))
        return false;
    if (ldap_parse_result(connection->ldap, message, &result, NULL, NULL, NULL, NULL, 0) != LDAP_SUCCESS)
        result = LDAP_DECODING_ERROR;
    if (result == LDAP_PROTOCOL_ERROR && !required)
        return true;
    if (result == LDAP_SUCCESS)
        result = ldap_parse_whoami(connection->ldap, message, identity);
    return result == LDAP_SUCCESS || connection_fail(connection, FAULT_RETRY, "who am I", result, error);
}

bool whoami_check(Connection *connection, bool required, GError **error)
{
    struct berval *identity = NULL;
    bool somebody;

    if (!ask(connection, required, &identity, error))
        return false;
    somebody = identity != NULL ? whoami_is_somebody(identity->bv_val, identity->bv_len) : !required;
    ber_bvfree(identity);
    if (!somebody)
        g_set_error(error, FAULT, FAULT_RETRY,
                    "%s: bound as \"%s\", but the server takes us for nobody (an anonymous session): nothing is concluded from what "
                    "nobody may read; check how the server, or what is before it, treats the bind",
                    connection->settings->uri, connection->settings->bind_dn);
    return somebody;
}
