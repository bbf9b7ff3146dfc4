#include "daemon/discovery.h"
#include "daemon/domains.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define SERVERS \
    "ldap: {uri: ldaps://ldap.example.org, bind_dn: 'cn=kolabd', bind_password_file: /p}\n" \
    "imap: {uri: imaps://imap.example.org, admin_login: cyrus, admin_password_file: /p}\n"
#define DISCOVERY "domain_discovery: {base_dn: 'cn=kolab,cn=config'}\n"

static Config *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    Config *config = NULL;

    ck_assert_msg(config_parse("x", text, strlen(text), false, &config, &error), "%s", error ? error->message : "");
    return config;
}

/* "dn; name: value; name: value": the RDN's value is one of the values. */
static Entry *make_entry(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "; ", -1);
    g_auto(GStrv) rdn = g_strsplit_set(parts[0], "=,", 3);
    Entry *entry = entry_new(parts[0], parts[0], KIND_NONE);

    entry_add_rdn(entry, rdn[0], rdn[1], strlen(rdn[1]));
    for (char **part = parts + 1; *part != NULL; part++) {
        g_auto(GStrv) pair = g_strsplit(*part, ": ", 2);

        entry_add_value(entry, pair[0], pair[1], strlen(pair[1]));
    }
    return entry;
}

/* "name status base_dn aliases, ... (reason)", a line a domain; a refused one has neither base nor aliases. */
static char *show(const GPtrArray *list)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < list->len; i++) {
        const Domain *domain = g_ptr_array_index(list, i);

        g_string_append_printf(text, "%s %s", domain->name, domain_status_name(domain->status));
        if (domain->settings != NULL)
            g_string_append_printf(text, " %s", domain->settings->base_dn);
        for (guint a = 0; domain->settings != NULL && a < domain->settings->aliases->len; a++)
            g_string_append_printf(text, " +%s", (char *)g_ptr_array_index(domain->settings->aliases, a));
        if (domain->reason != NULL)
            g_string_append_printf(text, " (%s)", domain->reason);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

static GPtrArray *merge(const Config *config, const char *const *texts)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func((GDestroyNotify)entry_free);

    for (; *texts != NULL; texts++)
        g_ptr_array_add(entries, make_entry(*texts));
    return discovery_merge(config, entries);
}

#define A "associatedDomain=a.org,cn=kolab; associatedDomain: a.org"
#define B "associatedDomain=b.org,cn=kolab; associatedDomain: b.org"

