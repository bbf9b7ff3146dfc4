#include "daemon/config_schema.h"

#include "daemon/units.h"
#include "model/account.h"
#include "model/fault.h"
#include "policy/decide.h"
#include "policy/template.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void refuse_text(const Reading *reading, const Setting *setting, const ConfigNode *node,
                        const char *want)
{
    g_autofree char *shown = fault_show(node->text, strlen(node->text));
    g_autofree char *problem = g_strdup_printf("want %s, got %s", want, shown);

    config_setting_refuse(reading, setting, node, problem);
}

static void read_switch(const Reading *reading, const Setting *setting, const ConfigNode *node,
                        gpointer field)
{
    static const char *const on[] = {"true", "yes", "on", NULL};
    static const char *const off[] = {"false", "no", "off", NULL};
    g_autofree char *word = g_ascii_strdown(node->text, -1);

    if (g_strv_contains(on, word) || g_strv_contains(off, word))
        *(bool *)field = g_strv_contains(on, word);
    else
        refuse_text(reading, setting, node, "true or false");
}

static void read_count(const Reading *reading, const Setting *setting, const ConfigNode *node, gpointer field)
{
    static const Unit units[] = {{"", 1}, {NULL, 0}};
    g_autofree char *want = g_strdup_printf("a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                                            setting->min, setting->max);
    gint64 value;

    if (units_parse(node->text, units, &value) && value >= setting->min && value <= setting->max)
        *(guint *)field = (guint)value;
    else
        refuse_text(reading, setting, node, want);
}

/* The longest unit first: how a limit is shown. A plain number is seconds. */
static const Unit duration_units[] = {
    {"d", 24 * G_TIME_SPAN_HOUR}, {"h", G_TIME_SPAN_HOUR},        {"m", G_TIME_SPAN_MINUTE},
    {"s", G_TIME_SPAN_SECOND},    {"ms", G_TIME_SPAN_MILLISECOND}, {"", G_TIME_SPAN_SECOND}, {NULL, 0},
};

static char *show_duration(gint64 us)
{
    const Unit *unit = duration_units;

    while (us % unit->factor != 0 && unit->factor > G_TIME_SPAN_MILLISECOND)
        unit++;
    return us == 0 ? g_strdup("0")
                   : g_strdup_printf("%" G_GINT64_FORMAT "%s", us / unit->factor, unit->suffix);
}

static void read_duration(const Reading *reading, const Setting *setting, const ConfigNode *node,
                          gpointer field)
{
    g_autofree char *min = show_duration(setting->min);
    g_autofree char *max = show_duration(setting->max);
    g_autofree char *want = g_strdup_printf(
        "a duration from %s to %s%s, such as 500ms, 30s, 5m, 1h (a plain number: seconds)", min, max,
        setting->zero ? ", or 0" : "");
    gint64 us;

    if (units_parse(node->text, duration_units, &us)
        && ((us >= setting->min && us <= setting->max) || (us == 0 && setting->zero)))
        *(gint64 *)field = us;
    else
        refuse_text(reading, setting, node, want);
}

static void read_quota(const Reading *reading, const Setting *setting, const ConfigNode *node, gpointer field)
{
    static const Unit units[] = {
        {"", 1}, {"KiB", 1}, {"MiB", 1 << 10}, {"GiB", 1 << 20}, {"TiB", 1 << 30}, {NULL, 0},
    };
    g_autofree char *want = g_strdup_printf("a quota: a number from %d to %" G_GINT64_FORMAT
                                            " in KiB, or a number with the suffix KiB, "
                                            "MiB, GiB or TiB, or unlimited (-1), or none",
                                            setting->zero ? 0 : 1, QUOTA_MAX_KIB);
    gint64 kib;

    if (strcmp(node->text, "none") == 0)
        *(gint64 *)field = QUOTA_ANY;
    else if (strcmp(node->text, "unlimited") == 0 || strcmp(node->text, "-1") == 0)
        *(gint64 *)field = QUOTA_UNLIMITED;
    else if (units_parse(node->text, units, &kib) && kib >= (setting->zero ? 0 : 1) && kib <= QUOTA_MAX_KIB)
        *(gint64 *)field = kib > 0 ? kib : QUOTA_UNLIMITED;
    else
        refuse_text(reading, setting, node, want);
}

static void read_choice(const Reading *reading, const Setting *setting, const ConfigNode *node,
                        gpointer field)
{
    g_autofree char *all = g_strjoinv(", ", (char **)setting->choices);
    g_autofree char *want = g_strdup_printf("one of %s", all);

    for (guint i = 0; setting->choices[i] != NULL; i++)
        if (strcmp(node->text, setting->choices[i]) == 0) {
            *(guint *)field = i;
            return;
        }
    refuse_text(reading, setting, node, want);
}

static void free_template(gpointer template)
{
    template_free(template);
}

static void set_list(gpointer field, GPtrArray *list)
{
    g_clear_pointer((GPtrArray **)field, g_ptr_array_unref);
    *(GPtrArray **)field = list;
}

static void add_template(const Reading *reading, const Setting *setting, const ConfigNode *node,
                         GPtrArray *list)
{
    g_autoptr(GError) error = NULL;
    Template *template = template_parse(node->text, &error);

    if (template == NULL)
        config_setting_refuse(reading, setting, node, error->message);
    else
        g_ptr_array_add(list, template);
}

static void read_template(const Reading *reading, const Setting *setting, const ConfigNode *node,
                          gpointer field)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(free_template);

    if (*node->text != '\0')
        add_template(reading, setting, node, list);
    set_list(field, list);
}

