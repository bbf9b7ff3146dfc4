#include "daemon/config_check.h"

#include "model/fault.h"

#include <string.h>

/* Nobody writes more; keeps the recursion small. */
enum { FILTER_DEPTH_MAX = 32 };

/* RFC 4515, and what libldap makes of it: a filter that it refuses later would look like an outage of the server. */
typedef struct {
    const char *at;
    const char *problem; /* NULL: none so far */
} Scan;

static bool scan_filter(Scan *scan, guint depth);

static bool fail(Scan *scan, const char *problem)
{
    scan->problem = problem;
    return false;
}

static bool expect(Scan *scan, char c, const char *problem)
{
    if (*scan->at != c)
        return fail(scan, problem);
    scan->at++;
    return true;
}

#define KEYCHARS G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-"

/* "cn" or "2.5.4.3" (RFC 4512, 1.4). */
static bool scan_oid(Scan *scan, const char *problem)
{
    if (g_ascii_isalpha(*scan->at)) {
        scan->at += strspn(scan->at, KEYCHARS);
        return true;
    }
    for (;; scan->at++) {
        gsize digits = strspn(scan->at, G_CSET_DIGITS);

        scan->at += digits;
        if (digits == 0)
            return fail(scan, problem);
        if (*scan->at != '.')
            return true;
    }
}

/* An attribute with its options (RFC 4512, 2.5). */
static bool scan_description(Scan *scan)
{
    if (!scan_oid(scan, "want the name of an attribute, or one of & | !"))
        return false;
    while (*scan->at == ';') {
        gsize len = strspn(++scan->at, KEYCHARS);

        if (len == 0)
            return fail(scan, "want an option of the attribute after \";\"");
        scan->at += len;
    }
    return true;
}

/* ":", ":dn:", ":rule:" or ":dn:rule:" before "="; without an attribute there has to be a rule. */
static bool scan_rule(Scan *scan, bool named)
{
    scan->at += g_ascii_strncasecmp(scan->at, ":dn:", 4) == 0 ? 4 : 1;
    if (named && *scan->at == '=')
        return true;
    return scan_oid(scan, "want the name of a matching rule") && expect(scan, ':', "want \":=\" after a matching rule");
}

/* Only a test of equality may have stars, which stand for anything, and not two in a row. */
static bool scan_value(Scan *scan, bool stars)
{
    for (; *scan->at != '\0' && *scan->at != ')'; scan->at++) {
        if (*scan->at == '(')
            return fail(scan, "a parenthesis in a value is written \\28 or \\29");
        if (*scan->at == '*' && (!stars || scan->at[1] == '*'))
            return fail(scan, "a star that is part of a value is written \\2a");
        if (*scan->at == '\\' && !(g_ascii_isxdigit(scan->at[1]) && g_ascii_isxdigit(scan->at[2])))
            return fail(scan, "want two hexadecimal digits after \"\\\"");
    }
    return true;
}

/* attribute=value, attribute>=value, attribute:rule:=value and so on; ends before the closing parenthesis. */
static bool scan_item(Scan *scan)
{
    bool named = *scan->at != ':', ruled, ordered;

    if (named && !scan_description(scan))
        return false;
    ruled = *scan->at == ':';
    if (ruled && !scan_rule(scan, named))
        return false;
    ordered = strspn(scan->at, "~<>") > 0;
    scan->at += ordered && !ruled;
    return expect(scan, '=', "want \"=\" after the name of an attribute") && scan_value(scan, !ruled && !ordered);
}

static bool scan_content(Scan *scan, guint depth)
{
    if (*scan->at == '!') {
        scan->at++;
        return scan_filter(scan, depth + 1);
    }
    if (*scan->at != '&' && *scan->at != '|')
        return scan_item(scan);
    for (scan->at++; *scan->at == '(';)
        if (!scan_filter(scan, depth + 1))
            return false;
    return true;
}

static bool scan_filter(Scan *scan, guint depth)
{
    if (depth > FILTER_DEPTH_MAX)
        return fail(scan, "nested too deeply");
    return expect(scan, '(', "want \"(\"") && scan_content(scan, depth) && expect(scan, ')', "want \")\"");
}

bool config_check_filter(const char *text, GError **error)
{
    Scan scan = {.at = text};

    if (*text == '\0' || (scan_filter(&scan, 0) && *scan.at == '\0'))
        return true;
    g_set_error(error, FAULT, FAULT_STOP, "bad LDAP filter at position %ld: %s",
                g_utf8_pointer_to_offset(text, scan.at) + 1,
                scan.problem ? scan.problem : "text after the closing parenthesis");
    return false;
}
