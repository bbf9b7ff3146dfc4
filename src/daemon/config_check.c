#include "daemon/config_check.h"

#include "model/fault.h"
#include "model/server_name.h"
#include "policy/transliterate.h"

#include <arpa/inet.h>
#include <string.h>

/* RFC 1035, 2.3.4 */
enum { DOMAIN_MAX = 253, LABEL_MAX = 63 };

static bool refuse(GError **error, const char *want, const char *text)
{
    g_autofree char *shown = fault_show(text, strlen(text));

    g_set_error(error, FAULT, FAULT_STOP, "want %s, got %s", want, shown);
    return false;
}

static bool is_all(const char *text, const char *also)
{
    for (; *text != '\0'; text++)
        if (!g_ascii_isalnum(*text) && strchr(also, *text) == NULL)
            return false;
    return true;
}

bool config_check_text(const char *text, GError **error)
{
    return *text != '\0' || refuse(error, "a text", text);
}

bool config_check_attribute(const char *text, GError **error)
{
    return (g_ascii_isalpha(text[0]) && is_all(text, "-"))
        || refuse(error, "the name of an attribute (a letter, then letters, digits, hyphens)", text);
}

/* Most people know an entry by one of these, and each is another entry's some day, or another value of this one. */
bool config_check_unique_id(const char *text, GError **error)
{
    static const char *const changing[] = {"cn", "commonname", "dn", "entrydn", "mail", "uid", "userid", NULL};
    g_autofree char *name = g_ascii_strdown(text, -1);

    if (!config_check_attribute(text, error))
        return false;
    return !g_strv_contains(changing, name)
        || refuse(error, "an attribute that the server sets and nobody changes, such as nsUniqueId or entryUUID", text);
}

bool config_check_partition(const char *text, GError **error)
{
    return (*text != '\0' && is_all(text, "-_."))
        || refuse(error, "the name of a partition (letters, digits, hyphens, underscores, dots)", text);
}

bool config_check_partition_or_none(const char *text, GError **error)
{
    return *text == '\0' || config_check_partition(text, error);
}

bool config_check_absolute_path(const char *text, GError **error)
{
    return g_path_is_absolute(text) || refuse(error, "an absolute path", text);
}

bool config_check_locale(const char *text, GError **error)
{
    return transliterate_knows(text) ||
           refuse(error, "a known language or locale, such as de or en_US", text);
}

static bool is_domain(const char *text)
{
    g_auto(GStrv) labels = g_strsplit(text, ".", -1);

    if (strlen(text) > DOMAIN_MAX || labels[0] == NULL)
        return false;
    for (char **label = labels; *label != NULL; label++) {
        gsize len = strlen(*label);

        if (len == 0 || len > LABEL_MAX || (*label)[0] == '-' || (*label)[len - 1] == '-' ||
            !is_all(*label, "-"))
            return false;
    }
    return true;
}

bool config_check_domain(const char *text, GError **error)
{
    return is_domain(text) ||
           refuse(error, "a domain name (letters, digits, hyphens, dots; international names as xn--...)",
                  text);
}

static bool is_ipv6(const char *text)
{
    struct in6_addr address;

    return inet_pton(AF_INET6, text, &address) == 1;
}

bool config_check_host(const char *text, GError **error)
{
    return *text == '\0' || is_domain(text) || is_ipv6(text)
        || refuse(error, "a host name, or \"\" for none", text);
}

static bool is_port(const char *text)
{
    guint64 port;

    return g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT16, &port, NULL);
}

bool config_check_server(const char *text, GError **error)
{
    g_autofree char *host = NULL;
    g_autofree char *port = NULL;

    server_name_split(text, &host, &port);
    return (server_name_is_word(text) && (is_domain(host) || is_ipv6(host)) && (*port == '\0' || is_port(port))
            && !g_str_has_suffix(text, ":"))
        || refuse(error, "a server's name as Cyrus has it, HOST or HOST:PORT", text);
}

