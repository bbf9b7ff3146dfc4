#include "model/mailbox_name.h"

#include "model/fault.h"

#include <string.h>
#include <unicode/ucnv.h>

/* Cyrus: MAX_MAILBOX_NAME is 490 octets; what is left must carry "user/", the folder and DELETED/.../hex on removal. */
enum { FOLDER_NAME_MAX = 200 };

/* Punctuation that Cyrus 3.6 takes in a user's mailbox as well as in the login of that user. */
#define USER_PUNCTUATION "!#$'+-.=_~"
/* Where mailboxes are that exchange their names. */
#define ASIDE_PREFIX "kolabd-moving-"
#define ASIDE_PROBLEM "names that begin with \"" ASIDE_PREFIX "\" are kept for renaming"
/* Printable ASCII that Cyrus 3.6 refuses in any mailbox name, also as modified UTF-7 ("NO Invalid mailbox name"), and the
 * wildcard that it takes and no client can handle. */
#define FOLDER_REFUSED "\"%;<>\\^`{|}*"

#define SHARED_PREFIX "shared/"

/* Why this is no local part; NULL: it is one. Octets beyond ASCII pass (RFC 6531). */
static const char *local_part_problem(const char *local, gsize len)
{
    if (len == 0)
        return "there is nothing before the \"@\"";
    if (len > LOCAL_PART_MAX)
        return "the part before the \"@\" may have 64 octets at the most";
    if (local[0] == '.' || local[len - 1] == '.' || g_strstr_len(local, (gssize)len, "..") != NULL)
        return "dots may not lead, trail or be doubled";
    for (gsize i = 0; i < len; i++)
        if (g_ascii_iscntrl(local[i]) || strchr(" \"(),:;<>[]\\@", local[i]) != NULL)
            return "an address may not hold blanks, quotes, brackets or any of ( ) , : ; < > [ ] \\";
    return NULL;
}

static const char *domain_problem(const char *domain)
{
    gsize len = strlen(domain);

    if (len == 0)
        return "there is nothing after the \"@\"";
    if (domain[0] == '.' || domain[len - 1] == '.' || strstr(domain, "..") != NULL)
        return "dots may not lead, trail or be doubled";
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isalnum(domain[i]) && domain[i] != '-' && domain[i] != '.')
            return "a domain has only letters, digits, hyphens and dots";
    return NULL;
}

static const char *address_problem(const char *address)
{
    const char *at = strchr(address, '@');
    const char *problem;

    if (at == NULL)
        return "an address needs an \"@\"";
    if (strchr(at + 1, '@') != NULL)
        return "an address has one \"@\"";
    problem = local_part_problem(address, (gsize)(at - address));
    if (problem == NULL)
        problem = domain_problem(at + 1);
    if (problem == NULL && strlen(address) > ADDRESS_MAX)
        problem = "an address may have 254 octets at the most";
    return problem;
}

/* NFC; NULL when it is not UTF-8. Checked first: g_utf8_normalize lets characters beyond U+10FFFF pass. */
static char *compose(const char *value)
{
    return g_utf8_validate(value, -1, NULL) ? g_utf8_normalize(value, -1, G_NORMALIZE_NFC) : NULL;
}

/* Small letters in NFC; NULL when it is not UTF-8. In this order: a small letter may compose where the capital one does not (t and
 * U+0308). */
static char *canonical_form(const char *value)
{
    g_autofree char *lower = NULL;

    if (g_str_is_ascii(value))
        return g_ascii_strdown(value, -1); /* the same, for a tenth of the work */
    lower = g_utf8_validate(value, -1, NULL) ? g_utf8_strdown(value, -1) : NULL;
    return lower != NULL ? compose(lower) : NULL;
}

bool address_normalize(const char *attribute, const char *value, char **address, GError **error)
{
    g_autofree char *canonical = canonical_form(value);
    const char *problem;

    if (canonical == NULL)
        return fault_refuse_value(attribute, value, "it must be UTF-8", error);
    problem = address_problem(canonical);
    if (problem != NULL)
        return fault_refuse_value(attribute, value, problem, error);
    *address = g_steal_pointer(&canonical);
    return true;
}

