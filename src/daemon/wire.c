#include "daemon/wire.h"

#include "model/fault.h"

#include <string.h>

/* More is none of our lines. */
enum { KEYS_MAX = 16 };

#define KEY_CHARACTERS "abcdefghijklmnopqrstuvwxyz_"
/* So that people can read a line: what is printable stands for itself, but for the blank and the percent sign. */
#define PLAIN_CHARACTERS "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"

struct WireLine {
    char *word;
    GPtrArray *keys;   /* of char* */
    GPtrArray *values; /* of char*, in the same order */
};

WireLine *wire_line_new(const char *word)
{
    WireLine *line = g_new(WireLine, 1);

    *line = (WireLine){.word = g_strdup(word), .keys = g_ptr_array_new_with_free_func(g_free),
                       .values = g_ptr_array_new_with_free_func(g_free)};
    return line;
}

void wire_line_free(WireLine *line)
{
    if (line == NULL)
        return;
    g_free(line->word);
    g_ptr_array_unref(line->keys);
    g_ptr_array_unref(line->values);
    g_free(line);
}

const char *wire_line_word(const WireLine *line)
{
    return line->word;
}

const char *wire_line_get(const WireLine *line, const char *key)
{
    for (guint i = 0; i < line->keys->len; i++)
        if (strcmp(g_ptr_array_index(line->keys, i), key) == 0)
            return g_ptr_array_index(line->values, i);
    return NULL;
}

const char *wire_line_find_other(const WireLine *line, const char *const *keys)
{
    for (guint i = 0; i < line->keys->len; i++)
        if (!g_strv_contains(keys, g_ptr_array_index(line->keys, i)))
            return g_ptr_array_index(line->keys, i);
    return NULL;
}

static void add(WireLine *line, char *key, char *value)
{
    g_ptr_array_add(line->keys, key);
    g_ptr_array_add(line->values, value);
}

void wire_line_add(WireLine *line, const char *key, const char *value)
{
    char *valid;

    if (value == NULL)
        return;
    valid = g_utf8_make_valid(value, (gssize)strnlen(value, WIRE_VALUE_MAX_BYTES));
    /* Replacements are longer than what they stand for. */
    while (strlen(valid) > WIRE_VALUE_MAX_BYTES)
        *g_utf8_find_prev_char(valid, valid + strlen(valid)) = '\0';
    add(line, g_strdup(key), valid);
}

char *wire_line_format(const WireLine *line)
{
    GString *text = g_string_new(line->word);

    for (guint i = 0; i < line->keys->len; i++) {
        g_string_append_c(text, ' ');
        g_string_append(text, g_ptr_array_index(line->keys, i));
        g_string_append_c(text, '=');
        g_string_append_uri_escaped(text, g_ptr_array_index(line->values, i), PLAIN_CHARACTERS, TRUE);
    }
    g_string_append_c(text, '\n');
    return g_string_free(text, FALSE);
}

static bool fail(const char *what, GError **error)
{
    g_set_error(error, FAULT, FAULT_PARK, "not understood: %s", what);
    return false;
}

static bool is_name(const char *text, gsize len)
{
    return len > 0 && strspn(text, KEY_CHARACTERS) >= len;
}

/* "key=value" */
static bool parse_pair(WireLine *line, const char *pair, GError **error)
{
    const char *equals = strchr(pair, '=');
    g_autofree char *key = NULL;
    g_autofree char *value = NULL;

    if (equals == NULL || !is_name(pair, (gsize)(equals - pair)))
        return fail("want key=value", error);
    key = g_strndup(pair, (gsize)(equals - pair));
    if (wire_line_get(line, key) != NULL)
        return fail("a key stands twice", error);
    if (line->keys->len == KEYS_MAX)
        return fail("too many keys", error);
    value = g_uri_unescape_string(equals + 1, NULL);
    if (value == NULL || !g_utf8_validate(value, -1, NULL))
        return fail("a value is wrongly encoded", error);
    add(line, g_steal_pointer(&key), g_steal_pointer(&value));
    return true;
}

bool wire_parse(const char *data, gsize len, WireLine **line, GError **error)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) parts = NULL;
    g_autoptr(WireLine) parsed = NULL;

    if (len >= WIRE_LINE_MAX_BYTES)
        return fail("the line is too long", error);
    for (gsize i = 0; i < len; i++)
        if (g_ascii_iscntrl(data[i]))
            return fail("a control character", error);
    text = g_strndup(data, len);
    parts = g_strsplit(text, " ", -1);
    if (parts[0] == NULL || !is_name(parts[0], strlen(parts[0])))
        return fail("want a word", error);
    parsed = wire_line_new(parts[0]);
    for (guint i = 1; parts[i] != NULL; i++)
        if (!parse_pair(parsed, parts[i], error))
            return false;
    *line = g_steal_pointer(&parsed);
    return true;
}
