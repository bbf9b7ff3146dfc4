#include "daemon/config_schema.h"

#include "model/fault.h"

#include <string.h>

/* "ldap.uri", "domains.NAME.base_dn", "folders.create.NAME.quota". */
static char *full_path(const Setting *setting)
{
    const char *below = "";

    if (setting->place == PLACE_DOMAIN)
        below = "domains.NAME.";
    else if (setting->place == PLACE_FOLDER)
        below = "folders.create.NAME.";
    return g_strconcat(below, setting->path, NULL);
}

void config_setting_refuse(const Reading *reading, const Setting *setting, const ConfigNode *node,
                           const char *problem)
{
    config_mistakes_add(reading->mistakes, node->line, node->column, "%s: %s", setting->path, problem);
}

/* --- values */

static gpointer field_of(const Setting *setting, gpointer target)
{
    return (char *)target + setting->offset;
}

static void refuse_kind(const Reading *reading, const Setting *setting, const char *want,
                        const ConfigNode *node)
{
    g_autofree char *problem = g_strdup_printf("want %s, got %s", want, config_node_describe(node));

    if (node->kind != CONFIG_REFUSED)
        config_setting_refuse(reading, setting, node, problem);
}

/* Whether a node is what the type wants; for a list also whether all its items are texts. */
static bool check_kind(const Reading *reading, const Setting *setting, const ConfigNode *node)
{
    bool good = true;

    if (node->kind != setting->type->kind || config_node_is_null(node)) {
        refuse_kind(reading, setting, setting->type->want, node);
        return false;
    }
    for (guint i = 0; node->kind == CONFIG_LIST && i < node->values->len; i++) {
        const ConfigNode *item = g_ptr_array_index(node->values, i);

        if (item->kind == CONFIG_TEXT && !config_node_is_null(item))
            continue;
        refuse_kind(reading, setting, "a text as item of the list", item);
        good = false;
    }
    return good;
}

static bool check_text(const Reading *reading, const Setting *setting, const ConfigNode *node)
{
    g_autoptr(GError) error = NULL;

    if (setting->type->check == NULL || setting->type->check(node->text, &error))
        return true;
    config_setting_refuse(reading, setting, node, error->message);
    return false;
}

static bool check_texts(const Reading *reading, const Setting *setting, const ConfigNode *node)
{
    bool good = true;

    if (node->kind == CONFIG_TEXT)
        return check_text(reading, setting, node);
    for (guint i = 0; node->kind == CONFIG_LIST && i < node->values->len; i++)
        good &= check_text(reading, setting, g_ptr_array_index(node->values, i));
    return good;
}

static void store_texts(const ConfigNode *node, gpointer field)
{
    GPtrArray *list;

    if (node->kind == CONFIG_TEXT) {
        g_free(*(char **)field);
        *(char **)field = g_strdup(node->text);
        return;
    }
    list = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < node->values->len; i++)
        g_ptr_array_add(list, g_strdup(((const ConfigNode *)g_ptr_array_index(node->values, i))->text));
    g_clear_pointer((GPtrArray **)field, g_ptr_array_unref);
    *(GPtrArray **)field = list;
}

void config_setting_read(const Reading *reading, const Setting *setting, const ConfigNode *node,
                         gpointer target)
{
    if (!check_kind(reading, setting, node) || !check_texts(reading, setting, node))
        return;
    if (setting->type->read != NULL)
        setting->type->read(reading, setting, node, field_of(setting, target));
    else
        store_texts(node, field_of(setting, target));
}

void config_setting_fall_back(const Reading *reading, const Setting *setting, gpointer target)
{
    g_autoptr(ConfigNode) node = NULL;

    if (setting->type->fall_back != NULL)
        setting->type->fall_back(field_of(setting, target));
    if (setting->fallback == NULL)
        return;
    node = config_yaml_parse(setting->fallback, strlen(setting->fallback), reading->mistakes);
    g_assert(node != NULL);
    config_setting_read(reading, setting, node, target);
}

void config_setting_inherit(const Setting *setting, gconstpointer from, gpointer target)
{
    gconstpointer source = (const char *)from + setting->offset;
    gpointer field = field_of(setting, target);

    switch (setting->type->store) {
    case STORE_TEXT:
        g_free(*(char **)field);
        *(char **)field = g_strdup(*(char *const *)source);
        return;
    case STORE_LIST:
        g_clear_pointer((GPtrArray **)field, g_ptr_array_unref);
        *(GPtrArray **)field = g_ptr_array_ref(*(GPtrArray *const *)source);
        return;
    case STORE_INT64:
        *(gint64 *)field = *(const gint64 *)source;
        return;
    case STORE_UINT:
        *(guint *)field = *(const guint *)source;
        return;
    case STORE_BOOL:
        *(bool *)field = *(const bool *)source;
        return;
    }
    g_assert_not_reached();
}

/* At the section that lacks it, or at the top where the section is not there either. */
static void note_missing(const Reading *reading, const Setting *setting, const ConfigNode *mapping)
{
    const char *dot = strchr(setting->path, '.');
    g_autofree char *section = dot ? g_strndup(setting->path, (gsize)(dot - setting->path)) : NULL;
    const ConfigNode *inner = section ? config_node_find(mapping, section) : NULL;
    const ConfigNode *at = inner ? inner : mapping;

    config_mistakes_add(reading->mistakes, at->line, at->column, "%s is missing: %s", setting->path,
                        setting->help);
}

