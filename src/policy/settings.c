#include "policy/settings.h"

#include "model/account.h"
#include "policy/template.h"

#include <string.h>

static const char *const primary_default = "%(givenname)s.%(surname)s@%(domain)s";
static const char *const secondary_default[] = {
    "%(givenname[0:1])s.%(surname)s@%(domain)s",
    "%(uid)s@%(domain)s",
    "%(givenname)s.%(surname)s@%(domain)s",
};

static void add_template(GPtrArray *templates, const char *text)
{
    g_autoptr(GError) error = NULL;
    Template *template = template_parse(text, &error);

    g_assert_no_error(error);
    g_ptr_array_add(templates, template);
}

/* "dc=example,dc=org" of "example.org": where a directory that follows RFC 2247 has it. */
static char *default_base_dn(const char *name)
{
    g_auto(GStrv) labels = g_strsplit(name, ".", -1);
    g_autofree char *rest = g_strjoinv(",dc=", labels);

    return g_strconcat("dc=", rest, NULL);
}

DomainSettings *domain_settings_new(const char *name)
{
    DomainSettings *settings = g_new0(DomainSettings, 1);

    settings->ref_count = 1;
    settings->name = g_ascii_strdown(name, -1);
    settings->aliases = g_ptr_array_new_with_free_func(g_free);
    settings->base_dn = default_base_dn(settings->name);
    settings->opt_out_filter = g_strdup("");
    settings->filters[KIND_USER] = g_strdup("(objectClass=kolabInetOrgPerson)");
    settings->filters[KIND_RESOURCE] = g_strdup("(&(objectClass=kolabSharedFolder)(objectClass=kolabResource))");
    settings->filters[KIND_SHARED_FOLDER] = g_strdup("(objectClass=kolabSharedFolder)");
    settings->filters[KIND_GROUP] = g_strdup("(|(objectClass=kolabGroupOfUniqueNames)(objectClass=kolabGroupOfURLs))");
    settings->unique_id_attribute = g_strdup("nsUniqueId");
    settings->result_attribute = g_strdup("mail");
    settings->mail_attribute = g_strdup("mail");
    settings->alias_attribute = g_strdup("alias");
    settings->address_attributes = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(settings->address_attributes, g_strdup("mail"));
    g_ptr_array_add(settings->address_attributes, g_strdup("alias"));
    settings->mail_host_attribute = g_strdup("mailHost");
    settings->quota_attribute = g_strdup("mailQuota");
    settings->folder_type_attribute = g_strdup("kolabFolderType");
    settings->acl_attribute = g_strdup("acl");
    settings->target_folder_attribute = g_strdup("kolabTargetFolder");
    settings->delivery_attribute = g_strdup("mail");
    settings->policy_mode = POLICY_WHEN_EMPTY;
    settings->primary = g_ptr_array_new_with_free_func((GDestroyNotify)template_free);
    add_template(settings->primary, primary_default);
    settings->secondary = g_ptr_array_new_with_free_func((GDestroyNotify)template_free);
    for (gsize i = 0; i < G_N_ELEMENTS(secondary_default); i++)
        add_template(settings->secondary, secondary_default[i]);
    settings->default_locale = g_strdup("en_US");
    settings->default_quota_kib = QUOTA_ANY;
    settings->folders = g_ptr_array_new_with_free_func((GDestroyNotify)folder_free);
    settings->placement_policy = PLACEMENT_SERVER;
    settings->settle_timeout_us = 30 * G_TIME_SPAN_SECOND;
    settings->deletion_mode = DELETION_DELETE;
    settings->deletion_limit = 10;
    settings->deletion_limit_percent = 5;
    settings->deletion_delay_us = 10 * G_TIME_SPAN_SECOND;
    return settings;
}

DomainSettings *domain_settings_ref(DomainSettings *settings)
{
    g_atomic_int_inc(&settings->ref_count);
    return settings;
}

void domain_settings_unref(DomainSettings *settings)
{
    if (settings == NULL || !g_atomic_int_dec_and_test(&settings->ref_count))
        return;
    g_free(settings->name);
    g_ptr_array_unref(settings->aliases);
    g_free(settings->base_dn);
    for (guint kind = 0; kind < KIND_COUNT; kind++)
        g_free(settings->filters[kind]);
    g_free(settings->opt_out_filter);
    g_free(settings->unique_id_attribute);
    g_free(settings->result_attribute);
    g_free(settings->mail_attribute);
    g_free(settings->alias_attribute);
    g_ptr_array_unref(settings->address_attributes);
    g_free(settings->mail_host_attribute);
    g_free(settings->quota_attribute);
    g_free(settings->folder_type_attribute);
    g_free(settings->acl_attribute);
    g_free(settings->target_folder_attribute);
    g_free(settings->delivery_attribute);
    g_ptr_array_unref(settings->primary);
    g_ptr_array_unref(settings->secondary);
    g_free(settings->default_locale);
    g_free(settings->mail_host);
    g_free(settings->placement_partition);
    g_ptr_array_unref(settings->folders);
    g_free(settings->digest);
    g_free(settings);
}

