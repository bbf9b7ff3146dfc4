#include "model/entry.h"

#include "model/fault.h"

#include <string.h>

struct Entry {
    char *unique_id;
    char *dn;
    EntryKind kind;
    char *modify_timestamp;
    GHashTable *attributes; /* char* lower-case name -> GPtrArray of GBytes*, sorted */
    GHashTable *rdn;        /* char* lower-case name -> GBytes* */
};

const char *entry_kind_name(EntryKind kind)
{
    switch (kind) {
    case KIND_NONE:
        return "none";
    case KIND_USER:
        return "user";
    case KIND_SHARED_FOLDER:
        return "shared folder";
    case KIND_RESOURCE:
        return "resource";
    case KIND_GROUP:
        return "group";
    case KIND_COUNT:
        break; /* no kind */
    }
    g_assert_not_reached();
}

Entry *entry_new(const char *unique_id, const char *dn, EntryKind kind)
{
    Entry *entry = g_new0(Entry, 1);

    entry->unique_id = g_ascii_strdown(unique_id, -1);
    entry->dn = g_strdup(dn);
    entry->kind = kind;
    entry->attributes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    entry->rdn = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    return entry;
}

Entry *entry_copy(const Entry *entry)
{
    Entry *copy = entry_new(entry->unique_id, entry->dn, entry->kind);
    GHashTableIter iter;
    gpointer name, data;

    copy->modify_timestamp = g_strdup(entry->modify_timestamp);
    g_hash_table_iter_init(&iter, entry->attributes);
    while (g_hash_table_iter_next(&iter, &name, &data))
        g_hash_table_insert(copy->attributes, g_strdup(name),
                            g_ptr_array_copy(data, (GCopyFunc)(void (*)(void))g_bytes_ref, NULL));
    g_hash_table_iter_init(&iter, entry->rdn);
    while (g_hash_table_iter_next(&iter, &name, &data))
        g_hash_table_insert(copy->rdn, g_strdup(name), g_bytes_ref(data));
    return copy;
}

void entry_free(Entry *entry)
{
    if (entry == NULL)
        return;
    g_free(entry->unique_id);
    g_free(entry->dn);
    g_free(entry->modify_timestamp);
    g_hash_table_unref(entry->attributes);
    g_hash_table_unref(entry->rdn);
    g_free(entry);
}

static int compare_bytes(gconstpointer a, gconstpointer b)
{
    return g_bytes_compare(*(GBytes *const *)a, *(GBytes *const *)b);
}

static GPtrArray *find_values(const Entry *entry, const char *attribute)
{
    g_autofree char *name = g_ascii_strdown(attribute, -1);

    return g_hash_table_lookup(entry->attributes, name);
}

void entry_add_value(Entry *entry, const char *attribute, const char *data, gsize len)
{
    GPtrArray *values = find_values(entry, attribute);

    if (values == NULL) {
        values = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
        g_hash_table_insert(entry->attributes, g_ascii_strdown(attribute, -1), values);
    }
    g_ptr_array_add(values, g_bytes_new(data, len));
    g_ptr_array_sort(values, compare_bytes);
}

void entry_set_values(Entry *entry, const char *attribute, const char *const *values)
{
    g_autofree char *name = g_ascii_strdown(attribute, -1);

    g_hash_table_remove(entry->attributes, name);
    for (gsize i = 0; values[i] != NULL; i++)
        entry_add_value(entry, name, values[i], strlen(values[i]));
}

void entry_add_rdn(Entry *entry, const char *attribute, const char *data, gsize len)
{
    g_hash_table_insert(entry->rdn, g_ascii_strdown(attribute, -1), g_bytes_new(data, len));
}

void entry_set_modify_timestamp(Entry *entry, const char *generalized_time)
{
    g_free(entry->modify_timestamp);
    entry->modify_timestamp = g_strdup(generalized_time);
}

const char *entry_unique_id(const Entry *entry)
{
    return entry->unique_id;
}

const char *entry_dn(const Entry *entry)
{
    return entry->dn;
}

