#include "state/layout.h"

#include <string.h>

/* Where the values of fields begin; the longest name of ours fits. */
enum { FIELD_NAME_WIDTH = 28 };

static bool is_printable(gunichar c)
{
    return c < 0x80 ? g_ascii_isprint((char)c) : g_unichar_isprint(c);
}

void layout_append_text(GString *out, const char *text)
{
    for (const char *at = text; at != NULL && *at != '\0';) {
        gunichar c = g_utf8_get_char_validated(at, -1);

        if (c != (gunichar)-1 && c != (gunichar)-2 && is_printable(c)) {
            g_string_append_unichar(out, c);
            at = g_utf8_next_char(at);
        } else {
            g_string_append_printf(out, "\\x%02x", (guchar)*at);
            at++;
        }
    }
}

/* In JSON made by SQLite such a character stands inside a string, where an escape means the same. */
static void append_json_escape(GString *out, gunichar c)
{
    if (c >= 0x10000)
        g_string_append_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
    else
        g_string_append_printf(out, "\\u%04x", c);
}

static void append_json(GString *out, const char *json)
{
    g_autofree char *valid = g_utf8_make_valid(json, -1);

    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);

        if (is_printable(c))
            g_string_append_unichar(out, c);
        else
            append_json_escape(out, c);
    }
}

/* Columns of the terminal that a text takes. */
static glong display_width(const char *text)
{
    glong width = 0;

    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);

        width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}

static void append_padded(GString *out, const char *text, glong width)
{
    g_string_append(out, text);
    for (glong i = display_width(text); i < width; i++)
        g_string_append_c(out, ' ');
}

static void append_field(GString *out, const char *name, const char *value)
{
    g_autoptr(GString) shown = g_string_new(NULL);

    if (value == NULL)
        return;
    layout_append_text(shown, name);
    append_padded(out, shown->str, FIELD_NAME_WIDTH);
    g_string_append(out, "  ");
    layout_append_text(out, value);
    g_string_append_c(out, '\n');
}

void layout_append_fields(GString *out, Query *query)
{
    for (int i = 0; i < sqlite3_column_count(query); i++)
        append_field(out, sqlite3_column_name(query, i), (const char *)sqlite3_column_text(query, i));
}

bool layout_append_pairs(State *state, GString *out, Query *query, GError **error)
{
    bool row;

    for (;;) {
        g_autofree char *name = NULL;

        if (!query_step(state, query, "read", &row, error))
            return false;
        if (!row)
            return true;
        name = query_text(query, 0);
        append_field(out, name, (const char *)sqlite3_column_text(query, 1));
    }
}

/* The row as safe texts; NULLs as empty ones. */
static GPtrArray *read_cells(Query *query)
{
    GPtrArray *cells = g_ptr_array_new_with_free_func(g_free);

    for (int i = 0; i < sqlite3_column_count(query); i++) {
        GString *cell = g_string_new(NULL);

        layout_append_text(cell, (const char *)sqlite3_column_text(query, i));
        g_ptr_array_add(cells, g_string_free(cell, FALSE));
    }
    return cells;
}

static GPtrArray *read_heading(Query *query)
{
    GPtrArray *cells = g_ptr_array_new_with_free_func(g_free);

    for (int i = 0; i < sqlite3_column_count(query); i++)
        g_ptr_array_add(cells, g_strdup(sqlite3_column_name(query, i)));
    return cells;
}

static glong column_width(GPtrArray *rows, guint column)
{
    glong width = 0;

    for (guint i = 0; i < rows->len; i++) {
        GPtrArray *cells = g_ptr_array_index(rows, i);

        width = MAX(width, display_width(g_ptr_array_index(cells, column)));
    }
    return width;
}

static void append_rows(GString *out, GPtrArray *rows, guint columns)
{
    g_autofree glong *widths = g_new0(glong, columns);

    for (guint i = 0; i < columns; i++)
        widths[i] = column_width(rows, i);
    for (guint i = 0; i < rows->len; i++) {
        GPtrArray *cells = g_ptr_array_index(rows, i);

        for (guint j = 0; j < columns; j++) {
            append_padded(out, g_ptr_array_index(cells, j), widths[j]);
            g_string_append(out, "  ");
        }
        while (out->str[out->len - 1] == ' ')
            g_string_truncate(out, out->len - 1);
        g_string_append_c(out, '\n');
    }
}

bool layout_append_table(State *state, GString *out, Query *query, GError **error)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    bool row;

    g_ptr_array_add(rows, read_heading(query));
    for (;;) {
        if (!query_step(state, query, "read", &row, error))
            return false;
        if (!row)
            break;
        g_ptr_array_add(rows, read_cells(query));
    }
    if (rows->len > 1)
        append_rows(out, rows, (guint)sqlite3_column_count(query));
    return true;
}

void layout_append_json_column(GString *out, Query *query, int at)
{
    const char *json = (const char *)sqlite3_column_text(query, at);

    append_json(out, json != NULL ? json : "null");
}

bool layout_append_json(State *state, GString *out, Query *query, GError **error)
{
    bool row;

    if (!query_step(state, query, "read", &row, error))
        return false;
    if (row)
        layout_append_json_column(out, query, 0);
    else
        g_string_append(out, "null");
    return true;
}
