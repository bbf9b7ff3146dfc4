#include "daemon/config_domains.h"

#include "daemon/config_imap.h"
#include "directory/dn.h"
#include "model/fault.h"

#include <stddef.h>
#include <string.h>

static void unref_domain(gpointer settings)
{
    domain_settings_unref(settings);
}

static void note(const Reading *reading, const ConfigNode *node, const char *text, const char *what,
                 guint line)
{
    g_autofree char *shown = fault_show(text, strlen(text));

    config_mistakes_add(reading->mistakes, node->line, node->column, "domain %s %s in line %u", shown, what,
                        line);
}

static bool has_word(GPtrArray *words, const char *word)
{
    for (guint i = 0; i < words->len; i++)
        if (g_ascii_strcasecmp(g_ptr_array_index(words, i), word) == 0)
            return true;
    return false;
}

/* The list may be shared with other domains: a new one takes its place. */
static void complete_address_attributes(DomainSettings *settings)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(all, g_strdup(settings->mail_attribute));
    if (!has_word(all, settings->alias_attribute))
        g_ptr_array_add(all, g_strdup(settings->alias_attribute));
    for (guint i = 0; i < settings->address_attributes->len; i++) {
        const char *name = g_ptr_array_index(settings->address_attributes, i);

        if (!has_word(all, name))
            g_ptr_array_add(all, g_strdup(name));
    }
    g_ptr_array_unref(settings->address_attributes);
    settings->address_attributes = all;
}

/* The identity of an entry has to outlive what names its mailbox, and what kolabd writes. */
static void check_unique_id(const Reading *reading, const DomainSettings *settings, const ConfigNode *node)
{
    static const char *const changing[] = {"result", "mail", "alias", "mail_host", "quota"};

    for (gsize i = 0; node != NULL && i < G_N_ELEMENTS(changing); i++) {
        const ConfigNode *name = config_node_find(node, changing[i]);

        if (name != NULL && name->kind == CONFIG_TEXT && g_ascii_strcasecmp(name->text, settings->unique_id_attribute) == 0)
            config_mistakes_add(reading->mistakes, name->line, name->column,
                                "attributes.%s: \"%s\" is ldap.unique_id_attribute, which has to be one that nobody changes",
                                changing[i], settings->unique_id_attribute);
    }
}

void config_domains_check_attributes(const Reading *reading, DomainSettings *settings, const ConfigNode *node)
{
    const char *const names[] = {"mail", "alias", "mail_host", "quota"};
    const char *const written[] = {settings->mail_attribute, settings->alias_attribute,
                                   settings->mail_host_attribute, settings->quota_attribute};

    complete_address_attributes(settings);
    check_unique_id(reading, settings, node);
    for (gsize i = 0; node != NULL && i < G_N_ELEMENTS(written); i++)
        for (gsize j = 0; j < i; j++)
            if (g_ascii_strcasecmp(written[i], written[j]) == 0)
                config_mistakes_add(reading->mistakes, node->line, node->column,
                                    "attributes.%s and attributes.%s are the same attribute \"%s\"", names[j],
                                    names[i], written[i]);
}

void config_domains_drop_empty(DomainSettings *settings)
{
    if (settings->mail_host != NULL && *settings->mail_host == '\0')
        g_clear_pointer(&settings->mail_host, g_free);
    if (settings->placement_partition != NULL && *settings->placement_partition == '\0')
        g_clear_pointer(&settings->placement_partition, g_free);
}

/* Makes the aliases lower case. `taken` knows all domains and the aliases so far, with their nodes. */
static void check_aliases(const Reading *reading, DomainSettings *settings, const ConfigNode *node,
                          GHashTable *taken)
{
    const ConfigNode *list = config_node_find(node, "aliases");

    for (guint i = 0; i < settings->aliases->len; i++) {
        char *alias = g_ascii_strdown(g_ptr_array_index(settings->aliases, i), -1);
        const ConfigNode *item = g_ptr_array_index(list->values, i);
        const ConfigNode *first = g_hash_table_lookup(taken, alias);

        g_free(settings->aliases->pdata[i]);
        settings->aliases->pdata[i] = alias;
        if (first != NULL)
            note(reading, item, alias, "is there already,", first->line);
        else
            g_hash_table_insert(taken, g_strdup(alias), (gpointer)item);
    }
}

/* Whoever is below a base of two domains would belong to both. One within another's is allowed, as it is for domain entries.
 * `bases`: those so far, in one form, each with the node of its domain's name. */
static void check_base(const Reading *reading, const DomainSettings *settings, const ConfigNode *key, const ConfigNode *node,
                       GHashTable *bases)
{
    g_autofree char *base = dn_normalize(settings->base_dn);
    const ConfigNode *own = config_node_find(node, "base_dn"), *at = own != NULL ? own : key;
    const ConfigNode *first = base != NULL ? g_hash_table_lookup(bases, base) : NULL;

    if (first != NULL)
        config_mistakes_add(reading->mistakes, at->line, at->column,
                            "base_dn: %s is the base of domain %s too, in line %u; make one an alias of the other",
                            settings->base_dn, first->text, first->line);
    else if (base != NULL)
        g_hash_table_insert(bases, g_steal_pointer(&base), (gpointer)key);
}