static const struct {
    const char *file; /* what it says beside the servers */
    const char *entries[4];
    const char *domains;
} rows[] = {
    /* names */
    {"", {A}, "a.org served dc=a,dc=org\n"},
    {"", {"associatedDomain=a.org,cn=kolab; associatedDomain: aa.org; associatedDomain: a.org; associatedDomain: 0.org"},
     "a.org served dc=a,dc=org +0.org +aa.org\n"},
    {"", {"associatedDomain=A.Org,cn=kolab; associatedDomain: A.Org; associatedDomain: B.ORG"},
     "a.org served dc=a,dc=org +b.org\n"},
    {"", {"cn=x,cn=kolab; associatedDomain: a.org"}, "a.org served dc=a,dc=org\n"},
    {"", {"cn=x,cn=kolab; associatedDomain: a.org; associatedDomain: b.org; inetDomainBaseDN: DC=b, dc=org"},
     "b.org served DC=b, dc=org +a.org\n"},
    {"", {"cn=x,cn=kolab; associatedDomain: a.org; associatedDomain: b.org"},
     "cn=x,cn=kolab refused (domain entry \"cn=x,cn=kolab\": which of its 2 names is the domain's own? Let the RDN hold it "
     "(associatedDomain=...))\n"},
    {"", {A "; associatedDomain: localhost; associatedDomain: localhost.localdomain; associatedDomain: mail.a.org"},
     "a.org served dc=a,dc=org +mail.a.org\n"},
    {"", {"cn=x,cn=kolab; description: nothing"},
     "cn=x,cn=kolab refused (domain entry \"cn=x,cn=kolab\": the entry has no name of a domain that the bind DN may read)\n"},
    {"", {"cn=x,cn=kolab; associatedDomain: a_b.org"},
     "cn=x,cn=kolab refused (domain entry \"cn=x,cn=kolab\": associatedDomain: want a domain name (letters, digits, hyphens, "
     "dots; international names as xn--...), got \"a_b.org\")\n"},
    {"", {A "; associatedDomain: *"},
     "a.org served dc=a,dc=org (associatedDomain: want a domain name (letters, digits, hyphens, dots; international names as "
     "xn--...), got \"*\")\n"},
    /* bases */
    {"", {A "; inetDomainBaseDN: ou=a,o=x"}, "a.org served ou=a,o=x\n"},
    {"", {A "; inetDomainBaseDN: nonsense"},
     "a.org refused (domain entry \"associatedDomain=a.org,cn=kolab\": inetDomainBaseDN: want a distinguished name such as "
     "ou=People,dc=example,dc=org, got \"nonsense\")\n"},
    {"", {A "; inetDomainBaseDN: o=x; inetDomainBaseDN: o=y"},
     "a.org refused (domain entry \"associatedDomain=a.org,cn=kolab\": inetDomainBaseDN has several values)\n"},
    /* status */
    {"", {A "; inetDomainStatus: Active"}, "a.org served dc=a,dc=org\n"},
    {"", {A "; inetDomainStatus: suspended"}, "a.org suspended dc=a,dc=org (inetDomainStatus is \"suspended\")\n"},
    {"", {A "; inetDomainStatus: inactive"}, "a.org suspended dc=a,dc=org (inetDomainStatus is \"inactive\")\n"},
    {"", {A "; inetDomainStatus: deleted"}, "a.org deleted dc=a,dc=org (inetDomainStatus is \"deleted\")\n"},
    {"", {A "; inetDomainStatus: holiday"}, "a.org suspended dc=a,dc=org (inetDomainStatus is \"holiday\")\n"},
    {"", {A "; inetDomainStatus: active; inetDomainStatus: suspended"},
     "a.org suspended dc=a,dc=org (inetDomainStatus is \"suspended\")\n"},
    /* several domains */
    {"", {B, A}, "a.org served dc=a,dc=org\nb.org served dc=b,dc=org\n"},
    {"", {A, "cn=x,cn=kolab; associatedDomain: a.org; inetDomainBaseDN: o=other"},
     "a.org refused (several domain entries name this domain; leave one of them)\n"},
    {"", {A "; associatedDomain: b.org", B},
     "a.org served dc=a,dc=org (alias b.org belongs to domain b.org)\nb.org served dc=b,dc=org\n"},
    {"", {A "; associatedDomain: c.org", B "; associatedDomain: c.org"},
     "a.org served dc=a,dc=org +c.org\nb.org served dc=b,dc=org (alias c.org belongs to domain a.org)\n"},
    {"", {A "; inetDomainBaseDN: o=x", B "; inetDomainBaseDN: O=X"},
     "a.org refused (its base \"o=x\" is that of domain b.org too; make one an alias of the other)\n"
     "b.org refused (its base \"O=X\" is that of domain a.org too; make one an alias of the other)\n"},
    {"domains: {c.org: {base_dn: 'OU=x,o=y'}}\n", {A "; inetDomainBaseDN: ou=x, o=y", B "; inetDomainBaseDN: ou=\\78,o=y"},
     "a.org refused (its base \"ou=x, o=y\" is that of domain b.org too; make one an alias of the other)\n"
     "b.org refused (its base \"ou=\\78,o=y\" is that of domain a.org too; make one an alias of the other)\n"
     "c.org refused (its base \"OU=x,o=y\" is that of domain a.org too; make one an alias of the other)\n"},
    {"", {A "; inetDomainBaseDN: o=x", B "; inetDomainBaseDN: ou=b,o=x"}, "a.org served o=x\nb.org served ou=b,o=x\n"},
    {"", {A "; inetDomainBaseDN: o=x; inetDomainStatus: deleted", B "; inetDomainBaseDN: o=x"},
     "a.org deleted o=x (inetDomainStatus is \"deleted\")\nb.org served o=x\n"},
    /* with domains of the file */
    {"domains: {f.org: {aliases: [g.org]}}\n", {A}, "a.org served dc=a,dc=org\nf.org served dc=f,dc=org +g.org\n"},
    {"domains: {a.org: {}}\n", {A "; associatedDomain: c.org; inetDomainBaseDN: o=x"}, "a.org served o=x +c.org\n"},
    {"domains: {a.org: {base_dn: o=file}}\n", {A "; associatedDomain: c.org; inetDomainBaseDN: o=x"},
     "a.org served o=file +c.org\n"},
    {"domains: {a.org: {aliases: [d.org]}}\n", {A "; associatedDomain: c.org; inetDomainBaseDN: o=x"},
     "a.org served o=x +d.org\n"},
    {"domains: {a.org: {}}\n", {A "; inetDomainStatus: suspended"},
     "a.org suspended dc=a,dc=org (inetDomainStatus is \"suspended\")\n"},
    {"domains: {z.org: {aliases: [c.org]}}\n", {A "; associatedDomain: c.org"},
     "a.org served dc=a,dc=org (alias c.org belongs to domain z.org)\nz.org served dc=z,dc=org +c.org\n"},
    {"domains: {z.org: {aliases: [a.org]}}\n", {A},
     "a.org served dc=a,dc=org\nz.org served dc=z,dc=org (alias a.org belongs to domain a.org)\n"},
    {"domains: {c.org: {}}\n", {A "; associatedDomain: c.org"},
     "a.org served dc=a,dc=org (alias c.org belongs to domain c.org)\nc.org served dc=c,dc=org\n"},
};

START_TEST(domain_entries_and_the_file_make_these_domains)
{
    g_autofree char *text = g_strconcat(SERVERS DISCOVERY, rows[_i].file, NULL);
    g_autoptr(Config) config = parse(text);
    g_autoptr(GPtrArray) list = merge(config, rows[_i].entries);
    g_autofree char *shown = show(list);

    ck_assert_str_eq(shown, rows[_i].domains);
}
END_TEST

