#include "model/server_name.h"

#include <arpa/inet.h>
#include <string.h>

/* A host name (RFC 1035, 2.3.4), and a port with its colon. */
enum { NAME_MAX_LEN = 253 + 6 };

bool server_name_is_word(const char *name)
{
    return name != NULL && *name != '\0' && strlen(name) <= NAME_MAX_LEN
        && strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_.:[]") == strlen(name);
}

bool server_name_equal(const char *one, const char *other)
{
    return one != NULL && other != NULL && g_ascii_strcasecmp(one, other) == 0;
}

void server_name_split(const char *name, char **host, char **port)
{
    const char *bracket = *name == '[' ? strchr(name, ']') : NULL;
    const char *colon = strrchr(name, ':');

    if (bracket != NULL) {
        *host = g_strndup(name + 1, (gsize)(bracket - name - 1));
        *port = g_strdup(bracket[1] == ':' ? bracket + 2 : bracket + 1);
    } else if (colon != NULL && strchr(name, ':') == colon) {
        *host = g_strndup(name, (gsize)(colon - name));
        *port = g_strdup(colon + 1);
    } else { /* several colons are an address of IPv6 */
        *host = g_strdup(name);
        *port = g_strdup("");
    }
}

bool host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return g_ascii_strcasecmp(host, "localhost") == 0;
}
