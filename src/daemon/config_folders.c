#include "daemon/config_schema.h"

#include "model/account.h"
#include "model/acl.h"
#include "model/mailbox_name.h"

#include <string.h>

/* Each person gets them; more is a mistake, and the check of each costs. */
enum { FOLDERS_MAX = 1000 };

/* The one place of the default folders: name, and the folder-type entries for the owner and for everybody. */
static const struct {
    const char *name;
    const char *private_type;
    const char *shared_type;
} default_folders[] = {
    {"Archive", NULL, NULL},
    {"Calendar", "event.default", "event"},
    {"Calendar/Personal Calendar", NULL, "event"},
    {"Configuration", "configuration.default", "configuration.default"},
    {"Contacts", "contact.default", "contact"},
    {"Contacts/Personal Contacts", NULL, "contact"},
    {"Drafts", "mail.drafts", NULL},
    {"Files", "file.default", "file"},
    {"Journal", "journal.default", "journal"},
    {"Notes", "note.default", "note"},
    {"Sent", "mail.sentitems", NULL},
    {"Spam", "mail.junkemail", NULL},
    {"Tasks", "task.default", "task"},
    {"Trash", "mail.wastebasket", NULL},
};

static void free_folder(gpointer folder)
{
    folder_free(folder);
}

static void free_metadata(gpointer metadata)
{
    metadata_free(metadata);
}

static GPtrArray *make_default_folders(void)
{
    GPtrArray *folders = g_ptr_array_new_with_free_func(free_folder);

    for (gsize i = 0; i < G_N_ELEMENTS(default_folders); i++) {
        Folder *folder = folder_new(default_folders[i].name);

        if (default_folders[i].private_type != NULL)
            g_ptr_array_add(folder->metadata, metadata_new("/private/vendor/kolab/folder-type",
                                                           default_folders[i].private_type));
        if (default_folders[i].shared_type != NULL)
            g_ptr_array_add(folder->metadata, metadata_new("/shared/vendor/kolab/folder-type",
                                                           default_folders[i].shared_type));
        g_ptr_array_add(folders, folder);
    }
    return folders;
}

/* Adds plain folders for parents that are not named themselves. */
static void add_parents(GPtrArray *folders)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < folders->len; i++)
        g_hash_table_add(names, ((Folder *)g_ptr_array_index(folders, i))->name);
    for (guint i = 0; i < folders->len; i++) { /* also over those that are added on the way */
        const char *name = ((Folder *)g_ptr_array_index(folders, i))->name;
        const char *slash = strrchr(name, '/');
        g_autofree char *parent = slash ? g_strndup(name, (gsize)(slash - name)) : NULL;
        Folder *folder;

        if (parent == NULL || g_hash_table_contains(names, parent))
            continue;
        folder = folder_new(parent);
        g_hash_table_add(names, folder->name);
        g_ptr_array_add(folders, folder);
    }
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp((*(Folder *const *)a)->name, (*(Folder *const *)b)->name);
}

static void read_folder(const Reading *reading, const Setting *setting, const ConfigNode *name,
                        const ConfigNode *node, GPtrArray *folders)
{
    g_autoptr(GError) error = NULL;
    gpointer targets[TARGET_COUNT] = {NULL};
    Folder *folder;

    if (node->kind == CONFIG_REFUSED)
        return;
    if (!folder_name_check(name->text, &error)) {
        config_setting_refuse(reading, setting, name, error->message);
        return;
    }
    if (node->kind != CONFIG_MAPPING && !config_node_is_null(node)) {
        config_setting_refuse(reading, setting, node, "want a mapping of the folder's settings, or {}");
        return;
    }
    folder = folder_new(name->text);
    targets[TARGET_FOLDER] = folder;
    g_ptr_array_add(folders, folder);
    config_settings_check_names(reading, PLACE_FOLDER, node);
    config_settings_read(reading, PLACE_FOLDER, node, targets);
}

static void read_folders(const Reading *reading, const Setting *setting, const ConfigNode *node,
                         gpointer field)
{
    GPtrArray *folders = g_ptr_array_new_with_free_func(free_folder);

    if (node->values->len > FOLDERS_MAX)
        config_setting_refuse(reading, setting, node, "more than 1000 folders");
    for (guint i = 0; i < MIN(node->values->len, FOLDERS_MAX); i++)
        read_folder(reading, setting, g_ptr_array_index(node->keys, i), g_ptr_array_index(node->values, i),
                    folders);
    add_parents(folders);
    g_ptr_array_sort(folders, compare_names); /* a parent's name is a prefix, and so comes first */
    g_ptr_array_unref(*(GPtrArray **)field);
    *(GPtrArray **)field = folders;
}