bool mailbox_name_takes(char c)
{
    return g_ascii_isalnum(c) || (c != '\0' && strchr(USER_PUNCTUATION, c) != NULL);
}

bool mailbox_name_of_user(const char *attribute, const char *value, const char *domain, char **mailbox, GError **error)
{
    g_autofree char *full = strchr(value, '@') != NULL ? g_strdup(value) : g_strconcat(value, "@", domain, NULL);
    g_autofree char *address = NULL;

    if (!address_normalize(attribute, full, &address, error))
        return false;
    for (const char *at = address; *at != '@'; at++)
        if ((guchar)*at < 0x80 && !mailbox_name_takes(*at))
            return fault_refuse_value(attribute, value,
                                      "a mailbox's name has only letters, digits and ! # $ ' + - . = _ ~ before the \"@\"", error);
    if (g_str_has_prefix(address, ASIDE_PREFIX))
        return fault_refuse_value(attribute, value, ASIDE_PROBLEM, error);
    *mailbox = g_strconcat("user/", address, NULL);
    return true;
}

char *mailbox_name_login(const char *mailbox)
{
    return g_strdup(mailbox + strlen("user/"));
}

char *mailbox_name_aside(const char *mailbox, const char *unique_id)
{
    const char *at = strrchr(mailbox, '@');

    return g_strdup_printf("%.*s/" ASIDE_PREFIX "%s%s", (int)strcspn(mailbox, "/"), mailbox, unique_id, at != NULL ? at : "");
}

char *mailbox_name_outside(const char *mailbox, const char *unique_id)
{
    const char *at = strrchr(mailbox, '@');

    return g_strconcat("kolabd-new-", unique_id, at, NULL);
}

char *mailbox_name_folder(const char *mailbox, const char *folder)
{
    const char *at = strrchr(mailbox, '@');

    if (at == NULL)
        return g_strconcat(mailbox, "/", folder, NULL);
    return g_strdup_printf("%.*s/%s%s", (int)(at - mailbox), mailbox, folder, at);
}

static const char *folder_part_problem(const char *part)
{
    if (*part == '\0')
        return "a part between two \"/\" is empty";
    if (strcmp(part, ".") == 0 || strcmp(part, "..") == 0)
        return "a part may not be \".\" or \"..\"";
    if (g_ascii_isspace(part[0]) || g_ascii_isspace(part[strlen(part) - 1]))
        return "a part may not begin or end with a blank";
    return NULL;
}

/* Why this is no folder's name; NULL: it is one. */
static const char *folder_problem(const char *folder)
{
    g_auto(GStrv) parts = NULL;
    const char *problem = NULL;

    if (!g_utf8_validate(folder, -1, NULL))
        problem = "it must be UTF-8";
    else if (strlen(folder) > FOLDER_NAME_MAX)
        problem = "it may have 200 octets at the most";
    for (const char *c = folder; problem == NULL && *c != '\0'; c++)
        if (g_ascii_iscntrl(*c) || strchr(FOLDER_REFUSED, *c) != NULL)
            problem = "Cyrus takes no control characters and none of \" % ; < > \\ ^ ` { | } * in a name";
    parts = g_strsplit(folder, "/", -1);
    if (parts[0] == NULL)
        problem = "it is empty";
    for (gsize i = 0; problem == NULL && parts[i] != NULL; i++)
        problem = folder_part_problem(parts[i]);
    return problem;
}

bool folder_name_check(const char *folder, GError **error)
{
    const char *problem = folder_problem(folder);
    g_autofree char *shown = fault_show(folder, strlen(folder));

    if (problem == NULL)
        return true;
    g_set_error(error, FAULT, FAULT_STOP, "folder name %s: %s", shown, problem);
    return false;
}

/* The spaces of others, whatever a value without "shared/" in front begins with. */
static bool is_foreign(const char *folder)
{
    return g_ascii_strncasecmp(folder, "user/", strlen("user/")) == 0 || g_ascii_strcasecmp(folder, "user") == 0
        || g_ascii_strncasecmp(folder, "DELETED/", strlen("DELETED/")) == 0 || g_ascii_strcasecmp(folder, "DELETED") == 0;
}

