#include "daemon/domain.h"

#include "daemon/config_check.h"
#include "daemon/config_domains.h"
#include "model/fault.h"

#include <string.h>

const char *domain_status_name(DomainStatus status)
{
    switch (status) {
    case DOMAIN_SERVED:
        return "served";
    case DOMAIN_SUSPENDED:
        return "suspended";
    case DOMAIN_DELETED:
        return "deleted";
    case DOMAIN_REFUSED:
        return "refused";
    }
    g_assert_not_reached();
}

void domain_free(Domain *domain)
{
    if (domain == NULL)
        return;
    g_free(domain->name);
    g_free(domain->reason);
    domain_settings_unref(domain->settings);
    g_free(domain);
}

bool domain_has_name(const Domain *domain, const char *name)
{
    if (g_ascii_strcasecmp(domain->name, name) == 0)
        return true;
    for (guint i = 0; domain->settings != NULL && i < domain->settings->aliases->len; i++)
        if (g_ascii_strcasecmp(g_ptr_array_index(domain->settings->aliases, i), name) == 0)
            return true;
    return false;
}

void domain_refuse(Domain *domain, char *reason)
{
    if (domain->status == DOMAIN_REFUSED) {
        g_free(reason);
        return;
    }
    g_free(domain->reason);
    domain->reason = reason;
    domain->status = DOMAIN_REFUSED;
    g_clear_pointer(&domain->settings, domain_settings_unref);
}

void domain_remark(Domain *domain, char *remark)
{
    char *both = domain->reason == NULL ? g_strdup(remark) : g_strconcat(domain->reason, "; ", remark, NULL);

    g_free(domain->reason);
    domain->reason = both;
    g_free(remark);
}

/* Names of Kolab's set-up for the mail server's own sake: nobody gets an address in them. */
static bool is_local_name(const char *name)
{
    return strchr(name, '.') == NULL || strcmp(name, "localhost.localdomain") == 0;
}

/* The entry's names, lower case, each once, that are domain names; what is none is told in *remark. */
static bool read_names(const Entry *entry, const char *attribute, GPtrArray **names, char **remark, GError **error)
{
    g_autoptr(GPtrArray) values = NULL;

    if (!entry_get_values(entry, attribute, &values, error))
        return false;
    *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < values->len; i++) {
        g_autofree char *name = g_ascii_strdown(g_ptr_array_index(values, i), -1);
        g_autoptr(GError) problem = NULL;

        if (config_check_domain(name, &problem)) {
            if (!g_ptr_array_find_with_equal_func(*names, name, g_str_equal, NULL))
                g_ptr_array_add(*names, g_steal_pointer(&name));
        } else if (*remark == NULL) {
            *remark = g_strdup_printf("%s: %s", attribute, problem->message);
        }
    }
    return true;
}

/* "dc=example,dc=org" of example.org, as a domain without a base DN has it. */
static bool is_made_of(const char *base_dn, const char *name)
{
    g_autoptr(DomainSettings) settings = domain_settings_new(name);
    g_auto(GStrv) parts = g_strsplit(base_dn, " ", -1);
    g_autofree char *tight = g_strjoinv("", parts);

    return g_ascii_strcasecmp(tight, settings->base_dn) == 0;
}

/* Which of several names is the domain's own: values have no order, so the RDN says it, else the base DN. NULL: nobody can
 * tell. Owned by the names. */
static const char *choose_name(const Entry *entry, const char *attribute, const char *base_dn, const GPtrArray *names)
{
    g_autofree char *value = NULL;
    g_autofree char *lower = NULL;
    bool in_rdn = strncasecmp(entry_dn(entry), attribute, strlen(attribute)) == 0 && entry_dn(entry)[strlen(attribute)] == '=';

    if (names->len == 1)
        return g_ptr_array_index(names, 0);
    if (in_rdn && entry_get_value(entry, attribute, &value, NULL) && value != NULL)
        lower = g_ascii_strdown(value, -1);
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);

        if (in_rdn ? g_strcmp0(name, lower) == 0 : base_dn != NULL && is_made_of(base_dn, name))
            return name;
    }
    return NULL;
}

