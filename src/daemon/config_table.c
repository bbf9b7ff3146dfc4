#include "daemon/config_schema.h"

#include "daemon/config.h"

#define CONFIG_FIELD(field) TARGET_CONFIG, offsetof(Config, field)
#define DIRECTORY_FIELD(field) TARGET_DIRECTORY, offsetof(DirectorySettings, field)
#define IMAP_FIELD(field) TARGET_IMAP, offsetof(ImapSettings, field)
#define DOMAIN_FIELD(field) TARGET_DOMAIN, offsetof(DomainSettings, field)
#define FOLDER_FIELD(field) TARGET_FOLDER, offsetof(Folder, field)

#define MS G_TIME_SPAN_MILLISECOND
#define DAY G_TIME_SPAN_DAY

static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const policy_modes[] = {"never", "when_empty", "always", NULL};

static const char *const placement_policies[] = {"server", "mailhost", "least-used", "round-robin", NULL};

static const char *const deletion_modes[] = {"delete", "keep", NULL};

/* The enums are stored through a guint. */
G_STATIC_ASSERT(sizeof(LogLevel) == sizeof(guint) && LOG_LEVEL_DEBUG == 3);
G_STATIC_ASSERT(sizeof(PolicyMode) == sizeof(guint) && POLICY_ALWAYS == 2);
G_STATIC_ASSERT(sizeof(PlacementPolicy) == sizeof(guint) && PLACEMENT_ROUND_ROBIN == 3);
G_STATIC_ASSERT(sizeof(DeletionMode) == sizeof(guint) && DELETION_KEEP == 1);