static void read_templates(const Reading *reading, const Setting *setting, const ConfigNode *node,
                           gpointer field)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(free_template);

    for (guint i = 0; i < node->values->len; i++)
        add_template(reading, setting, g_ptr_array_index(node->values, i), list);
    set_list(field, list);
}

/* The library that verifies certificates opens it later; a mistake is better found now. */
static void read_file(const Reading *reading, const Setting *setting, const ConfigNode *node, gpointer field)
{
    bool readable = !reading->read_files
        || (g_file_test(node->text, G_FILE_TEST_IS_REGULAR) && g_access(node->text, R_OK) == 0);

    if (!readable) {
        refuse_text(reading, setting, node, "a file that can be read");
        return;
    }
    g_free(*(char **)field);
    *(char **)field = g_strdup(node->text);
}

const SettingType type_text = {"a text", CONFIG_TEXT, STORE_TEXT, .check = config_check_text};
const SettingType type_path = {"an absolute path", CONFIG_TEXT, STORE_TEXT,
                               .check = config_check_absolute_path};
const SettingType type_file = {"the path of a file", CONFIG_TEXT, STORE_TEXT, config_check_absolute_path,
                               .read = read_file};
const SettingType type_switch = {"true or false", CONFIG_TEXT, STORE_BOOL, .read = read_switch};
const SettingType type_count = {"a whole number", CONFIG_TEXT, STORE_UINT, .read = read_count};
const SettingType type_duration = {"a duration", CONFIG_TEXT, STORE_INT64, .read = read_duration};
const SettingType type_choice = {"a word", CONFIG_TEXT, STORE_UINT, .read = read_choice};
const SettingType type_quota = {"a quota", CONFIG_TEXT, STORE_INT64, .read = read_quota};
const SettingType type_attribute = {"an attribute's name", CONFIG_TEXT, STORE_TEXT,
                                    .check = config_check_attribute};
const SettingType type_unique_id = {"an attribute's name", CONFIG_TEXT, STORE_TEXT,
                                    .check = config_check_unique_id};
const SettingType type_attributes = {"a list of attributes' names", CONFIG_LIST, STORE_LIST,
                                     .check = config_check_attribute};
const SettingType type_template = {"a template", CONFIG_TEXT, STORE_LIST, .read = read_template};
const SettingType type_templates = {"a list of templates", CONFIG_LIST, STORE_LIST, config_check_text,
                                    .read = read_templates};
const SettingType type_locale = {"a language or locale", CONFIG_TEXT, STORE_TEXT,
                                 .check = config_check_locale};
const SettingType type_filter = {"an LDAP filter, or \"\" for nothing", CONFIG_TEXT, STORE_TEXT, .check = config_check_filter};
const SettingType type_dn = {"a distinguished name", CONFIG_TEXT, STORE_TEXT, .check = config_check_dn};
const SettingType type_dn_or_none = {"a distinguished name, or \"\" for none", CONFIG_TEXT, STORE_TEXT,
                                     .check = config_check_dn_or_none};
const SettingType type_ldap_uri = {"a URI", CONFIG_TEXT, STORE_TEXT, .check = config_check_ldap_uri};
const SettingType type_imap_uri = {"a URI", CONFIG_TEXT, STORE_TEXT, .check = config_check_imap_uri};
const SettingType type_host = {"a host name", CONFIG_TEXT, STORE_TEXT, .check = config_check_host};
const SettingType type_partition = {"a partition's name", CONFIG_TEXT, STORE_TEXT,
                                    .check = config_check_partition};
const SettingType type_partition_or_none = {"a partition's name, or \"\" for none", CONFIG_TEXT, STORE_TEXT,
                                            .check = config_check_partition_or_none};
const SettingType type_domain_names = {"a list of domain names", CONFIG_LIST, STORE_LIST,
                                       .check = config_check_domain};
const SettingType type_domains = {"a mapping of domain names", CONFIG_MAPPING, STORE_LIST, .read = NULL};