static bool read_base_dn(const Entry *entry, const char *attribute, char **base_dn, GError **error)
{
    g_autofree char *value = NULL;

    if (!entry_get_value(entry, attribute, &value, error))
        return false;
    if (value != NULL && entry_count_values(entry, attribute) > 1) {
        g_set_error(error, FAULT, FAULT_PARK, "%s has several values", attribute);
        return false;
    }
    if (value != NULL && !config_check_dn(value, error)) {
        g_prefix_error(error, "%s: ", attribute);
        return false;
    }
    *base_dn = g_steal_pointer(&value);
    return true;
}

/* Absent means active, and a value nobody knows means inactive (Netscape's schema, inetDomainStatus). */
static bool read_status(const Entry *entry, const char *attribute, Domain *domain, GError **error)
{
    g_autoptr(GPtrArray) values = NULL;

    if (!entry_get_values(entry, attribute, &values, error))
        return false;
    for (guint i = 0; i < values->len; i++) {
        const char *value = g_ptr_array_index(values, i);

        if (g_ascii_strcasecmp(value, "active") == 0)
            continue;
        if (domain->status != DOMAIN_DELETED)
            domain->status = g_ascii_strcasecmp(value, "deleted") == 0 ? DOMAIN_DELETED : DOMAIN_SUSPENDED;
        g_free(domain->reason);
        domain->reason = g_strdup_printf("%s is \"%s\"", attribute, value);
    }
    return true;
}

static DomainSettings *make_settings(const Config *config, const char *name, const char *base_dn, const GPtrArray *names)
{
    const DomainSettings *from = config_find_domain(config, name);
    DomainSettings *settings =
        config_domains_derive(from != NULL && strcmp(from->name, name) == 0 ? from : config->defaults, name);

    if (base_dn != NULL && !settings->own_base_dn) {
        g_free(settings->base_dn);
        settings->base_dn = g_strdup(base_dn);
    }
    for (guint i = 0; !settings->own_aliases && i < names->len; i++) {
        const char *alias = g_ptr_array_index(names, i);

        if (strcmp(alias, name) != 0 && !is_local_name(alias))
            g_ptr_array_add(settings->aliases, g_strdup(alias));
    }
    return settings;
}

static bool read_entry(const Config *config, const Entry *entry, Domain *domain, GError **error)
{
    const DiscoverySettings *discovery = &config->discovery;
    g_autoptr(GPtrArray) names = NULL;
    g_autofree char *base_dn = NULL;
    g_autofree char *remark = NULL;
    const char *name;
    bool based;

    if (!read_names(entry, discovery->name_attribute, &names, &remark, error))
        return false;
    if (names->len == 0) {
        g_set_error(error, FAULT, FAULT_PARK, "%s",
                    remark != NULL ? remark : "the entry has no name of a domain that the bind DN may read");
        return false;
    }
    based = read_base_dn(entry, discovery->base_attribute, &base_dn, error);
    name = choose_name(entry, discovery->name_attribute, base_dn, names);
    if (name == NULL) {
        g_clear_error(error);
        g_set_error(error, FAULT, FAULT_PARK, "which of its %u names is the domain's own? Let the RDN hold it (%s=...)",
                    names->len, discovery->name_attribute);
        return false;
    }
    /* A domain whose entry is refused keeps its name: nobody else serves it meanwhile. */
    g_free(domain->name);
    domain->name = g_strdup(name);
    if (!based)
        return false;
    if (remark != NULL)
        domain_remark(domain, g_steal_pointer(&remark));
    domain->settings = make_settings(config, name, base_dn, names);
    return read_status(entry, discovery->status_attribute, domain, error);
}

Domain *domain_of_entry(const Config *config, const Entry *entry)
{
    Domain *domain = g_new0(Domain, 1);
    g_autoptr(GError) problem = NULL;

    domain->name = g_strdup(entry_dn(entry));
    if (!read_entry(config, entry, domain, &problem))
        domain_refuse(domain, g_strdup_printf("domain entry \"%s\": %s", entry_dn(entry), problem->message));
    return domain;
}

Domain *domain_of_settings(DomainSettings *settings)
{
    Domain *domain = g_new0(Domain, 1);

    domain->name = g_strdup(settings->name);
    domain->settings = domain_settings_ref(settings);
    return domain;
}
