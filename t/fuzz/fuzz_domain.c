/* Any values of domain entries: of each domain one status, of served ones a name, a base and aliases that are domain names and
 * nobody else's; what is refused says why in text that can be shown. Values are as in fuzz_entry: an octet that names the
 * attribute, up to a newline; an octet 3 modulo 4 begins the next entry, its value is the RDN's. */
#include "daemon/config_check.h"
#include "daemon/discovery.h"
#include "model/fault.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char CONFIGURATION[] =
    "ldap: {uri: \"ldaps://x\", bind_dn: \"cn=x\", bind_password_file: /x}\n"
    "imap: {uri: \"imaps://x\", admin_login: x, admin_password_file: /x}\n"
    "domain_discovery: {base_dn: \"cn=kolab,cn=config\"}\n"
    "domains: {example.org: {aliases: [example.net]}, example.com: {base_dn: \"dc=com\"}}\n";

static Config *make_config(void)
{
    Config *config = NULL;
    g_autoptr(GError) error = NULL;
    bool parsed = config_parse("fuzz", CONFIGURATION, strlen(CONFIGURATION), false, &config, &error);

    g_assert_no_error(error);
    g_assert(parsed);
    return config;
}

static GPtrArray *make_entries(const char *at, const char *end)
{
    static const char *const attributes[] = {"associatedDomain", "inetDomainBaseDN", "inetDomainStatus", "associatedDomain"};
    GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)entry_free);

    while (at < end) {
        guint choice = (unsigned char)*at++ % G_N_ELEMENTS(attributes);
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        gsize len = (gsize)((newline != NULL ? newline : end) - at);

        if (choice == 3 || entries->len == 0) {
            g_autofree char *dn = g_strdup_printf("%s=%u,cn=kolab,cn=config", attributes[choice], entries->len);

            g_ptr_array_add(entries, entry_new(dn, dn, KIND_NONE));
            entry_add_rdn(g_ptr_array_index(entries, entries->len - 1), attributes[choice], at, len);
        }
        entry_add_value(g_ptr_array_index(entries, entries->len - 1), attributes[choice], at, len);
        at = newline != NULL ? newline + 1 : end;
    }
    return entries;
}

/* A name of two domains would give addresses of one to people of the other. */
static void check_name(GHashTable *taken, const char *name)
{
    g_assert(config_check_domain(name, NULL));
    g_assert(g_hash_table_add(taken, (gpointer)name));
}

static void check_domain(const Domain *domain, GHashTable *taken, GHashTable *bases)
{
    g_assert(domain->name != NULL && (domain->reason == NULL || g_utf8_validate(domain->reason, -1, NULL)));
    for (const char *c = domain->reason; c != NULL && *c != '\0'; c++)
        g_assert(!g_ascii_iscntrl(*c));
    if (domain->status == DOMAIN_REFUSED)
        g_assert(domain->reason != NULL);
    if (domain->status != DOMAIN_SERVED)
        return;
    g_assert(config_check_dn(domain->settings->base_dn, NULL));
    check_name(taken, domain->name);
    for (guint i = 0; i < domain->settings->aliases->len; i++)
        check_name(taken, g_ptr_array_index(domain->settings->aliases, i));
    g_assert(g_hash_table_add(bases, g_utf8_strdown(domain->settings->base_dn, -1)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Config *config;
    g_autoptr(GPtrArray) entries = make_entries((const char *)data, (const char *)data + size);
    g_autoptr(GHashTable) taken = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) bases = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) domains = NULL;

    if (config == NULL)
        config = make_config();
    domains = discovery_merge(config, entries);
    for (guint i = 0; i < domains->len; i++) {
        const Domain *domain = g_ptr_array_index(domains, i);

        check_domain(domain, taken, bases);
        g_assert(i == 0 || strcmp(((const Domain *)g_ptr_array_index(domains, i - 1))->name, domain->name) <= 0);
    }
    return 0;
}