void config_settings_read(const Reading *reading, guint places, const ConfigNode *mapping, gpointer *targets)
{
    for (const Setting *setting = config_settings; setting->path != NULL; setting++) {
        const ConfigNode *node = config_node_find(mapping, setting->path);
        gpointer target = targets[setting->target];

        if ((setting->place & places) == 0)
            continue;
        if (node == NULL && setting->required)
            note_missing(reading, setting, mapping);
        else if (node == NULL)
            config_setting_fall_back(reading, setting, target);
        else if (setting->type != &type_domains)
            config_setting_read(reading, setting, node, target);
    }
}

/* --- names */

/* Whether a path is a setting; *section: whether settings are below it. */
static bool is_setting(guint places, const char *path, bool *section)
{
    gsize len = strlen(path);

    *section = false;
    for (const Setting *setting = config_settings; setting->path != NULL; setting++) {
        if ((setting->place & places) == 0 || strncmp(setting->path, path, len) != 0)
            continue;
        if (setting->path[len] == '\0')
            return true;
        *section |= setting->path[len] == '.';
    }
    return false;
}

/* The names of settings and sections right below a section ("" or "ldap."). */
static GPtrArray *list_names(guint places, const char *prefix)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (const Setting *setting = config_settings; setting->path != NULL; setting++) {
        const char *name = setting->path + strlen(prefix);

        if ((setting->place & places) != 0 && g_str_has_prefix(setting->path, prefix))
            g_ptr_array_add(names, g_strndup(name, strcspn(name, ".")));
    }
    return names;
}

/* A setting of another section or place by its last name. */
static char *find_elsewhere(const char *name)
{
    for (const Setting *setting = config_settings; setting->path != NULL; setting++) {
        const char *dot = strrchr(setting->path, '.');

        if (strcmp(dot ? dot + 1 : setting->path, name) == 0) {
            g_autofree char *path = full_path(setting);

            return g_strdup_printf("\"%s\"%s", path, strchr(path, '.') ? "" : " at the top of the file");
        }
    }
    return NULL;
}

static bool is_like_password(const char *name)
{
    g_autofree char *lower = g_ascii_strdown(name, -1);

    return strstr(lower, "passw") != NULL || strstr(lower, "secret") != NULL || g_str_has_suffix(lower, "pw");
}

/* Such a name is not shown: a slip of the keyboard may have put the password into it. */
static void refuse_password(const Reading *reading, const char *prefix, const ConfigNode *key)
{
    const char *file = "ldap.bind_password_file or imap.admin_password_file";

    for (const Setting *setting = config_settings; setting->path != NULL; setting++)
        if (*prefix != '\0' && setting->type == &type_secret && g_str_has_prefix(setting->path, prefix))
            file = setting->path;
    config_mistakes_add(
        reading->mistakes, key->line, key->column,
        "unknown setting: a password does not stand in this file; write it to a file of its own and name "
        "that with %s",
        file);
}

static void refuse_name(const Reading *reading, guint places, const char *prefix, const ConfigNode *key)
{
    g_autoptr(GPtrArray) names = list_names(places, prefix);
    const char *nearest = config_mistakes_nearest(key->text, names);
    g_autofree char *meant = nearest ? g_strdup_printf("\"%s\"", nearest) : find_elsewhere(key->text);
    g_autofree char *shown = fault_show(key->text, strlen(key->text));

    if (meant != NULL)
        config_mistakes_add(reading->mistakes, key->line, key->column, "unknown setting %s; did you mean %s?",
                            shown, meant);
    else if (is_like_password(key->text))
        refuse_password(reading, prefix, key);
    else
        config_mistakes_add(reading->mistakes, key->line, key->column, "unknown setting %s", shown);
}

/* `section` is "" for the top, "ldap" or the like below it. */
static void check_names(const Reading *reading, guint places, const char *section, const ConfigNode *mapping)
{
    g_autofree char *prefix = *section ? g_strconcat(section, ".", NULL) : g_strdup("");

    if (mapping->kind == CONFIG_REFUSED || config_node_is_null(mapping))
        return;
    if (mapping->kind != CONFIG_MAPPING) {
        config_mistakes_add(reading->mistakes, mapping->line, mapping->column,
                            "%s%swant a mapping of settings, got %s", section, *section ? ": " : "",
                            config_node_describe(mapping));
        return;
    }
    for (guint i = 0; i < mapping->keys->len; i++) {
        const ConfigNode *key = g_ptr_array_index(mapping->keys, i);
        g_autofree char *path = g_strconcat(prefix, key->text, NULL);
        bool is_section = false;

        if (strchr(key->text, '.') == NULL && is_setting(places, path, &is_section))
            continue;
        if (is_section)
            check_names(reading, places, path, g_ptr_array_index(mapping->values, i));
        else
            refuse_name(reading, places, prefix, key);
    }
}

void config_settings_check_names(const Reading *reading, guint places, const ConfigNode *mapping)
{
    check_names(reading, places, "", mapping);
}