EntryKind entry_kind(const Entry *entry)
{
    return entry->kind;
}

const char *entry_modify_timestamp(const Entry *entry)
{
    return entry->modify_timestamp;
}

static bool is_clean_text(const char *data, gsize len)
{
    if (!g_utf8_validate_len(data, len, NULL))
        return false;
    for (gsize i = 0; i < len; i++)
        if (g_ascii_iscntrl(data[i]))
            return false;
    return true;
}

/* Turns one value into text; NULL with error when it is none. */
static char *bytes_to_text(const char *attribute, GBytes *bytes, GError **error)
{
    gsize len;
    const char *data = g_bytes_get_data(bytes, &len);
    g_autofree char *shown = NULL;

    if (is_clean_text(data, len))
        return g_strndup(len > 0 ? data : "", len); /* GBytes has NULL for no octets */
    shown = fault_show(data, len);
    g_set_error(error, FAULT, FAULT_PARK,
                "attribute \"%s\" has the value %s: it must be UTF-8 without control characters; correct the entry",
                attribute, shown);
    return NULL;
}

bool entry_get_values(const Entry *entry, const char *attribute, GPtrArray **values, GError **error)
{
    GPtrArray *found = find_values(entry, attribute);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; found != NULL && i < found->len; i++) {
        char *text = bytes_to_text(attribute, g_ptr_array_index(found, i), error);

        if (text == NULL)
            return false;
        g_ptr_array_add(texts, text);
    }
    *values = g_steal_pointer(&texts);
    return true;
}

bool entry_get_value(const Entry *entry, const char *attribute, char **value, GError **error)
{
    GPtrArray *found = find_values(entry, attribute);
    g_autofree char *name = g_ascii_strdown(attribute, -1);
    GBytes *chosen = g_hash_table_lookup(entry->rdn, name);
    char *text;

    if (chosen == NULL && found != NULL && found->len > 0)
        chosen = g_ptr_array_index(found, 0);
    if (chosen == NULL) {
        *value = NULL;
        return true;
    }
    text = bytes_to_text(attribute, chosen, error);
    if (text == NULL)
        return false;
    *value = text;
    return true;
}

guint entry_count_values(const Entry *entry, const char *attribute)
{
    GPtrArray *values = find_values(entry, attribute);

    return values == NULL ? 0 : values->len;
}

static GList *list_names(const Entry *entry)
{
    return g_list_sort(g_hash_table_get_keys(entry->attributes), (GCompareFunc)strcmp);
}

char *entry_attribute_names(const Entry *entry)
{
    g_autoptr(GList) names = list_names(entry);
    GString *text = g_string_new(NULL);

    for (GList *name = names; name != NULL; name = name->next)
        g_string_append_printf(text, "%s%s", name == names ? "" : " ", (const char *)name->data);
    return g_string_free(text, FALSE);
}

/* A length in front of each part keeps different splits of the same octets apart. */
static void digest_part(GChecksum *checksum, const void *data, gsize len)
{
    guint64 prefix = GUINT64_TO_LE((guint64)len);

    g_checksum_update(checksum, (const guchar *)&prefix, sizeof prefix);
    g_checksum_update(checksum, data, (gssize)len);
}

static void digest_text(GChecksum *checksum, const char *text)
{
    digest_part(checksum, text, strlen(text));
}

char *entry_fingerprint(const Entry *entry, const char *salt)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autoptr(GList) names = list_names(entry);

    digest_text(checksum, salt);
    digest_text(checksum, entry_kind_name(entry->kind));
    digest_text(checksum, entry->dn);
    for (GList *name = names; name != NULL; name = name->next) {
        GPtrArray *values = g_hash_table_lookup(entry->attributes, name->data);

        digest_text(checksum, name->data);
        for (guint i = 0; i < values->len; i++) {
            gsize len;
            gconstpointer data = g_bytes_get_data(g_ptr_array_index(values, i), &len);

            digest_part(checksum, data, len);
        }
    }
    return g_strdup(g_checksum_get_string(checksum));
}