START_TEST(other_attribute_names_may_be_set)
{
    const char *const entries[] = {"dc=a.org,o=x; dc: a.org; dc: b.org; top: o=y; state: closed", NULL};
    g_autoptr(Config) config = parse(SERVERS "domain_discovery: {base_dn: o=x, name_attribute: dc, base_attribute: top, "
                                             "status_attribute: state}\n");
    g_autoptr(GPtrArray) list = merge(config, entries);
    g_autofree char *shown = show(list);

    ck_assert_str_eq(shown, "a.org suspended o=y +b.org (state is \"closed\")\n");
}
END_TEST

START_TEST(a_discovered_domain_has_the_settings_of_the_file)
{
    const char *const entries[] = {A, B, NULL};
    g_autoptr(Config) config = parse(SERVERS DISCOVERY "quota: {default: 1MiB}\nfolders: {create: {Sent: {}}}\n"
                                                       "domains: {B.org: {quota: {default: 2MiB}}}\n");
    g_autoptr(GPtrArray) list = merge(config, entries);
    const DomainSettings *a = domains_find(list, "a.org")->settings, *b = domains_find(list, "b.org")->settings;

    ck_assert_int_eq(a->default_quota_kib, 1024);
    ck_assert_int_eq(b->default_quota_kib, 2048);
    ck_assert_uint_eq(a->folders->len, 1);
    ck_assert_str_eq(a->mail_host, "imap.example.org");
    ck_assert_ptr_nonnull(a->digest);
    ck_assert_str_ne(a->digest, b->digest);
}
END_TEST

START_TEST(a_new_alias_changes_the_digest_and_the_order_of_values_does_not)
{
    const char *const one[] = {A "; associatedDomain: c.org; associatedDomain: d.org", NULL};
    const char *const two[] = {A "; associatedDomain: d.org; associatedDomain: c.org", NULL};
    const char *const three[] = {A "; associatedDomain: c.org", NULL};
    g_autoptr(Config) config = parse(SERVERS DISCOVERY);
    g_autoptr(GPtrArray) first = merge(config, one), second = merge(config, two), third = merge(config, three);
    const char *digest = domains_find(first, "a.org")->settings->digest;

    ck_assert_str_eq(digest, domains_find(second, "a.org")->settings->digest);
    ck_assert_str_ne(digest, domains_find(third, "a.org")->settings->digest);
}
END_TEST

START_TEST(the_registry_knows_nothing_before_the_directory_was_read)
{
    const char *const entries[] = {A, B "; inetDomainStatus: suspended", NULL};
    g_autoptr(Config) config = parse(SERVERS DISCOVERY "domains: {f.org: {}}\n");
    g_autoptr(Domains) domains = domains_new(config);
    g_autoptr(GPtrArray) before = domains_list(domains);
    g_autoptr(GPtrArray) replaced = NULL;
    g_autoptr(DomainSettings) a = NULL;
    g_autoptr(DomainSettings) b = NULL;

    ck_assert(!domains_known(domains));
    ck_assert_ptr_null(domains_find_served(domains, "f.org"));
    replaced = domains_replace(domains, merge(config, entries));
    ck_assert(domains_known(domains));
    ck_assert_ptr_eq(replaced, before);
    ck_assert_uint_eq(before->len, 0); /* who looked before keeps what he saw */
    a = domains_find_served(domains, "a.org");
    b = domains_find_served(domains, "b.org");
    ck_assert_str_eq(a->base_dn, "dc=a,dc=org");
    ck_assert_ptr_null(b);
}
END_TEST

START_TEST(without_discovery_the_registry_has_the_domains_of_the_file)
{
    g_autoptr(Config) config = parse(SERVERS "domains: {b.org: {aliases: [c.org]}, a.org: {}}\n");
    g_autoptr(Domains) domains = domains_new(config);
    g_autoptr(GPtrArray) list = domains_list(domains);
    g_autoptr(DomainSettings) b = domains_find_served(domains, "b.org");

    ck_assert(domains_known(domains));
    ck_assert_uint_eq(list->len, 2);
    ck_assert_ptr_eq(b, config_find_domain(config, "b.org"));
    ck_assert(domain_has_name(domains_find(list, "b.org"), "C.org"));
    ck_assert(!domain_has_name(domains_find(list, "b.org"), "a.org"));
    ck_assert_ptr_null(domains_find(list, "c.org"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("domains");
    TCase *tcase = tcase_create("domains");

    tcase_add_loop_test(tcase, domain_entries_and_the_file_make_these_domains, 0, (int)G_N_ELEMENTS(rows));
    tcase_add_test(tcase, other_attribute_names_may_be_set);
    tcase_add_test(tcase, a_discovered_domain_has_the_settings_of_the_file);
    tcase_add_test(tcase, a_new_alias_changes_the_digest_and_the_order_of_values_does_not);
    tcase_add_test(tcase, the_registry_knows_nothing_before_the_directory_was_read);
    tcase_add_test(tcase, without_discovery_the_registry_has_the_domains_of_the_file);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
