/* Octets from the directory in an entry: text that is clean, or a fault; shown, they can be read back; no two entries that
 * differ have one fingerprint. The first octet chooses the attribute the value is added to; a newline ends a value. */
#include "model/entry.h"
#include "model/fault.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
    g_assert(g_utf8_validate(text, -1, NULL));
    for (const char *c = text; *c != '\0'; c++)
        g_assert(!g_ascii_iscntrl(*c));
}

/* The octets that were shown whole. */
static GString *read_back(const char *shown)
{
    GString *octets = g_string_new(NULL);

    g_assert(shown[0] == '"');
    for (shown++; *shown != '"'; shown++) {
        if (*shown == '\\') {
            g_assert(shown[1] == 'x' && g_ascii_isxdigit(shown[2]) && g_ascii_isxdigit(shown[3]));
            g_string_append_c(octets, (char)(g_ascii_xdigit_value(shown[2]) * 16 + g_ascii_xdigit_value(shown[3])));
            shown += 3;
        } else {
            g_string_append_c(octets, *shown);
        }
    }
    g_assert(shown[1] == '\0');
    return octets;
}

static void check_shown(const char *data, gsize len)
{
    g_autofree char *whole = fault_show_all(data, len);
    g_autofree char *cut = fault_show(data, len);
    GString *octets = read_back(whole);

    check_text(whole);
    check_text(cut);
    g_assert(strlen(cut) < 400 && cut[0] == '"');
    g_assert(octets->len == len && memcmp(octets->str, data, len) == 0);
    g_string_free(octets, TRUE);
}

static void check_values(const Entry *entry, const char *attribute)
{
    g_autoptr(GPtrArray) values = NULL;
    g_autofree char *value = NULL;
    g_autoptr(GError) error = NULL;

    if (entry_get_value(entry, attribute, &value, NULL) && value != NULL)
        check_text(value);
    if (!entry_get_values(entry, attribute, &values, &error)) {
        g_assert(error != NULL && fault_of(error) == FAULT_PARK);
        check_text(error->message);
        return;
    }
    g_assert(values->len == entry_count_values(entry, attribute) && (value != NULL || values->len == 0));
    for (guint i = 0; i < values->len; i++) {
        check_text(g_ptr_array_index(values, i));
        g_assert(i == 0 || strcmp(g_ptr_array_index(values, i - 1), g_ptr_array_index(values, i)) <= 0);
    }
}

static void check_fingerprint(const Entry *entry, const char *data, gsize len)
{
    g_autoptr(Entry) copy = entry_copy(entry);
    g_autofree char *one = entry_fingerprint(entry, "salt");
    g_autofree char *same = entry_fingerprint(copy, "salt");
    g_autofree char *other = NULL;

    g_assert_cmpstr(one, ==, same);
    entry_add_value(copy, "cn", data, len);
    other = entry_fingerprint(copy, "salt");
    g_assert(strcmp(one, other) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const attributes[] = {"mail", "MAIL", "sn", "uid"};
    g_autoptr(Entry) entry = entry_new("1", "uid=x,dc=example,dc=org", KIND_USER);
    const char *at = (const char *)data, *end = at + size;

    while (at < end) {
        const char *attribute = attributes[(unsigned char)*at++ % G_N_ELEMENTS(attributes)];
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        gsize len = (gsize)((newline != NULL ? newline : end) - at);
        /* A block of its own, so that a read behind it is seen. */
        g_autofree char *value = g_memdup2(len > 0 ? at : "", MAX(len, 1));

        check_shown(value, len);
        entry_add_value(entry, attribute, value, len);
        if (strcmp(attribute, "uid") == 0)
            entry_add_rdn(entry, attribute, value, len);
        check_fingerprint(entry, value, len);
        at = newline != NULL ? newline + 1 : end;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(attributes); i++)
        check_values(entry, attributes[i]);
    return 0;
}