static DomainSettings *read_domain(const Reading *reading, const char *name, const ConfigNode *node,
                                   const DomainSettings *base)
{
    DomainSettings *settings = domain_settings_new(name);

    config_settings_check_names(reading, PLACE_INHERITED | PLACE_DOMAIN, node);
    for (const Setting *setting = config_settings; setting->path != NULL; setting++) {
        const ConfigNode *own = setting->place == PLACE_GLOBAL ? NULL : config_node_find(node, setting->path);

        if (setting->target != TARGET_DOMAIN)
            continue;
        if (setting->place != PLACE_DOMAIN)
            config_setting_inherit(setting, base, settings);
        else if (own == NULL)
            config_setting_fall_back(reading, setting, settings);
        if (own != NULL)
            config_setting_read(reading, setting, own, settings);
    }
    settings->own_base_dn = config_node_find(node, "base_dn") != NULL;
    settings->own_aliases = config_node_find(node, "aliases") != NULL;
    config_domains_check_attributes(reading, settings, config_node_find(node, "attributes"));
    config_imap_complete_mail_host(node, base, settings);
    config_domains_drop_empty(settings);
    return settings;
}

/* What a domain of its own name may take from another. */
static bool is_derived(const Setting *setting, const DomainSettings *from)
{
    if (setting->target != TARGET_DOMAIN)
        return false;
    if (setting->place != PLACE_DOMAIN)
        return true;
    return (setting->offset == offsetof(DomainSettings, base_dn) && from->own_base_dn)
        || (setting->offset == offsetof(DomainSettings, aliases) && from->own_aliases);
}

DomainSettings *config_domains_derive(const DomainSettings *from, const char *name)
{
    DomainSettings *settings = domain_settings_new(name);

    settings->own_base_dn = from->own_base_dn;
    settings->own_aliases = from->own_aliases;
    for (const Setting *setting = config_settings; setting->path != NULL; setting++)
        if (is_derived(setting, from))
            config_setting_inherit(setting, from, settings);
    return settings;
}

/* Notes what is wrong with a domain's name or place; true when it can be read. */
static bool check_domain(const Reading *reading, const ConfigNode *key, const ConfigNode *node,
                         GHashTable *taken)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_ascii_strdown(key->text, -1);
    const ConfigNode *first = g_hash_table_lookup(taken, name);

    if (!config_check_domain(key->text, &error))
        config_mistakes_add(reading->mistakes, key->line, key->column, "domains: %s", error->message);
    else if (first != key)
        note(reading, key, name, "is there already,", first->line);
    else if (node->kind == CONFIG_MAPPING || config_node_is_null(node))
        return true;
    else if (node->kind != CONFIG_REFUSED)
        config_mistakes_add(reading->mistakes, node->line, node->column,
                            "domains: want a mapping of the domain's settings, or {}, got %s",
                            config_node_describe(node));
    return false;
}

/* All domains by name in lower case, each with its first node. */
static GHashTable *list_names(const ConfigNode *domains)
{
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < domains->keys->len; i++) {
        ConfigNode *key = g_ptr_array_index(domains->keys, i);
        g_autofree char *name = g_ascii_strdown(key->text, -1);

        if (!g_hash_table_contains(names, name))
            g_hash_table_insert(names, g_steal_pointer(&name), key);
    }
    return names;
}

static void note_none(const Reading *reading, const ConfigNode *node)
{
    config_mistakes_add(reading->mistakes, node->line, node->column,
                        "domains: want a mapping with one domain at least, such as \"example.org: {}\" (none is needed with "
                        "domain_discovery.base_dn)");
}

GPtrArray *config_domains_read(const Reading *reading, const ConfigNode *root, const DomainSettings *base, bool optional)
{
    const ConfigNode *domains = config_node_find(root, "domains");
    GPtrArray *all = g_ptr_array_new_with_free_func(unref_domain);
    g_autoptr(GHashTable) bases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) taken = NULL;

    if (domains == NULL && !optional)
        config_mistakes_add(reading->mistakes, root->line, root->column,
                            "domains is missing: the domains served, by name (or set domain_discovery.base_dn)");
    if (domains == NULL || domains->kind == CONFIG_REFUSED || (optional && config_node_is_null(domains)))
        return all;
    if (domains->kind != CONFIG_MAPPING || (domains->keys->len == 0 && !optional)) {
        note_none(reading, domains);
        return all;
    }
    taken = list_names(domains);
    for (guint i = 0; i < domains->keys->len; i++) {
        const ConfigNode *key = g_ptr_array_index(domains->keys, i),
                         *node = g_ptr_array_index(domains->values, i);
        DomainSettings *settings;

        if (!check_domain(reading, key, node, taken))
            continue;
        settings = read_domain(reading, key->text, node, base);
        check_aliases(reading, settings, node, taken);
        if (!optional || settings->own_base_dn) /* else its entry may say another */
            check_base(reading, settings, key, node, bases);
        domain_settings_seal(settings);
        g_ptr_array_add(all, settings);
    }
    return all;
}
