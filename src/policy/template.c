#include "policy/template.h"

#include "model/fault.h"

#include <string.h>

/* Bounds a slice, so that no sum of two can overflow; no attribute is as long. */
enum { INDEX_MAX = 99999 };

/* Text, or the characters from..to of a name's value; both as in Python, negative: from the end. */
typedef struct {
    char *text; /* NULL: a name */
    char *name;
    int from;
    int to; /* G_MAXINT: to the end */
} Part;

struct Template {
    char *text;
    GPtrArray *parts; /* of Part* */
    GPtrArray *names; /* of char*, owned by their parts, NULL-terminated */
};

typedef struct {
    const char *text;
    const char *at;
} Cursor;

static void part_free(Part *part)
{
    g_free(part->text);
    g_free(part->name);
    g_free(part);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Part, part_free)

void template_free(Template *template)
{
    if (template == NULL)
        return;
    g_free(template->text);
    g_ptr_array_unref(template->parts);
    g_ptr_array_unref(template->names);
    g_free(template);
}

static bool refuse(const Cursor *cursor, const char *problem, GError **error)
{
    g_autofree char *shown = fault_show(cursor->text, strlen(cursor->text));

    g_set_error(error, FAULT, FAULT_STOP, "template %s, column %ld: %s", shown,
                g_utf8_pointer_to_offset(cursor->text, cursor->at) + 1, problem);
    return false;
}