const Setting config_settings[] = {
    {"state_file", &type_path, PLACE_GLOBAL, CONFIG_FIELD(state_file), .fallback = "/var/lib/kolabd/state.db",
     .help = "SQLite file of what has been provisioned"},
    {"journal_days", &type_count, PLACE_GLOBAL, CONFIG_FIELD(journal_days), .fallback = "400", .max = 36500,
     .help = "how long the journal is kept; 0: for ever"},
    {"workers", &type_count, PLACE_GLOBAL, CONFIG_FIELD(workers), .fallback = "4", .min = 1, .max = 64,
     .help = "entries brought in order at the same time"},
    {"sweep_interval", &type_duration, PLACE_GLOBAL, CONFIG_FIELD(sweep_interval_us), .fallback = "1h",
     .zero = true, .min = G_TIME_SPAN_SECOND, .max = 366 * DAY,
     .help = "time between two complete comparisons with the directory; "
             "0: only at start and after a lost watch"},
    {"log.level", &type_choice, PLACE_GLOBAL, CONFIG_FIELD(log_level), .fallback = "info",
     .choices = log_levels,
     .help = "the least important messages that are logged"},

    {"ldap.uri", &type_ldap_uri, PLACE_GLOBAL, DIRECTORY_FIELD(uri), .required = true,
     .help = "the directory server: ldaps://HOST, ldap://HOST (StartTLS), ldapi://SOCKET"},
    {"ldap.bind_dn", &type_dn, PLACE_GLOBAL, DIRECTORY_FIELD(bind_dn), .required = true,
     .help = "the identity that reads entries and writes addresses, mail host and quota"},
    {"ldap.bind_password_file", &type_secret, PLACE_GLOBAL, DIRECTORY_FIELD(bind_password), .required = true,
     .help = "file with the password of bind_dn, or the name of a systemd credential"},
    {"ldap.ca_file", &type_file, PLACE_GLOBAL, DIRECTORY_FIELD(ca_file),
     .help = "certificate authorities to trust, PEM; without it the system's"},
    {"ldap.starttls", &type_switch, PLACE_GLOBAL, DIRECTORY_FIELD(starttls), .fallback = "true",
     .help = "start TLS on ldap:// before anything else"},
    {"ldap.insecure", &type_switch, PLACE_GLOBAL, DIRECTORY_FIELD(insecure), .fallback = "false",
     .help = "allow ldap:// without TLS; loopback hosts only"},
    {"ldap.timeout", &type_duration, PLACE_GLOBAL, DIRECTORY_FIELD(timeout_us), .fallback = "30s",
     .min = 100 * MS,
     .max = DAY, .help = "longest wait for the directory"},
    {"ldap.page_size", &type_count, PLACE_GLOBAL, DIRECTORY_FIELD(page_size), .fallback = "500", .min = 1,
     .max = 100000,
     .help = "entries a page of a complete read"},
    {"ldap.unique_id_attribute", &type_unique_id, PLACE_GLOBAL, DOMAIN_FIELD(unique_id_attribute),
     .fallback = "nsUniqueId", .help = "the identity of an entry through renames: nsUniqueId or entryUUID"},
    {"ldap.read_only", &type_switch, PLACE_GLOBAL, DOMAIN_FIELD(read_only), .fallback = "false",
     .help = "write nothing to the directory, take addresses and mail host as they are"},

    {"imap.uri", &type_imap_uri, PLACE_INHERITED, IMAP_FIELD(uri), .required = true,
     .help = "the IMAP server: imaps://HOST, or imap://HOST (STARTTLS)"},
    {"imap.admin_login", &type_text, PLACE_INHERITED, IMAP_FIELD(admin_login), .required = true,
     .help = "an administrator of the server who may also act for users (proxy authorisation)"},
    {"imap.admin_password_file", &type_secret, PLACE_INHERITED, IMAP_FIELD(admin_password), .required = true,
     .help = "file with the password of admin_login, or the name of a systemd credential"},
    {"imap.ca_file", &type_file, PLACE_INHERITED, IMAP_FIELD(ca_file),
     .help = "certificate authorities to trust, PEM; without it the system's"},
    {"imap.insecure", &type_switch, PLACE_INHERITED, IMAP_FIELD(insecure), .fallback = "false",
     .help = "use imap:// without TLS; loopback hosts only"},
    {"imap.tls_resumption", &type_switch, PLACE_INHERITED, IMAP_FIELD(tls_resumption), .fallback = "true",
     .help = "resume TLS for sessions as users, with TLS 1.2, where the server does; false: always the newest TLS"},
    {"imap.timeout", &type_duration, PLACE_INHERITED, IMAP_FIELD(timeout_us), .fallback = "30s",
     .min = 100 * MS, .max = DAY,
     .help = "longest wait for the server without any progress; ten times that for an answer that trickles"},
    {"imap.window", &type_count, PLACE_INHERITED, IMAP_FIELD(window), .fallback = "64", .min = 1, .max = 1024,
     .help = "commands sent ahead of their answers"},
    {"imap.max_sessions", &type_count, PLACE_INHERITED, IMAP_FIELD(max_sessions), .fallback = "0", .max = 1024,
     .help = "sessions open to each server at the same time; 0: as many as the workers need"},
    {"imap.backends", &type_backends, PLACE_INHERITED, IMAP_FIELD(backends), .fallback = "{}",
     .help = "URIs of the servers behind a murder's frontend, by server name; a server that is not here is reached by its name"},
    {"imap.mail_host", &type_host, PLACE_INHERITED, DOMAIN_FIELD(mail_host),
     .help = "value of the mail host attribute; default: the host of imap.uri, "
             "on a murder always the server that has the mailbox; \"\": leave the attribute alone"},

    {"attributes.result", &type_attribute, PLACE_INHERITED, DOMAIN_FIELD(result_attribute),
     .fallback = "mail",
     .help = "attribute whose value names the mailbox"},
    {"attributes.mail", &type_attribute, PLACE_INHERITED, DOMAIN_FIELD(mail_attribute), .fallback = "mail",
     .help = "attribute of the primary address"},
    {"attributes.alias", &type_attribute, PLACE_INHERITED, DOMAIN_FIELD(alias_attribute), .fallback = "alias",
     .help = "attribute of further addresses"},
    {"attributes.mail_host", &type_attribute, PLACE_INHERITED, DOMAIN_FIELD(mail_host_attribute),
     .fallback = "mailHost",
     .help = "attribute of the server that has the mailbox"},
    {"attributes.quota", &type_attribute, PLACE_INHERITED, DOMAIN_FIELD(quota_attribute),
     .fallback = "mailQuota",
     .help = "attribute of the quota, in KiB"},
    {"attributes.target_folder", &type_attribute, PLACE_INHERITED, DOMAIN_FIELD(target_folder_attribute),
     .fallback = "kolabTargetFolder",
     .help = "attribute that names the mailbox of a shared folder or resource; without it cn does"},
    {"attributes.folder_type", &type_attribute, PLACE_INHERITED, DOMAIN_FIELD(folder_type_attribute),
     .fallback = "kolabFolderType",
     .help = "attribute of the folder type of a shared folder or resource"},
    {"attributes.acl", &type_attribute, PLACE_INHERITED, DOMAIN_FIELD(acl_attribute), .fallback = "acl",
     .help = "attribute of the access control list of a shared folder or resource"},
    {"attributes.delivery", &type_attribute, PLACE_INHERITED, DOMAIN_FIELD(delivery_attribute), .fallback = "mail",
     .help = "attribute of the address under which a shared folder takes mail"},
    {"attributes.addresses", &type_attributes, PLACE_INHERITED, DOMAIN_FIELD(address_attributes),
     .fallback = "[mail, alias]",
     .help = "attributes in which an address must be unique; mail and alias always belong"},
    {"user_filter", &type_filter, PLACE_INHERITED, DOMAIN_FIELD(filters[KIND_USER]),
     .fallback = "(objectClass=kolabInetOrgPerson)", .help = "LDAP filter of people who get a mailbox"},
    {"resource_filter", &type_filter, PLACE_INHERITED, DOMAIN_FIELD(filters[KIND_RESOURCE]),
     .fallback = "(&(objectClass=kolabSharedFolder)(objectClass=kolabResource))",
     .help = "LDAP filter of resources, which have a shared mailbox"},
    {"shared_folder_filter", &type_filter, PLACE_INHERITED, DOMAIN_FIELD(filters[KIND_SHARED_FOLDER]),
     .fallback = "(objectClass=kolabSharedFolder)", .help = "LDAP filter of shared folders"},
    {"group_filter", &type_filter, PLACE_INHERITED, DOMAIN_FIELD(filters[KIND_GROUP]),
     .fallback = "(|(objectClass=kolabGroupOfUniqueNames)(objectClass=kolabGroupOfURLs))",
     .help = "LDAP filter of groups, which can be named in access control lists"},
    {"opt_out_filter", &type_filter, PLACE_INHERITED, DOMAIN_FIELD(opt_out_filter), .fallback = "\"\"",
     .help = "LDAP filter of entries to leave alone although one of the filters above matches"},
    {"policy.mode", &type_choice, PLACE_INHERITED, DOMAIN_FIELD(policy_mode), .fallback = "when_empty",
     .choices = policy_modes, .help = "when the primary address is made from the template"},
    {"policy.primary", &type_template, PLACE_INHERITED, DOMAIN_FIELD(primary),
     .fallback = "\"%(givenname)s.%(surname)s@%(domain)s\"",
     .help = "template of the primary address; \"\": none"},
    {"policy.secondary", &type_templates, PLACE_INHERITED, DOMAIN_FIELD(secondary),
     .fallback = "[\"%(givenname[0:1])s.%(surname)s@%(domain)s\", \"%(uid)s@%(domain)s\", "
                 "\"%(givenname)s.%(surname)s@%(domain)s\"]",
     .help = "templates of further addresses, in order"},
    {"policy.default_locale", &type_locale, PLACE_INHERITED, DOMAIN_FIELD(default_locale),
     .fallback = "en_US",
     .help = "how names are transliterated for an entry without preferredLanguage"},
    {"quota.default", &type_quota, PLACE_INHERITED, DOMAIN_FIELD(default_quota_kib), .fallback = "none",
     .help = "quota of an entry without one: KiB, or 500MiB, 5GiB; unlimited; none: leave it alone"},
    {"folders.enforce", &type_switch, PLACE_INHERITED, DOMAIN_FIELD(enforce_folders), .fallback = "false",
     .help = "create again what the user deleted or renamed"},
    {"folders.create", &type_folders, PLACE_INHERITED, DOMAIN_FIELD(folders),
     .help = "folders that every mailbox gets, by name; replaces the 14 default ones"},

    {"placement.policy", &type_choice, PLACE_INHERITED, DOMAIN_FIELD(placement_policy), .fallback = "server",
     .choices = placement_policies, .help = "which backend of a murder gets a new mailbox"},
    {"placement.partition", &type_partition_or_none, PLACE_INHERITED, DOMAIN_FIELD(placement_partition), .fallback = "\"\"",
     .help = "partition of new mailboxes; \"\": the server chooses"},
    {"placement.move", &type_switch, PLACE_INHERITED, DOMAIN_FIELD(placement_move), .fallback = "false",
     .help = "move a mailbox to the backend of a murder that the entry's mail host attribute names"},
    {"placement.settle_timeout", &type_duration, PLACE_INHERITED, DOMAIN_FIELD(settle_timeout_us), .fallback = "30s",
     .min = 100 * MS, .max = DAY, .help = "longest time until a murder's frontend knows a new mailbox"},

    {"deletion.mode", &type_choice, PLACE_INHERITED, DOMAIN_FIELD(deletion_mode), .fallback = "delete",
     .choices = deletion_modes, .help = "what becomes of the mailbox of an entry that is gone from the directory"},
    {"deletion.limit", &type_count, PLACE_INHERITED, DOMAIN_FIELD(deletion_limit), .fallback = "10", .max = 1000000,
     .help = "entries of a domain that may go within an hour; more are held until an operator approves"},
    {"deletion.limit_percent", &type_count, PLACE_INHERITED, DOMAIN_FIELD(deletion_limit_percent), .fallback = "5",
     .max = 100, .help = "the same in percent of the domain's entries; the larger of the two counts"},
    {"deletion.delay", &type_duration, PLACE_INHERITED, DOMAIN_FIELD(deletion_delay_us), .fallback = "10s",
     .max = 366 * DAY, .help = "time from the departure of an entry to the deletion of its mailbox"},

    {"quota", &type_quota, PLACE_FOLDER, FOLDER_FIELD(quota_kib), .fallback = "none", .zero = true,
     .help = "quota of its own: KiB, or 500MiB, 5GiB; 0: its own, without a limit; none: it counts for the mailbox"},
    {"partition", &type_partition, PLACE_FOLDER, FOLDER_FIELD(partition),
     .help = "partition of the IMAP server; without it the server chooses"},
    {"metadata", &type_metadata, PLACE_FOLDER, FOLDER_FIELD(metadata), .fallback = "{}",
     .help = "metadata entries (RFC 5464) below /private/ or /shared/, with their values"},
    {"acl", &type_acl, PLACE_FOLDER, FOLDER_FIELD(acl), .fallback = "{}",
     .help = "rights of others than the owner, by subject: letters (RFC 4314) or a short name such as read-only"},
    {"subscribe", &type_switch, PLACE_FOLDER, FOLDER_FIELD(subscribe), .fallback = "true",
     .help = "subscribe the user"},

    {"domains", &type_domains, PLACE_GLOBAL, CONFIG_FIELD(domains),
     .help = "the domains served, by name"},
    {"base_dn", &type_dn, PLACE_DOMAIN, DOMAIN_FIELD(base_dn),
     .help = "top of the domain's tree; default: dc=example,dc=org for example.org"},
    {"aliases", &type_domain_names, PLACE_DOMAIN, DOMAIN_FIELD(aliases), .fallback = "[]",
     .help = "other names of the domain, for further addresses"},

    {"domain_discovery.base_dn", &type_dn_or_none, PLACE_GLOBAL, CONFIG_FIELD(discovery.base_dn),
     .help = "where the directory keeps its domain entries, cn=kolab,cn=config with Kolab; "
             "\"\" (default): only the domains of this file are served"},
    {"domain_discovery.filter", &type_filter, PLACE_GLOBAL, CONFIG_FIELD(discovery.filter),
     .fallback = "(associatedDomain=*)", .help = "LDAP filter of domain entries"},
    {"domain_discovery.name_attribute", &type_attribute, PLACE_GLOBAL, CONFIG_FIELD(discovery.name_attribute),
     .fallback = "associatedDomain",
     .help = "attribute of the names: that in the RDN is the domain's name, the others are its aliases"},
    {"domain_discovery.base_attribute", &type_attribute, PLACE_GLOBAL, CONFIG_FIELD(discovery.base_attribute),
     .fallback = "inetDomainBaseDN", .help = "attribute of the top of the domain's tree"},
    {"domain_discovery.status_attribute", &type_attribute, PLACE_GLOBAL, CONFIG_FIELD(discovery.status_attribute),
     .fallback = "inetDomainStatus", .help = "attribute of the status: active or absent, or the domain is not served"},
    {.path = NULL},
};