static void digest_number(GChecksum *checksum, gint64 number)
{
    gint64 octets = GINT64_TO_LE(number);

    g_checksum_update(checksum, (const guchar *)&octets, sizeof octets);
}

/* A length in front keeps different splits of the same octets apart; NULL has the length -1. */
static void digest_text(GChecksum *checksum, const char *text)
{
    digest_number(checksum, text == NULL ? -1 : (gint64)strlen(text));
    if (text != NULL)
        g_checksum_update(checksum, (const guchar *)text, (gssize)strlen(text));
}

static void digest_texts(GChecksum *checksum, const GPtrArray *texts)
{
    digest_number(checksum, texts->len);
    for (guint i = 0; i < texts->len; i++)
        digest_text(checksum, g_ptr_array_index(texts, i));
}

static void digest_templates(GChecksum *checksum, const GPtrArray *templates)
{
    digest_number(checksum, templates->len);
    for (guint i = 0; i < templates->len; i++)
        digest_text(checksum, template_text(g_ptr_array_index(templates, i)));
}

void domain_settings_seal(DomainSettings *settings)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    const char *const texts[] = {
        settings->name,
        settings->base_dn,
        settings->opt_out_filter,
        settings->unique_id_attribute,
        settings->result_attribute,
        settings->mail_attribute,
        settings->alias_attribute,
        settings->mail_host_attribute,
        settings->quota_attribute,
        settings->folder_type_attribute,
        settings->acl_attribute,
        settings->target_folder_attribute,
        settings->delivery_attribute,
        settings->default_locale,
        settings->mail_host,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        digest_text(checksum, texts[i]);
    for (guint kind = 0; kind < KIND_COUNT; kind++)
        digest_text(checksum, settings->filters[kind]);
    digest_texts(checksum, settings->aliases);
    digest_texts(checksum, settings->address_attributes);
    digest_number(checksum, settings->policy_mode);
    digest_templates(checksum, settings->primary);
    digest_templates(checksum, settings->secondary);
    digest_number(checksum, settings->default_quota_kib);
    digest_number(checksum, settings->enforce_folders);
    digest_number(checksum, settings->read_only);
    digest_number(checksum, settings->placement_move);
    g_free(settings->digest);
    settings->digest = g_strdup(g_checksum_get_string(checksum));
}

char *domain_settings_filter(const DomainSettings *settings, EntryKind kind)
{
    g_autoptr(GString) filter = g_string_new("(&");

    if (*settings->filters[kind] == '\0')
        return NULL;
    g_string_append(filter, settings->filters[kind]);
    for (guint earlier = KIND_NONE + 1; earlier < kind; earlier++)
        if (*settings->filters[earlier] != '\0')
            g_string_append_printf(filter, "(!%s)", settings->filters[earlier]);
    if (*settings->opt_out_filter != '\0')
        g_string_append_printf(filter, "(!%s)", settings->opt_out_filter);
    g_string_append_c(filter, ')');
    return g_strdup(filter->str);
}

static void add_name(GPtrArray *names, const char *name)
{
    for (guint i = 0; i < names->len; i++)
        if (g_ascii_strcasecmp(g_ptr_array_index(names, i), name) == 0)
            return;
    g_ptr_array_add(names, g_strdup(name));
}

const char *domain_settings_attribute_of(const char *name)
{
    if (strcmp(name, "domain") == 0 || strcmp(name, "standard_domain") == 0)
        return NULL;
    return strcmp(name, "surname") == 0 ? "sn" : name;
}

static void add_template_names(GPtrArray *names, const GPtrArray *templates)
{
    for (guint i = 0; i < templates->len; i++) {
        const char *const *used = template_names(g_ptr_array_index(templates, i));

        for (; *used != NULL; used++) {
            const char *attribute = domain_settings_attribute_of(*used);

            if (attribute != NULL)
                add_name(names, attribute);
        }
    }
}

char **domain_settings_attributes(const DomainSettings *settings)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    add_name(names, settings->mail_attribute);
    add_name(names, settings->alias_attribute);
    for (guint i = 0; i < settings->address_attributes->len; i++)
        add_name(names, g_ptr_array_index(settings->address_attributes, i));
    add_name(names, settings->result_attribute);
    add_name(names, settings->mail_host_attribute);
    add_name(names, settings->quota_attribute);
    add_name(names, "cn");
    add_name(names, settings->target_folder_attribute);
    add_name(names, settings->folder_type_attribute);
    add_name(names, settings->acl_attribute);
    add_name(names, settings->delivery_attribute);
    add_name(names, "preferredLanguage");
    add_name(names, "cn"); /* what a group is called in access control lists */
    add_template_names(names, settings->primary);
    add_template_names(names, settings->secondary);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}