static bool skip(Cursor *cursor, char c)
{
    if (*cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

/* The name of an attribute (RFC 4512, 1.4: keystring), or "standard_domain". */
static bool parse_name(Cursor *cursor, char **name, GError **error)
{
    const char *start = cursor->at;

    if (!g_ascii_isalpha(*start))
        return refuse(cursor, "an attribute's name must begin with a letter", error);
    while (g_ascii_isalnum(*cursor->at) || *cursor->at == '-' || *cursor->at == '_')
        cursor->at++;
    *name = g_ascii_strdown(start, cursor->at - start);
    return true;
}

/* A number with an optional minus; *present says whether there is one. */
static bool parse_index(Cursor *cursor, int *number, bool *present, GError **error)
{
    const char *start = cursor->at;
    bool negative = skip(cursor, '-');
    int value = 0;

    *present = g_ascii_isdigit(*cursor->at);
    if (negative && !*present)
        return refuse(cursor, "a number must follow the minus", error);
    for (; g_ascii_isdigit(*cursor->at); cursor->at++) {
        value = value * 10 + (*cursor->at - '0');
        if (value > INDEX_MAX) {
            cursor->at = start;
            return refuse(cursor, "a slice's numbers go up to 99999", error);
        }
    }
    if (*present)
        *number = negative ? -value : value;
    return true;
}

/* After "[": "from:to]" or "index]". */
static bool parse_slice(Cursor *cursor, Part *part, GError **error)
{
    bool has_from, has_to;

    if (!parse_index(cursor, &part->from, &has_from, error))
        return false;
    if (skip(cursor, ':')) {
        if (!parse_index(cursor, &part->to, &has_to, error))
            return false;
    } else if (!has_from) {
        return refuse(cursor, "a slice is written [from:to] or [index]", error);
    } else if (part->from != -1) { /* the last character is [-1:], since [-1:0] is nothing */
        part->to = part->from + 1;
    }
    return skip(cursor, ']') || refuse(cursor, "a slice ends with \"]\"", error);
}

/* After "%". */
static bool parse_field(Cursor *cursor, Part **field, GError **error)
{
    g_autoptr(Part) part = g_new0(Part, 1);

    part->to = G_MAXINT;
    if (!skip(cursor, '('))
        return refuse(cursor, "after \"%\" comes \"(name)s\", or \"%\" for a percent sign", error);
    if (!parse_name(cursor, &part->name, error))
        return false;
    if (skip(cursor, '[') && !parse_slice(cursor, part, error))
        return false;
    if (!skip(cursor, ')'))
        return refuse(cursor, "\")\" is missing", error);
    if (!skip(cursor, 's'))
        return refuse(cursor, "\"s\" must follow the \")\"", error);
    *field = g_steal_pointer(&part);
    return true;
}

/* Text up to the next field; "@" is counted, since an address has one. */
static bool parse_text(Cursor *cursor, GString *text, guint *at_signs, GError **error)
{
    while (*cursor->at != '\0' && (*cursor->at != '%' || cursor->at[1] == '%')) {
        if (*cursor->at == '@' && ++*at_signs > 1)
            return refuse(cursor, "an address has one \"@\"", error);
        if (g_ascii_iscntrl(*cursor->at))
            return refuse(cursor, "control characters have no place in an address", error);
        g_string_append_c(text, *cursor->at);
        cursor->at += *cursor->at == '%' ? 2 : 1;
    }
    return true;
}

static bool parse_parts(Template *template, Cursor *cursor, guint *at_signs, GError **error)
{
    while (*cursor->at != '\0') {
        g_autoptr(GString) text = g_string_new(NULL);
        Part *field = NULL;

        if (!parse_text(cursor, text, at_signs, error))
            return false;
        if (text->len > 0) {
            Part *part = g_new0(Part, 1);

            part->text = g_strdup(text->str);
            g_ptr_array_add(template->parts, part);
        }
        if (!skip(cursor, '%'))
            continue;
        if (!parse_field(cursor, &field, error))
            return false;
        g_ptr_array_add(template->parts, field);
    }
    return true;
}

static void collect_names(Template *template)
{
    for (guint i = 0; i < template->parts->len; i++) {
        const Part *part = g_ptr_array_index(template->parts, i);

        if (part->name != NULL &&
            !g_ptr_array_find_with_equal_func(template->names, part->name, g_str_equal, NULL))
            g_ptr_array_add(template->names, part->name);
    }
    g_ptr_array_add(template->names, NULL);
}

Template *template_parse(const char *text, GError **error)
{
    g_autoptr(Template) template = g_new0(Template, 1);
    Cursor cursor = {.text = text, .at = text};
    guint at_signs = 0;

    template->text = g_strdup(text);
    template->parts = g_ptr_array_new_with_free_func((GDestroyNotify)part_free);
    template->names = g_ptr_array_new();
    if (!g_utf8_validate(text, -1, NULL)) {
        g_set_error(error, FAULT, FAULT_STOP, "a template must be UTF-8");
        return NULL;
    }
    if (!parse_parts(template, &cursor, &at_signs, error))
        return NULL;
    if (at_signs == 0) {
        refuse(&cursor, "an address needs an \"@\"", error);
        return NULL;
    }
    collect_names(template);
    return g_steal_pointer(&template);
}

const char *template_text(const Template *template)
{
    return template->text;
}

const char *const *template_names(const Template *template)
{
    return (const char *const *)template->names->pdata;
}

/* Where a bound of a slice lies in a value of `len` characters. */
static glong clamp_index(int index, glong len)
{
    return index < 0 ? MAX(len + index, 0) : MIN(index, len);
}

static void append_slice(GString *text, const char *value, const Part *part)
{
    glong len = g_utf8_strlen(value, -1);
    glong from = clamp_index(part->from, len);
    glong to = clamp_index(part->to, len);
    const char *start = g_utf8_offset_to_pointer(value, from);

    if (from < to)
        g_string_append_len(text, start, g_utf8_offset_to_pointer(start, to - from) - start);
}

char *template_expand(const Template *template, TemplateLookup lookup, gpointer user_data,
                      const char **missing)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < template->parts->len; i++) {
        const Part *part = g_ptr_array_index(template->parts, i);
        g_autofree char *value = part->name != NULL ? lookup(part->name, user_data) : NULL;

        if (part->text != NULL) {
            g_string_append(text, part->text);
        } else if (value != NULL) {
            append_slice(text, value, part);
        } else {
            *missing = part->name;
            return NULL;
        }
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