bool config_check_metadata_name(const char *text, GError **error)
{
    bool good = (g_str_has_prefix(text, "/private/") || g_str_has_prefix(text, "/shared/"))
        && !g_str_has_suffix(text, "/") && strstr(text, "//") == NULL;

    for (const char *at = text; good && *at != '\0'; at++)
        good = g_ascii_isgraph(*at) && strchr("*%\"\\", *at) == NULL;
    return good ||
           refuse(error,
                  "a metadata entry such as /private/vendor/kolab/folder-type (below /private/ or /shared/)",
                  text);
}

/* --- distinguished names */

/* Whether a value of a DN is well-formed; *at moves to the separator behind it. */
static bool skip_dn_value(const char **at)
{
    for (; **at != '\0' && **at != ',' && **at != '+'; (*at)++) {
        if (strchr("\"<>;", **at) != NULL)
            return false;
        if (**at != '\\')
            continue;
        (*at)++;
        if (g_ascii_isxdigit((*at)[0]) && g_ascii_isxdigit((*at)[1]))
            (*at)++;
        else if (**at == '\0' || strchr("\"+,;<>\\ #=", **at) == NULL)
            return false;
    }
    return true;
}

bool config_check_dn(const char *text, GError **error)
{
    static const char want[] = "a distinguished name such as ou=People,dc=example,dc=org";
    const char *at = text;

    for (;;) {
        const char *name = at += strspn(at, " ");

        at += strspn(at, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-.");
        if (at == name || *at++ != '=' || !skip_dn_value(&at))
            return refuse(error, want, text);
        if (*at++ == '\0')
            return true;
    }
}

bool config_check_dn_or_none(const char *text, GError **error)
{
    return *text == '\0' || config_check_dn(text, error);
}

/* --- URIs */

static char *uri_part(const char *uri, bool host)
{
    char *scheme = NULL, *name = NULL;

    if (!g_uri_split(uri, G_URI_FLAGS_NON_DNS, &scheme, NULL, &name, NULL, NULL, NULL, NULL, NULL))
        return NULL;
    g_free(host ? scheme : name);
    return host ? name : scheme;
}

char *config_uri_scheme(const char *uri)
{
    return uri_part(uri, false); /* GLib makes it lower case */
}

char *config_uri_host(const char *uri)
{
    return uri_part(uri, true);
}

/* A URI is never shown: people write user:password@host. */
static bool check_uri(const char *text, const char *const *schemes, GError **error)
{
    g_autofree char *scheme = NULL, *user = NULL, *host = NULL, *path = NULL, *query = NULL, *fragment = NULL;
    g_autofree char *list = g_strjoinv(" or ", (char **)schemes);
    bool local;

    if (!g_uri_split(text, G_URI_FLAGS_NON_DNS, &scheme, &user, &host, NULL, &path, &query, &fragment, NULL)
        || scheme == NULL || !g_strv_contains(schemes, scheme) || host == NULL) {
        g_set_error(error, FAULT, FAULT_STOP, "want a URI SCHEME://HOST[:PORT] with scheme %s", list);
        return false;
    }
    local = strcmp(scheme, "ldapi") == 0;
    if (user != NULL || query != NULL || fragment != NULL || (*path != '\0' && strcmp(path, "/") != 0)) {
        g_set_error(error, FAULT, FAULT_STOP, "want only SCHEME://HOST[:PORT]%s",
                    local ? "; the slashes of a socket's path are written %2F: ldapi://%2Frun%2Fslapd.socket"
                          : ", without user, path or query");
        return false;
    }
    if (!local && !is_domain(host) && !is_ipv6(host)) {
        g_set_error(error, FAULT, FAULT_STOP, "want one host name or address after %s://", scheme);
        return false;
    }
    return true;
}

bool config_check_ldap_uri(const char *text, GError **error)
{
    static const char *const schemes[] = {"ldap", "ldaps", "ldapi", NULL};

    return check_uri(text, schemes, error);
}

bool config_check_imap_uri(const char *text, GError **error)
{
    static const char *const schemes[] = {"imap", "imaps", NULL};

    return check_uri(text, schemes, error);
}
