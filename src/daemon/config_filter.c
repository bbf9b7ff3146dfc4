#include "daemon/config_check.h"

#include "model/fault.h"

#include <string.h>

/* Nobody writes more; keeps the recursion small. */
enum { FILTER_DEPTH_MAX = 32 };

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

/* attribute=value, attribute>=value, attribute:rule:=value and so on; ends before the closing parenthesis. */
static bool scan_item(Scan *scan)
{
    const char *name = scan->at;

    scan->at += strspn(scan->at, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-.;:");
    if (scan->at == name)
        return fail(scan, "want the name of an attribute, or one of & | !");
    scan->at += strspn(scan->at, "~<>") > 0;
    if (!expect(scan, '=', "want \"=\" after the name of an attribute"))
        return false;
    for (; *scan->at != '\0' && *scan->at != ')'; scan->at++) {
        if (*scan->at == '(')
            return fail(scan, "a parenthesis in a value is written \\28 or \\29");
        if (*scan->at == '\\' && !(g_ascii_isxdigit(scan->at[1]) && g_ascii_isxdigit(scan->at[2])))
            return fail(scan, "want two hexadecimal digits after \"\\\"");
    }
    return true;
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