/* Why a folder may not be below "shared/"; NULL: it may. */
static const char *shared_problem(const char *folder)
{
    const char *problem = folder_problem(folder);

    if (problem == NULL && is_foreign(folder))
        problem = "a shared mailbox is below \"shared/\"";
    if (problem == NULL && strchr(folder, '@') != NULL)
        problem = "a mailbox's name has one \"@\" at the most";
    if (problem == NULL && g_str_has_prefix(folder, ASIDE_PREFIX))
        problem = ASIDE_PROBLEM;
    return problem;
}

bool mailbox_name_of_shared(const char *attribute, const char *value, const char *domain, char **mailbox, GError **error)
{
    g_autofree char *composed = compose(value);
    g_autofree char *lower = NULL;
    const char *problem;
    char *folder, *at;

    if (composed == NULL)
        return fault_refuse_value(attribute, value, "it must be UTF-8", error);
    folder = composed + (g_str_has_prefix(composed, SHARED_PREFIX) ? strlen(SHARED_PREFIX) : 0);
    at = strrchr(folder, '@');
    lower = g_ascii_strdown(at != NULL ? at + 1 : domain, -1);
    if (at != NULL)
        *at = '\0';
    problem = shared_problem(folder);
    if (problem == NULL)
        problem = domain_problem(lower);
    if (problem == NULL && strlen(lower) > ADDRESS_MAX)
        problem = "a domain may have 254 octets at the most";
    if (problem != NULL)
        return fault_refuse_value(attribute, value, problem, error);
    *mailbox = g_strconcat(SHARED_PREFIX, folder, "@", lower, NULL);
    return true;
}

GPtrArray *mailbox_name_parents(const char *mailbox)
{
    GPtrArray *parents = g_ptr_array_new_with_free_func(g_free);
    const char *at = strrchr(mailbox, '@');

    for (const char *slash = strchr(mailbox, '/'); slash != NULL && slash < at; slash = strchr(slash + 1, '/'))
        g_ptr_array_add(parents, g_strdup_printf("%.*s%s", (int)(slash - mailbox), mailbox, at));
    return parents;
}

/* Printable ASCII without '&' is the same in UTF-8 and modified UTF-7 (RFC 3501, 5.1.3): most names are that. */
static bool is_same_in_both(const char *text)
{
    while (g_ascii_isprint(*text) && *text != '&')
        text++;
    return *text == '\0';
}

/* Converts with ICU's "IMAP-mailbox-name" on one side; NULL when the text does not convert. Opening a converter costs
 * microseconds, so none is kept and no thread shares one. */
static char *convert(const char *to, const char *from, const char *text)
{
    const gsize size = strlen(text) * 6 + 16;
    UErrorCode status = U_ZERO_ERROR;
    g_autofree char *out = NULL;

    if (is_same_in_both(text))
        return g_strdup(text);
    out = g_malloc(size);
    ucnv_convert(to, from, out, (int32_t)size, text, -1, &status);
    return U_FAILURE(status) || status == U_STRING_NOT_TERMINATED_WARNING ? NULL : g_steal_pointer(&out);
}

/* Exchanges '/' and '.' as unixhierarchysep off does: the separator is a dot, a dot inside a part travels as '^'. The
 * domain at the end keeps its dots. */
static void exchange_separator(char *name, const char *from, const char *to)
{
    char *at = strrchr(name, '@');

    for (char *c = name; *c != '\0' && c != at; c++) {
        const char *found = strchr(from, *c);

        if (found != NULL)
            *c = to[found - from];
    }
}

char *mailbox_name_to_wire(const char *name, char separator)
{
    char *wire = convert("IMAP-mailbox-name", "UTF-8", name);

    g_assert(wire != NULL);
    if (separator == '.')
        exchange_separator(wire, "/.", ".^");
    return wire;
}

char *mailbox_name_from_wire(const char *wire, char separator)
{
    g_autofree char *plain = g_strdup(wire);
    char *name;

    if (separator == '.')
        exchange_separator(plain, ".^", "/.");
    name = convert("UTF-8", "IMAP-mailbox-name", plain);
    return name != NULL && g_utf8_validate(name, -1, NULL) ? name : (g_free(name), g_utf8_make_valid(plain, -1));
}