static void default_to_folders(gpointer field)
{
    g_ptr_array_unref(*(GPtrArray **)field);
    *(GPtrArray **)field = make_default_folders();
}

/* NULL when a mistake was noted. */
static Metadata *read_entry(const Reading *reading, const Setting *setting, const ConfigNode *name,
                            const ConfigNode *value, GHashTable *seen)
{
    g_autoptr(GError) error = NULL;
    const char *problem = NULL;

    if (!config_check_metadata_name(name->text, &error))
        problem = error->message;
    else if (!g_hash_table_add(seen, g_ascii_strdown(name->text, -1)))
        problem = "the same entry twice (names are compared without case)";
    if (problem != NULL) {
        config_setting_refuse(reading, setting, name, problem);
        return NULL;
    }
    if (value->kind == CONFIG_TEXT && *value->text != '\0' && !config_node_is_null(value))
        return metadata_new(name->text, value->text);
    if (value->kind != CONFIG_REFUSED)
        config_setting_refuse(reading, setting, value, "want the text of a metadata entry");
    return NULL;
}

static void read_metadata(const Reading *reading, const Setting *setting, const ConfigNode *node,
                          gpointer field)
{
    GPtrArray *entries = g_ptr_array_new_with_free_func(free_metadata);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < node->values->len; i++) {
        Metadata *entry = read_entry(reading, setting, g_ptr_array_index(node->keys, i),
                                     g_ptr_array_index(node->values, i), seen);

        if (entry != NULL)
            g_ptr_array_add(entries, entry);
    }
    g_ptr_array_unref(*(GPtrArray **)field);
    *(GPtrArray **)field = entries;
}

static bool has_identifier(GPtrArray *entries, const char *identifier)
{
    for (guint i = 0; i < entries->len; i++)
        if (acl_identifier_equal(((AclEntry *)g_ptr_array_index(entries, i))->identifier, identifier))
            return true;
    return false;
}

static void read_rights(const Reading *reading, const Setting *setting, const ConfigNode *subject, const ConfigNode *rights,
                        GPtrArray *entries)
{
    g_autofree char *value = rights->kind == CONFIG_TEXT ? g_strconcat(subject->text, ", ", rights->text, NULL) : NULL;
    g_autoptr(GError) error = NULL;
    AclEntry *entry = NULL;

    if (rights->kind == CONFIG_REFUSED)
        return;
    if (value == NULL || config_node_is_null(rights)) {
        config_setting_refuse(reading, setting, rights, "want rights, such as lrs or read-only");
    } else if (!acl_parse("acl", value, &entry, &error)) {
        config_setting_refuse(reading, setting, rights, error->message);
    } else if (has_identifier(entries, entry->identifier)) {
        config_setting_refuse(reading, setting, subject, "the same subject twice (subjects are compared without case)");
        acl_entry_free(entry);
    } else {
        g_ptr_array_add(entries, entry);
    }
}

static void free_acl_entry(gpointer entry)
{
    acl_entry_free(entry);
}

static void read_acl(const Reading *reading, const Setting *setting, const ConfigNode *node, gpointer field)
{
    GPtrArray *entries = g_ptr_array_new_with_free_func(free_acl_entry);

    for (guint i = 0; i < node->values->len; i++)
        read_rights(reading, setting, g_ptr_array_index(node->keys, i), g_ptr_array_index(node->values, i), entries);
    g_ptr_array_unref(*(GPtrArray **)field);
    *(GPtrArray **)field = entries;
}

const SettingType type_acl = {"a mapping of subjects to rights", CONFIG_MAPPING, STORE_LIST, .read = read_acl};
const SettingType type_folders = {"a mapping of folder names", CONFIG_MAPPING, STORE_LIST,
                                  .read = read_folders, .fall_back = default_to_folders};
const SettingType type_metadata = {"a mapping of metadata entries", CONFIG_MAPPING, STORE_LIST,
                                   .read = read_metadata};
