#include "daemon/config.h"
#include "daemon/config_schema.h"
#include "daemon/config_secret.h"
#include "imap/backend.h"
#include "model/account.h"
#include "model/fault.h"
#include "suite.h"

#include <check.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define LDAP "ldap: {uri: ldaps://ldap.example.org, bind_dn: 'cn=kolabd', bind_password_file: /p}\n"
#define IMAP "imap: {uri: imaps://imap.example.org, admin_login: cyrus, admin_password_file: /p}\n"
#define DOMAINS "domains: {example.org: {}}\n"
/* A setting under test stands in line 4. */
#define MINIMAL LDAP IMAP DOMAINS

static char *parse_error(const char *text)
{
    g_autoptr(Config) config = NULL;
    g_autoptr(GError) error = NULL;

    if (config_parse("x", text, strlen(text), false, &config, &error))
        return g_strdup("");
    ck_assert_ptr_null(config);
    ck_assert_int_eq(fault_of(error), FAULT_STOP);
    return g_strdup(error->message);
}

static Config *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    Config *config = NULL;

    ck_assert_msg(config_parse("x", text, strlen(text), false, &config, &error), "%s",
                  error ? error->message : "");
    return config;
}

static DomainSettings *first_domain(const Config *config)
{
    return g_ptr_array_index(config->domains, 0);
}

static const struct {
    const char *text;
    const char *message;
} mistakes[] = {
    /* names */
    {MINIMAL "polcy: {mode: never}\n", "x:4:1: unknown setting \"polcy\"; did you mean \"policy\"?"},
    {MINIMAL "policy: {mdoe: never}\n", "x:4:10: unknown setting \"mdoe\"; did you mean \"mode\"?"},
    {MINIMAL "bind_dn: cn=x\n", "x:4:1: unknown setting \"bind_dn\"; did you mean \"ldap.bind_dn\"?"},
    {MINIMAL "base_dn: cn=x\n", "x:4:1: unknown setting \"base_dn\"; did you mean \"domains.NAME.base_dn\"?"},
    {MINIMAL "zzz: 1\n", "x:4:1: unknown setting \"zzz\""},
    {MINIMAL "log.level: info\n", "x:4:1: unknown setting \"log.level\""},
    {MINIMAL "log: {'': info}\n", "x:4:7: unknown setting \"\""},
    {MINIMAL "log: {a\"b: info}\n", "x:4:7: unknown setting \"a\\x22b\""},
    {MINIMAL "log: [info]\n", "x:4:6: log: want a mapping of settings, got a list"},
    {MINIMAL "log: info\n", "x:4:6: log: want a mapping of settings, got a text"},
    {MINIMAL "? [a]\n: 1\n",
     "x:4:3: want the name of a setting, got a list (text with braces or brackets needs quotes)"},
    {MINIMAL "workers: 1\nlog: {}\nworkers: 2\n",
     "x:6:1: \"workers\" is here a second time; first in line 4"},
    {LDAP IMAP "domains: {a.org: {workers: 2}}",
     "x:3:19: unknown setting \"workers\"; did you mean \"workers\" at the top of the file?"},
    /* YAML */
    {MINIMAL "workers: [1\n",
     "x:5:1: this is no YAML: did not find expected ',' or ']' while parsing a flow sequence"},
    {MINIMAL "log:\n\tlevel: info\n",
     "x:5:1: this is no YAML: found character that cannot start any token while scanning for the next token"},
    {"# \xff\n", "x:1:3: this is no YAML: invalid leading UTF-8 octet"},
    {MINIMAL "# \n# \xc3\n", "x:5:4: this is no YAML: invalid trailing UTF-8 octet"},
    {MINIMAL "workers: &a 1\nlog: {level: *a}\n",
     "x:5:14: aliases (*name) are not supported; write the value again, or quote the text"},
    {MINIMAL "log: &a {level: *a}\n",
     "x:4:17: aliases (*name) are not supported; write the value again, or quote the text"},
    {MINIMAL "log: {level: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}",
     "x:4:29: nested too deeply: more than 16 levels"},
    {MINIMAL "user_filter: \"(a=\\0)\"\n", "x:4:14: a value is one line of text without control characters"},
    {MINIMAL "user_filter: \"(a=\\n)\"\n", "x:4:14: a value is one line of text without control characters"},
    {MINIMAL "---\n" MINIMAL, "x:4:1: a second YAML document; want one"},
    {"- a\n", "x:1:1: want a mapping of settings, got a list"},
    {"text", "x:1:1: want a mapping of settings, got a text"},
    {"*a", "x:1:1: aliases (*name) are not supported; write the value again, or quote the text"},
    /* what is missing */
    {LDAP IMAP, "x:1:1: domains is missing: the domains served, by name (or set domain_discovery.base_dn)"},
    {LDAP DOMAINS "imap: {uri: imaps://i, admin_password_file: /p}\n",
     "x:3:7: imap.admin_login is missing: an administrator of the server who may also act for users (proxy "
     "authorisation)"},
    {IMAP DOMAINS "ldap:\n", "x:3:6: ldap.bind_dn is missing: the identity that reads entries and writes "
                             "addresses, mail host and quota\n"
                             "x:3:6: ldap.bind_password_file is missing: file with the password of bind_dn, "
                             "or the name of a systemd credential\n"
                             "x:3:6: ldap.uri is missing: the directory server: ldaps://HOST, ldap://HOST "
                             "(StartTLS), ldapi://SOCKET"},
    /* passwords */
    {LDAP
     "imap: {uri: imaps://i, admin_login: a, admin_password: hunter2, admin_password_file: /p}\n" DOMAINS,
     "x:2:40: unknown setting: a password does not stand in this file; write it to a file of its own and "
     "name that with "
     "imap.admin_password_file"},
    {MINIMAL "passwort: hunter2\n", "x:4:1: unknown setting: a password does not stand in this file; write "
                                    "it to a file of its own and name that with "
                                    "ldap.bind_password_file or imap.admin_password_file"},
    {IMAP DOMAINS "ldap: {uri: 'ldaps://x:hunter2@y', bind_dn: cn=a, bind_password_file: [hunter2]}\n",
     "x:3:13: ldap.uri: want only SCHEME://HOST[:PORT], without user, path or query\n"
     "x:3:71: ldap.bind_password_file: want the path of a file that holds a password, or the name of a "
     "credential, got a "
     "list"},
    /* types */
    {MINIMAL "workers: [4]\n", "x:4:10: workers: want a whole number, got a list"},
    {MINIMAL "workers: {}\n", "x:4:10: workers: want a whole number, got a mapping"},
    {MINIMAL "workers:\n", "x:4:9: workers: want a whole number, got nothing"},
    {MINIMAL "workers: many\n", "x:4:10: workers: want a whole number from 1 to 64, got \"many\""},
    {MINIMAL "workers: 0\n", "x:4:10: workers: want a whole number from 1 to 64, got \"0\""},
    {MINIMAL "workers: 65\n", "x:4:10: workers: want a whole number from 1 to 64, got \"65\""},
    {MINIMAL "workers: -1\n", "x:4:10: workers: want a whole number from 1 to 64, got \"-1\""},
    {MINIMAL "workers: 99999999999999999999\n",
     "x:4:10: workers: want a whole number from 1 to 64, got \"99999999999999999999\""},
    {MINIMAL "folders: {enforce: maybe}\n", "x:4:20: folders.enforce: want true or false, got \"maybe\""},
    {MINIMAL "sweep_interval: 5 m\n", "x:4:17: sweep_interval: want a duration from 1s to 366d, or 0, such as "
                                      "500ms, 30s, 5m, 1h (a plain number: seconds), got "
                                      "\"5 m\""},
    {MINIMAL "sweep_interval: 999ms\n", "x:4:17: sweep_interval: want a duration from 1s to 366d, or 0, such as "
                                        "500ms, 30s, 5m, 1h (a plain number: seconds), got "
                                        "\"999ms\""},
    {LDAP DOMAINS "imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, timeout: 99ms}\n",
     "x:3:74: imap.timeout: want a duration from 100ms to 1d, such as 500ms, 30s, 5m, 1h (a plain number: "
     "seconds), got "
     "\"99ms\""},
    {MINIMAL "quota: {default: 5GB}\n", "x:4:18: quota.default: want a quota: a number from 1 to 2147483647 "
                                        "in KiB, or a number with the suffix KiB, MiB, GiB "
                                        "or TiB, or unlimited (-1), or none, got \"5GB\""},
    {MINIMAL "policy: {mode: allways}\n",
     "x:4:16: policy.mode: want one of never, when_empty, always, got \"allways\""},
    {MINIMAL "log: {level: trace}\n",
     "x:4:14: log.level: want one of error, warning, info, debug, got \"trace\""},
    {MINIMAL "state_file: state.db\n", "x:4:13: state_file: want an absolute path, got \"state.db\""},
    {MINIMAL "attributes: {mail: '1mail'}\n", "x:4:20: attributes.mail: want the name of an attribute (a "
                                              "letter, then letters, digits, hyphens), got \"1mail\""},
    {MINIMAL "attributes: {addresses: mail}\n",
     "x:4:25: attributes.addresses: want a list of attributes' names, got a text"},
    {MINIMAL "attributes: {addresses: [mail, [a], ~]}\n",
     "x:4:32: attributes.addresses: want a text as item of the list, got a list\n"
     "x:4:37: attributes.addresses: want a text as item of the list, got nothing"},
    {MINIMAL "attributes: {quota: MAIL}\n",
     "x:4:13: attributes.mail and attributes.quota are the same attribute \"MAIL\""},
    {IMAP DOMAINS "ldap: {uri: ldaps://l, bind_dn: cn=b, bind_password_file: /p, unique_id_attribute: UID}\n",
     "x:3:84: ldap.unique_id_attribute: want an attribute that the server sets and nobody changes, such as nsUniqueId or "
     "entryUUID, got \"UID\""},
    {MINIMAL "attributes: {result: NsUniqueId}\n",
     "x:4:22: attributes.result: \"nsUniqueId\" is ldap.unique_id_attribute, which has to be one that nobody changes"},
    {LDAP IMAP "domains: {a.org: {attributes: {quota: nsuniqueid}}}\n",
     "x:3:39: attributes.quota: \"nsUniqueId\" is ldap.unique_id_attribute, which has to be one that nobody changes"},
    {MINIMAL "user_filter: (a=b\n", "x:4:14: user_filter: bad LDAP filter at position 5: want \")\""},
    {MINIMAL "policy: {default_locale: xx_klingon}\n", "x:4:26: policy.default_locale: want a known language "
                                                       "or locale, such as de or en_US, got \"xx_klingon\""},
    {MINIMAL "policy: {secondary: ['%(uid)s@x', '%(uid@x']}\n", NULL},
    /* folders */
    {MINIMAL "folders: {create: [Sent]}\n", "x:4:19: folders.create: want a mapping of folder names, got a list"},
    {MINIMAL "folders: {create: {Sent: yes}}\n", "x:4:26: folders.create: want a mapping of the folder's settings, or {}"},
    {MINIMAL "folders: {create: {Sent: {subscribed: no}}}\n",
     "x:4:27: unknown setting \"subscribed\"; did you mean \"subscribe\"?"},
    {MINIMAL "folders: {create: {Sent: {partition: a b}}}\n",
     "x:4:38: partition: want the name of a partition (letters, digits, hyphens, underscores, dots), got \"a "
     "b\""},
    {MINIMAL "folders: {create: {Sent: {metadata: {/vendor/x: 1}}}}\n",
     "x:4:38: metadata: want a metadata entry such as /private/vendor/kolab/folder-type (below /private/ or "
     "/shared/), "
     "got \"/vendor/x\""},
    {MINIMAL "folders: {create: {Sent: {metadata: {/shared/x: 1, /shared/X: 1}}}}\n",
     "x:4:52: metadata: the same entry twice (names are compared without case)"},
    {MINIMAL "folders: {create: {Sent: {metadata: {/shared/x: ''}}}}\n",
     "x:4:49: metadata: want the text of a metadata entry"},
    {MINIMAL "folders: {create: {Sent: {acl: {kim@example.org: lrz}}}}\n", NULL},
    {MINIMAL "folders: {create: {Sent: {acl: {Kim@example.org: lrs, kim@example.org: p}}}}\n",
     "x:4:55: acl: the same subject twice (subjects are compared without case)"},
    {MINIMAL "folders: {create: {Sent: {quota: -2}}}\n", NULL},
    {MINIMAL "folders: {create: {a//b: {}}}\n", NULL},
    {MINIMAL "folders: {create: {'': {}}}\n", NULL},
    {MINIMAL "domain_discovery: {base_dn: kolab}\n",
     "x:4:29: domain_discovery.base_dn: want a distinguished name such as ou=People,dc=example,dc=org, got \"kolab\""},
    {MINIMAL "domain_discovery: {filter: ''}\n",
     "x:4:28: domain_discovery.filter: want an LDAP filter; domain_discovery.base_dn \"\" turns this off"},

    /* domains */
    {LDAP IMAP "domains: {}\n",
     "x:3:10: domains: want a mapping with one domain at least, such as \"example.org: {}\" "
     "(none is needed with domain_discovery.base_dn)"},
    {LDAP IMAP "domains: [a.org]\n",
     "x:3:10: domains: want a mapping with one domain at least, such as \"example.org: {}\" "
     "(none is needed with domain_discovery.base_dn)"},
    {LDAP IMAP "domains:\n",
     "x:3:9: domains: want a mapping with one domain at least, such as \"example.org: {}\" "
     "(none is needed with domain_discovery.base_dn)"},
    {LDAP IMAP "domains: {a.org: 1}\n",
     "x:3:18: domains: want a mapping of the domain's settings, or {}, got a text"},
    {LDAP IMAP "domains: {a_b.org: {}}\n", "x:3:11: domains: want a domain name (letters, digits, hyphens, "
                                           "dots; international names as xn--...), got "
                                           "\"a_b.org\""},
    {LDAP IMAP "domains: {a.org: {}, A.org: {}}\n", "x:3:22: domain \"a.org\" is there already, in line 3"},
    {LDAP IMAP "domains:\n  a.org: {aliases: [B.org]}\n  b.org: {}\n",
     "x:4:21: domain \"b.org\" is there already, in line 5"},
    {LDAP IMAP "domains:\n  a.org: {aliases: [c.org]}\n  b.org: {aliases: [c.org]}\n",
     "x:5:21: domain \"c.org\" is there already, in line 4"},
    {LDAP IMAP "domains: {a.org: {aliases: [a.org]}}\n",
     "x:3:29: domain \"a.org\" is there already, in line 3"},
    {LDAP IMAP "domains: {a.org: {base_dn: a.org}}\n",
     "x:3:28: base_dn: want a distinguished name such as ou=People,dc=example,dc=org, got \"a.org\""},
    {LDAP IMAP "domains:\n  a.org: {base_dn: 'dc=a,dc=b'}\n  b.org: {base_dn: 'DC=a, dc=\\62'}\n",
     "x:5:20: base_dn: DC=a, dc=\\62 is the base of domain a.org too, in line 4; make one an alias of the other"},
    {LDAP IMAP "domains:\n  b.org: {base_dn: 'dc=a,dc=org'}\n  a.org: {}\n",
     "x:5:3: base_dn: dc=a,dc=org is the base of domain b.org too, in line 4; make one an alias of the other"},
    {LDAP IMAP "domain_discovery: {base_dn: o=x}\ndomains:\n  a.org: {base_dn: o=y}\n  b.org: {base_dn: o=y}\n",
     "x:6:20: base_dn: o=y is the base of domain a.org too, in line 5; make one an alias of the other"},
    {LDAP IMAP "domains: {a.org: {attributes: {mail: alias}}}\n",
     "x:3:31: attributes.mail and attributes.alias are the same attribute \"alias\""},

    /* placement, several IMAP servers */
    {MINIMAL "placement: {policy: mailHost}\n",
     "x:4:21: placement.policy: want one of server, mailhost, least-used, round-robin, got \"mailHost\""},
    {MINIMAL "placement: {partition: b!archive}\n",
     "x:4:24: placement.partition: want the name of a partition (letters, digits, hyphens, underscores, dots), got "
     "\"b!archive\""},
    {MINIMAL "placement: {move: b}\n", "x:4:19: placement.move: want true or false, got \"b\""},
    {MINIMAL "placement: {settle_timeout: 0}\n",
     "x:4:29: placement.settle_timeout: want a duration from 100ms to 1d, such as 500ms, 30s, 5m, 1h (a plain number: "
     "seconds), got \"0\""},
    {LDAP IMAP "domains: {a.org: {imap: imaps://b}}\n", "x:3:25: imap: want a mapping of settings, got a text"},
    {LDAP IMAP "domains: {a.org: {imap: {urii: imaps://b}}}\n", "x:3:26: unknown setting \"urii\"; did you mean \"uri\"?"},
    {LDAP IMAP "domains: {a.org: {imap: {uri: 'imaps://x:hunter2@b'}}}\n",
     "x:3:31: imap.uri: want only SCHEME://HOST[:PORT], without user, path or query"},
    {LDAP IMAP "domains: {a.org: {imap: {password: hunter2}}}\n",
     "x:3:26: unknown setting: a password does not stand in this file; write it to a file of its own and name that with "
     "imap.admin_password_file"},
    {LDAP IMAP "domains: {a.org: {imap: {window: 0}}}\n",
     "x:3:34: imap.window: want a whole number from 1 to 1024, got \"0\""},
    {LDAP "workers: 8\ndomains: {a.org: {imap: {max_sessions: 11}}}\n" IMAP,
     "x:3:40: imap.max_sessions: 8 workers need at least 12: 11 as administrator, and one as a user; want more of them, fewer "
     "workers, or 0: as many as they need"},
    {LDAP DOMAINS "imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, backends: [b]}\n",
     "x:3:75: imap.backends: want a mapping of servers' names to their URIs, got a list"},
    {LDAP DOMAINS "imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, backends: {a b: imaps://b}}\n",
     "x:3:76: imap.backends: want a server's name as Cyrus has it, HOST or HOST:PORT, got \"a b\""},
    {LDAP DOMAINS "imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, backends: {b: imaps://b, B: imaps://c}}\n",
     "x:3:90: imap.backends: the same server twice (names are compared without case)"},
    {LDAP DOMAINS "imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, backends: {b: [imaps://b, {}]}}\n",
     "x:3:91: imap.backends: want the URI of a server, or a list of them"},
    {LDAP DOMAINS "imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, backends: {b: []}}\n",
     "x:3:79: imap.backends: want 1 to 4 URIs of a server"},
    {LDAP DOMAINS "imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, backends: {b: ~}}\n",
     "x:3:79: imap.backends: want a URI SCHEME://HOST[:PORT] with scheme imap or imaps"},
    {LDAP DOMAINS "imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, backends: {b: 'imaps://u:hunter2@b'}}\n",
     "x:3:79: imap.backends: want only SCHEME://HOST[:PORT], without user, path or query"},
};

START_TEST(a_mistake_is_reported_with_its_place)
{
    g_autofree char *message = parse_error(mistakes[_i].text);

    if (mistakes[_i].message != NULL)
        ck_assert_str_eq(message, mistakes[_i].message);
    else
        ck_assert_msg(g_str_has_prefix(message, "x:4:"), "%s", message);
    ck_assert_ptr_null(strstr(message, "hunter2"));
}
END_TEST

static const char *const empty_texts[] = {"", "---\n", "# nothing\n", "{}", "~"};

START_TEST(an_empty_text_lacks_every_required_setting)
{
    g_autofree char *message = parse_error(empty_texts[_i]);

    for (const Setting *setting = config_settings; setting->path != NULL; setting++) {
        g_autofree char *missing = g_strdup_printf("%s is missing: ", setting->path);

        ck_assert_msg((strstr(message, missing) != NULL) == (setting->required || strcmp(setting->path, "domains") == 0),
                      "%s: %s", setting->path, message);
    }
}
END_TEST

START_TEST(all_mistakes_are_reported_in_one_run_in_the_order_of_the_file)
{
    g_autofree char *message =
        parse_error(LDAP DOMAINS "imap: {uri: http://x, admin_login: a}\nworkers: x\nlgo: {}\n");

    ck_assert_str_eq(
        message, "x:3:7: imap.admin_password_file is missing: file with the password of admin_login, or the "
                 "name of a systemd credential\n"
                 "x:3:13: imap.uri: want a URI SCHEME://HOST[:PORT] with scheme imap or imaps\n"
                 "x:4:10: workers: want a whole number from 1 to 64, got \"x\"\n"
                 "x:5:1: unknown setting \"lgo\"; did you mean \"log\"?");
}
END_TEST

START_TEST(a_global_mistake_is_reported_once_however_many_domains_inherit_it)
{
    g_autofree char *message = parse_error(
        LDAP IMAP "domains: {a.org: {}, b.org: {}}\npolicy: {mode: x}\nattributes: {mail: alias}\n");

    ck_assert_str_eq(message,
                     "x:4:16: policy.mode: want one of never, when_empty, always, got \"x\"\n"
                     "x:5:13: attributes.mail and attributes.alias are the same attribute \"alias\"");
}
END_TEST

static const struct {
    const char *section;
    const char *problem; /* NULL: accepted */
} transports[] = {
    {"ldap: {uri: ldaps://h, ", NULL},
    {"ldap: {uri: ldap://h, ", NULL},
    {"ldap: {uri: 'ldap://h:389/', ", NULL},
    {"ldap: {uri: 'LDAPS://[2001:db8::1]:636', ", NULL},
    {"ldap: {uri: 'ldapi://%2Frun%2Fslapd.socket', ", NULL},
    {"ldap: {uri: 'ldapi:///', starttls: false, ", NULL},
    {"ldap: {uri: 'ldapi:///', insecure: true, ", NULL},
    {"ldap: {uri: ldap://h, starttls: false, ", "starttls: without TLS"},
    {"ldap: {uri: ldap://127.0.0.1, starttls: false, ", "starttls: without TLS"},
    {"ldap: {uri: ldap://127.0.0.1, starttls: false, insecure: true, ", NULL},
    {"ldap: {uri: 'ldap://127.9.9.9:3389', starttls: false, insecure: true, ", NULL},
    {"ldap: {uri: 'ldap://[::1]', starttls: false, insecure: true, ", NULL},
    {"ldap: {uri: ldap://localhost, starttls: false, insecure: true, ", NULL},
    {"ldap: {uri: ldap://h, starttls: false, insecure: true, ", "insecure: allowed for loopback hosts only"},
    {"ldap: {uri: ldap://localhost.example.org, insecure: true, ",
     "insecure: allowed for loopback hosts only"},
    {"ldap: {uri: ldap://128.0.0.1, insecure: true, ", "insecure: allowed for loopback hosts only"},
    {"ldap: {uri: ldaps://h, insecure: true, ", "insecure: ldaps:// always has verified TLS"},
    {"ldap: {uri: 'ldapi:///run/slapd.socket', ", "ldap.uri: want only SCHEME://HOST[:PORT]; the slashes"},
    {"ldap: {uri: ldaps://h/dc=x, ", "ldap.uri: want only"},
    {"ldap: {uri: ldaps://a b, ", "ldap.uri: want"},
    {"ldap: {uri: 'ldaps://', ", "ldap.uri: want"},
    {"ldap: {uri: 'ldaps://h:port', ", "ldap.uri: want"},
    {"ldap: {uri: ldap.example.org, ",
     "ldap.uri: want a URI SCHEME://HOST[:PORT] with scheme ldap or ldaps or ldapi"},
    {"ldap: {uri: imaps://h, ", "ldap.uri: want a URI"},
    {"imap: {uri: imaps://h, ", NULL},
    {"imap: {uri: 'imap://h:143', ", NULL},
    {"imap: {uri: imap://localhost, insecure: true, ", NULL},
    {"imap: {uri: imap://h, insecure: true, ", "insecure: allowed for loopback hosts only"},
    {"imap: {uri: imaps://localhost, insecure: true, ", "insecure: imaps:// always has verified TLS"},
    {"imap: {uri: imaps://h/INBOX, ", "imap.uri: want only"},
    {"imap: {uri: ldap://h, ", "imap.uri: want a URI SCHEME://HOST[:PORT] with scheme imap or imaps"},
};

START_TEST(a_password_goes_over_tls_or_loopback_only)
{
    bool ldap = g_str_has_prefix(transports[_i].section, "ldap");
    g_autofree char *text = g_strconcat(transports[_i].section,
                                        ldap ? "bind_dn: cn=x, bind_password_file: /p}\n" IMAP
                                             : "admin_login: x, admin_password_file: /p}\n" LDAP,
                                        DOMAINS, NULL);
    g_autofree char *message = parse_error(text);

    if (transports[_i].problem == NULL)
        ck_assert_str_eq(message, "");
    else
        ck_assert_msg(strstr(message, transports[_i].problem) != NULL, "%s: %s", transports[_i].section,
                      message);
    ck_assert_ptr_null(strchr(message, '\n'));
}
END_TEST

static const struct {
    ConfigCheck check;
    const char *text;
    const char *problem; /* NULL: good; else part of the message */
} texts[] = {
    {config_check_filter, "(objectClass=kolabInetOrgPerson)", NULL},
    {config_check_filter, "(&(a=b)(|(c=*)(!(d>=1)))(e~=f)(g<=h))", NULL},
    {config_check_filter, "(cn:dn:2.5.13.5:=x)", NULL},
    {config_check_filter, "(a;lang-de=\\28x\\29 \xc3\xa4)", NULL},
    {config_check_filter, "(&)", NULL},
    {config_check_filter, "(2.5.4.3;x-1;binary=x)", NULL},
    {config_check_filter, "(:2.5.13.5:=x)", NULL},
    {config_check_filter, "(:dn:caseIgnoreMatch:=x)", NULL},
    {config_check_filter, "(cn:=x)", NULL},
    {config_check_filter, "(cn=*a*b*)", NULL},
    {config_check_filter, "", NULL}, /* nothing */
    {config_check_filter, "a=b", "position 1: want \"(\""},
    {config_check_filter, "(a=b))", "position 6: text after"},
    {config_check_filter, "(&(a=b)", "position 8: want \")\""},
    {config_check_filter, "(!(a=b)(c=d))", "position 8: want \")\""},
    {config_check_filter, "(a)", "position 3: want \"=\""},
    {config_check_filter, "()", "position 2: want the name"},
    {config_check_filter, "(1cn=x)", "position 3: want \"=\""},
    {config_check_filter, "(-cn=x)", "position 2: want the name"},
    {config_check_filter, "(a.b=x)", "position 3: want \"=\""},
    {config_check_filter, "(2.5.=x)", "position 6: want the name"},
    {config_check_filter, "(cn;=x)", "position 5: want an option"},
    {config_check_filter, "(cn;a;=x)", "position 7: want an option"},
    {config_check_filter, "(cn:caseExactMatch=x)", "position 19: want \":=\""},
    {config_check_filter, "(cn:a;b:=x)", "position 6: want \":=\""},
    {config_check_filter, "(:=x)", "position 3: want the name of a matching rule"},
    {config_check_filter, "(:dn:=x)", "position 6: want the name of a matching rule"},
    {config_check_filter, "(cn:a:>=x)", "position 7: want \"=\""},
    {config_check_filter, "(cn=a**b)", "position 6: a star"},
    {config_check_filter, "(cn>=a*)", "position 7: a star"},
    {config_check_filter, "(a=\xc3\xa4(b)", "position 5: a parenthesis"},
    {config_check_filter, "(a=\\zz)", "position 4: want two hexadecimal"},
    {config_check_dn, "dc=example,dc=org", NULL},
    {config_check_dn, "cn=Directory Manager", NULL},
    {config_check_dn, "uid=a+cn=b\\,c, ou=M\\c3\\bcller,2.5.4.3=x", NULL},
    {config_check_dn, "ou=", NULL},
    {config_check_dn, "", "want a distinguished name"},
    {config_check_dn, "example.org", "want a distinguished name"},
    {config_check_dn, "dc=a,", "want a distinguished name"},
    {config_check_dn, "dc=a;dc=b", "want a distinguished name"},
    {config_check_dn, "dc=a\\", "want a distinguished name"},
    {config_check_dn, "dc=a\\z", "want a distinguished name"},
    {config_check_domain, "example.org", NULL},
    {config_check_domain, "xn--mller-kva.example", NULL},
    {config_check_domain, "localdomain", NULL},
    {config_check_domain, "", "want a domain"},
    {config_check_domain, "a..b", "want a domain"},
    {config_check_domain, ".a", "want a domain"},
    {config_check_domain, "a.", "want a domain"},
    {config_check_domain, "-a.org", "want a domain"},
    {config_check_domain, "m\xc3\xbcller.example", "want a domain"},
    {config_check_domain, "0123456789012345678901234567890123456789012345678901234567890123.org",
     "want a domain"},
    {config_check_host, "", NULL},
    {config_check_host, "imap.example.org", NULL},
    {config_check_host, "::1", NULL},
    {config_check_host, "a b", "want a host"},
    {config_check_server, "imap1.example.org", NULL},
    {config_check_server, "127.0.0.1:24143", NULL},
    {config_check_server, "[::1]:143", NULL},
    {config_check_server, "::1", NULL},
    {config_check_server, "", "want a server's name"},
    {config_check_server, "imap1:", "want a server's name"},
    {config_check_server, "imap1:0", "want a server's name"},
    {config_check_server, "imap1:65536", "want a server's name"},
    {config_check_server, "imap1:imap", "want a server's name"},
    {config_check_server, "imap1!archive", "want a server's name"},
    {config_check_server, "[::1]x", "want a server's name"},
    {config_check_server, "imaps://imap1", "want a server's name"},
    {config_check_partition_or_none, "", NULL},
    {config_check_partition_or_none, "part-2", NULL},
    {config_check_partition_or_none, "a!b", "want the name of a partition"},
    {config_check_attribute, "mail-host2", NULL},
    {config_check_attribute, "mail;lang-de", "want the name"},
    {config_check_attribute, "", "want the name"},
    {config_check_unique_id, "nsUniqueId", NULL},
    {config_check_unique_id, "entryUUID", NULL},
    {config_check_unique_id, "employeeNumber", NULL},
    {config_check_unique_id, "a b", "want the name of an attribute"},
    {config_check_unique_id, "mail", "nobody changes"},
    {config_check_unique_id, "CN", "nobody changes"},
    {config_check_unique_id, "uid", "nobody changes"},
    {config_check_unique_id, "dn", "nobody changes"},
    {config_check_metadata_name, "/private/vendor/kolab/folder-type", NULL},
    {config_check_metadata_name, "/private/", "want a metadata"},
    {config_check_metadata_name, "/shared//x", "want a metadata"},
    {config_check_metadata_name, "/shared/*", "want a metadata"},
    {config_check_metadata_name, "/shared/a b", "want a metadata"},
    {config_check_metadata_name, "/shared/\xc3\xa4", "want a metadata"},
};

START_TEST(a_text_is_checked_by_its_syntax)
{
    g_autoptr(GError) error = NULL;
    bool good = texts[_i].check(texts[_i].text, &error);

    ck_assert_msg(good == (texts[_i].problem == NULL), "%s: %s", texts[_i].text,
                  error ? error->message : "accepted");
    if (!good)
        ck_assert_msg(strstr(error->message, texts[_i].problem) != NULL, "%s", error->message);
}
END_TEST

static const struct {
    const char *text;
    gint64 us;
} durations[] = {
    {"0", 0},
    {"90", 90 * G_TIME_SPAN_SECOND},
    {"1500ms", 1500 * G_TIME_SPAN_MILLISECOND},
    {"30s", 30 * G_TIME_SPAN_SECOND},
    {"5m", 5 * G_TIME_SPAN_MINUTE},
    {"1h", G_TIME_SPAN_HOUR},
    {"2d", 2 * G_TIME_SPAN_DAY},
    {"'7'", 7 * G_TIME_SPAN_SECOND},
};

START_TEST(a_duration_has_a_unit_or_is_seconds)
{
    g_autofree char *text = g_strconcat(MINIMAL "sweep_interval: ", durations[_i].text, NULL);
    g_autoptr(Config) config = parse(text);

    ck_assert_int_eq(config->sweep_interval_us, durations[_i].us);
}
END_TEST

static const struct {
    const char *text;
    gint64 kib; /* 0: refused */
} quotas[] = {
    {"1048576", 1048576},
    {"1KiB", 1},
    {"500MiB", 512000},
    {"1GiB", 1048576},
    {"1TiB", 1073741824},
    {"unlimited", QUOTA_UNLIMITED},
    {"-1", QUOTA_UNLIMITED},
    {"none", QUOTA_ANY},
    {"2147483647", 2147483647},
    {"0", 0},
    {"-2", 0},
    {"2TiB", 0},
    {"2147483648", 0},
    {"9999999999999TiB", 0},
    {"1.5GiB", 0},
    {"1G", 0},
    {"GiB", 0},
    {"''", 0},
    {"abc", 0},
};

START_TEST(a_quota_is_kib_or_has_a_suffix)
{
    g_autofree char *text = g_strdup_printf(MINIMAL "quota: {default: %s}", quotas[_i].text);
    g_autofree char *message = parse_error(text);

    if (quotas[_i].kib == 0) {
        ck_assert_msg(g_str_has_prefix(message, "x:4:18: quota.default: want a quota"), "%s", message);
    } else {
        g_autoptr(Config) config = parse(text);

        ck_assert_int_eq(first_domain(config)->default_quota_kib, quotas[_i].kib);
    }
}
END_TEST

START_TEST(what_is_not_set_has_its_default)
{
    g_autoptr(Config) config = parse(MINIMAL);
    const DomainSettings *domain = first_domain(config);

    ck_assert_str_eq(config->state_file, "/var/lib/kolabd/state.db");
    ck_assert_uint_eq(config->workers, 4);
    ck_assert_int_eq(config->sweep_interval_us, G_TIME_SPAN_HOUR);
    ck_assert_int_eq(config->log_level, LOG_LEVEL_INFO);
    ck_assert_ptr_null(config->directory->ca_file);
    ck_assert(config->directory->starttls && !config->directory->insecure && !config->imap->insecure);
    ck_assert_int_eq(config->directory->timeout_us, 30 * G_TIME_SPAN_SECOND);
    ck_assert_uint_eq(config->directory->page_size, 500);
    ck_assert_int_eq(config->imap->timeout_us, 30 * G_TIME_SPAN_SECOND);
    ck_assert_uint_eq(config->imap->window, 64);
    ck_assert_uint_eq(config->imap->max_sessions, 0);
    ck_assert_uint_eq(config->imap->backends->len, 0);
    ck_assert_uint_eq(config->imap_servers->len, 1);
    ck_assert_str_eq(domain->base_dn, "dc=example,dc=org");
    ck_assert_str_eq(domain->mail_host, "imap.example.org");
    ck_assert_str_eq(domain->unique_id_attribute, "nsUniqueId");
    ck_assert_str_eq(domain->filters[KIND_USER], "(objectClass=kolabInetOrgPerson)");
    ck_assert_int_eq(domain->policy_mode, POLICY_WHEN_EMPTY);
    ck_assert_uint_eq(domain->primary->len, 1);
    ck_assert_uint_eq(domain->secondary->len, 3);
    ck_assert_int_eq(domain->default_quota_kib, QUOTA_ANY);
    ck_assert_uint_eq(domain->folders->len, 14);
    ck_assert(!domain->enforce_folders && !domain->read_only);
    ck_assert_int_eq(domain->placement_policy, PLACEMENT_SERVER);
    ck_assert_ptr_null(domain->placement_partition);
    ck_assert(!domain->placement_move);
    ck_assert_int_eq(domain->settle_timeout_us, 30 * G_TIME_SPAN_SECOND);
    ck_assert_ptr_nonnull(domain->digest);
}
END_TEST

START_TEST(every_setting_reaches_its_field)
{
    g_autoptr(Config) config = parse(
        "state_file: /s\nworkers: 7\nsweep_interval: 2h\nlog: {level: debug}\n"
        "ldap: {uri: ldap://l, bind_dn: cn=b, bind_password_file: /p, ca_file: /ca, timeout: 5s, page_size: "
        "9, starttls: yes,\n"
        "  unique_id_attribute: entryUUID, read_only: on}\n"
        "imap: {uri: imaps://i, admin_login: a, admin_password_file: p, ca_file: /cb, timeout: 6s, window: "
        "3, max_sessions: 11, mail_host: m.h}\n"
        "attributes: {result: uid, mail: m, alias: a, mail_host: h, quota: q, addresses: [x, M],\n"
        "             target_folder: f, folder_type: t, acl: r, delivery: d}\n"
        "user_filter: (a=b)\nquota: {default: 1GiB}\n"
        "placement: {policy: least-used, partition: p3, move: true, settle_timeout: 9s}\n"
        "deletion: {mode: keep, limit: 3, limit_percent: 7, delay: 1h}\n"
        "policy: {mode: always, primary: '', secondary: [], default_locale: de_DE}\n"
        "folders:\n  enforce: true\n  create: {Sent: {quota: 5, partition: part2, subscribe: no, acl: {Kim@Example.org: read},\n"
        "    metadata: {/shared/comment: hi}}}\n"
        "domains: {Example.ORG: {base_dn: 'o=x', aliases: [Example.com]}}\n");
    const DomainSettings *domain = first_domain(config);
    const Folder *folder = g_ptr_array_index(domain->folders, 0);
    const Metadata *entry = g_ptr_array_index(folder->metadata, 0);

    ck_assert_str_eq(config->state_file, "/s");
    ck_assert_uint_eq(config->workers, 7);
    ck_assert_int_eq(config->sweep_interval_us, 2 * G_TIME_SPAN_HOUR);
    ck_assert_int_eq(config->log_level, LOG_LEVEL_DEBUG);
    ck_assert_str_eq(config->directory->uri, "ldap://l");
    ck_assert_str_eq(config->directory->bind_dn, "cn=b");
    ck_assert_str_eq(config->directory->ca_file, "/ca");
    ck_assert_int_eq(config->directory->timeout_us, 5 * G_TIME_SPAN_SECOND);
    ck_assert_uint_eq(config->directory->page_size, 9);
    ck_assert_str_eq(config->imap->uri, "imaps://i");
    ck_assert_str_eq(config->imap->admin_login, "a");
    ck_assert_str_eq(config->imap->ca_file, "/cb");
    ck_assert_int_eq(config->imap->timeout_us, 6 * G_TIME_SPAN_SECOND);
    ck_assert_uint_eq(config->imap->window, 3);
    ck_assert_uint_eq(config->imap->max_sessions, 11);
    ck_assert_str_eq(domain->name, "example.org");
    ck_assert_str_eq(domain->base_dn, "o=x");
    ck_assert_str_eq(g_ptr_array_index(domain->aliases, 0), "example.com");
    ck_assert_str_eq(domain->unique_id_attribute, "entryUUID");
    ck_assert_str_eq(domain->mail_host, "m.h");
    ck_assert_int_eq(domain->placement_policy, PLACEMENT_LEAST_USED);
    ck_assert_str_eq(domain->placement_partition, "p3");
    ck_assert(domain->placement_move);
    ck_assert_int_eq(domain->settle_timeout_us, 9 * G_TIME_SPAN_SECOND);
    ck_assert_int_eq(domain->deletion_mode, DELETION_KEEP);
    ck_assert_uint_eq(domain->deletion_limit, 3);
    ck_assert_uint_eq(domain->deletion_limit_percent, 7);
    ck_assert_int_eq(domain->deletion_delay_us, G_TIME_SPAN_HOUR);
    ck_assert_str_eq(domain->result_attribute, "uid");
    ck_assert_str_eq(domain->mail_attribute, "m");
    ck_assert_str_eq(domain->alias_attribute, "a");
    ck_assert_str_eq(domain->mail_host_attribute, "h");
    ck_assert_str_eq(domain->quota_attribute, "q");
    ck_assert_uint_eq(domain->address_attributes->len, 3); /* m, a, x */
    ck_assert_str_eq(domain->filters[KIND_USER], "(a=b)");
    ck_assert_int_eq(domain->policy_mode, POLICY_ALWAYS);
    ck_assert_uint_eq(domain->primary->len + domain->secondary->len, 0);
    ck_assert_str_eq(domain->default_locale, "de_DE");
    ck_assert_int_eq(domain->default_quota_kib, 1048576);
    ck_assert(domain->read_only && domain->enforce_folders && config->directory->starttls);
    ck_assert_uint_eq(domain->folders->len, 1);
    ck_assert_str_eq(folder->name, "Sent");
    ck_assert_str_eq(folder->partition, "part2");
    ck_assert_int_eq(folder->quota_kib, 5);
    ck_assert(!folder->subscribe);
    ck_assert_str_eq(entry->name, "/shared/comment");
    ck_assert_str_eq(entry->value, "hi");
    ck_assert_ptr_eq(config_find_domain(config, "EXAMPLE.com"), domain);
    ck_assert_ptr_null(config_find_domain(config, "example.net"));
}
END_TEST

START_TEST(a_domain_overrides_the_global_settings_and_inherits_the_others)
{
    g_autoptr(Config) config = parse(
        LDAP IMAP "policy: {mode: never, default_locale: de}\nquota: {default: 1MiB}\nfolders: {create: {Sent: {}}}\n"
                  "domains:\n  a.org:\n  b.org: {policy: {mode: always}, folders: {create: {Trash: {}, Drafts: {}}}, "
                  "quota: {default: none}}\n");
    const DomainSettings *a = config_find_domain(config, "a.org"), *b = config_find_domain(config, "b.org");

    ck_assert_int_eq(a->policy_mode, POLICY_NEVER);
    ck_assert_int_eq(b->policy_mode, POLICY_ALWAYS);
    ck_assert_str_eq(b->default_locale, "de");
    ck_assert_int_eq(a->default_quota_kib, 1024);
    ck_assert_int_eq(b->default_quota_kib, QUOTA_ANY);
    ck_assert_uint_eq(a->folders->len, 1);
    ck_assert_uint_eq(b->folders->len, 2);
    ck_assert_str_eq(b->base_dn, "dc=b,dc=org");
}
END_TEST

START_TEST(with_domain_discovery_the_file_needs_no_domains)
{
    const char *const domains[] = {"", "domains:\n", "domains: {}\n"};

    for (gsize i = 0; i < G_N_ELEMENTS(domains); i++) {
        g_autofree char *text = g_strconcat(LDAP IMAP "domain_discovery: {base_dn: 'cn=kolab,cn=config'}\n", domains[i], NULL);
        g_autoptr(Config) config = parse(text);

        ck_assert_uint_eq(config->domains->len, 0);
        ck_assert_str_eq(config->discovery.base_dn, "cn=kolab,cn=config");
        ck_assert_str_eq(config->discovery.filter, "(associatedDomain=*)");
        ck_assert_str_eq(config->discovery.name_attribute, "associatedDomain");
    }
}
END_TEST

START_TEST(an_empty_discovery_base_turns_it_off)
{
    g_autoptr(Config) config = parse(MINIMAL "domain_discovery: {base_dn: ''}\n");
    g_autofree char *message = parse_error(LDAP IMAP "domain_discovery: {base_dn: ''}\n");

    ck_assert_ptr_null(config->discovery.base_dn);
    ck_assert(g_str_has_prefix(message, "x:1:1: domains is missing"));
}
END_TEST

/* --- several IMAP servers */

#define LOOPBACK "imap: {uri: imap://127.0.0.1, insecure: true, admin_login: a, admin_password_file: /p"

static const struct {
    const char *imap; /* of the file, but for its end */
    const char *domain;
    const char *problem; /* NULL: accepted */
} domain_transports[] = {
    {"imap: {uri: imaps://i, admin_login: a, admin_password_file: /p", "uri: imap://127.0.0.1, insecure: true", NULL},
    {"imap: {uri: imaps://i, admin_login: a, admin_password_file: /p", "uri: imap://h", NULL},
    {"imap: {uri: imaps://i, admin_login: a, admin_password_file: /p", "uri: imap://h, insecure: true",
     "x:3:51: insecure: allowed for loopback hosts only (127.0.0.0/8, ::1, localhost); use imaps://, or imap:// with StartTLS"},
    {"imap: {uri: imaps://i, admin_login: a, admin_password_file: /p", "insecure: true",
     "x:3:36: insecure: imaps:// always has verified TLS; remove the setting"},
    {LOOPBACK, "uri: 'imap://127.0.0.2:1143'", NULL},
    {LOOPBACK, "uri: imap://h, insecure: false", NULL},
    {LOOPBACK, "window: 3", NULL},
    {LOOPBACK, "uri: imap://h",
     "x:3:31: insecure: allowed for loopback hosts only (127.0.0.0/8, ::1, localhost); use imaps://, or imap:// with StartTLS "
     "and insecure: false here"},
    {LOOPBACK, "uri: imaps://h", "x:3:31: insecure: imaps:// always has verified TLS; set insecure: false here"},
    {LOOPBACK ", backends: {b: imap://127.0.0.3, c: imaps://c}", "", NULL},
    {LOOPBACK ", backends: {b: [imap://127.0.0.3, imap://b]}", "",
     "x:2:98: backends: with insecure, imap:// is allowed for loopback hosts only (127.0.0.0/8, ::1, localhost); use imaps:// "
     "for b"},
    {LOOPBACK, "backends: {b: imap://b}",
     "x:3:36: backends: with insecure, imap:// is allowed for loopback hosts only (127.0.0.0/8, ::1, localhost); use imaps:// "
     "for b"},
    {"imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, backends: {b: imap://b}", "", NULL},
    {"imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, backends: {b: imap://b}",
     "uri: imap://127.0.0.1, insecure: true",
     "x:3:59: backends: with insecure, imap:// is allowed for loopback hosts only (127.0.0.0/8, ::1, localhost); use imaps:// "
     "for b"},
};

START_TEST(a_domains_own_server_gets_no_password_in_clear_text_either)
{
    g_autofree char *text = g_strdup_printf(LDAP "%s}\ndomains: {a.org: {imap: {%s}}}\n", domain_transports[_i].imap,
                                            domain_transports[_i].domain);
    g_autofree char *message = parse_error(text);

    ck_assert_str_eq(message, domain_transports[_i].problem != NULL ? domain_transports[_i].problem : "");
}
END_TEST

START_TEST(a_domain_may_have_an_imap_server_of_its_own)
{
    g_autoptr(Config) config = parse(
        LDAP "imap: {uri: imaps://i, admin_login: cyrus, admin_password_file: /p, ca_file: /ca, timeout: 7s, window: 5,\n"
             "  backends: {b2: imaps://b2, B1: [imaps://b1, 'imap://b1-standby:1143']}}\n"
             "domains:\n  a.org: {}\n  B.org: {imap: {uri: imaps://j, admin_login: admin}}\n"
             "  c.org: {imap: {window: 9, insecure: no, backends: {}}}\n");
    const ImapSettings *global = config->imap, *b = config_imap_of(config, "b.ORG"), *c = config_imap_of(config, "c.org");
    const ImapBackend *first = g_ptr_array_index(global->backends, 0), *second = g_ptr_array_index(global->backends, 1);

    ck_assert_ptr_eq(config_imap_of(config, "a.org"), global);
    ck_assert_ptr_eq(config_imap_of(config, "not-in-the-file.org"), global);
    ck_assert_str_eq(b->uri, "imaps://j");
    ck_assert_str_eq(b->admin_login, "admin");
    ck_assert_str_eq(b->ca_file, "/ca");
    ck_assert_int_eq(b->timeout_us, 7 * G_TIME_SPAN_SECOND);
    ck_assert_uint_eq(b->window, 5);
    ck_assert_uint_eq(b->backends->len, 2);
    ck_assert_str_eq(c->uri, "imaps://i");
    ck_assert_uint_eq(c->window, 9);
    ck_assert_uint_eq(c->backends->len, 0);
    ck_assert_str_eq(first->name, "B1");
    ck_assert_uint_eq(first->uris->len, 2);
    ck_assert_str_eq(g_ptr_array_index(first->uris, 1), "imap://b1-standby:1143");
    ck_assert_str_eq(second->name, "b2");
    ck_assert_uint_eq(second->uris->len, 1);
}
END_TEST

START_TEST(domains_with_equal_servers_share_one)
{
    g_autoptr(Config) config = parse(
        LDAP IMAP "domains:\n  a.org: {imap: {}}\n  b.org: {imap: {uri: imaps://imap.example.org, mail_host: m}}\n"
                  "  c.org: {imap: {uri: imaps://j, backends: {x: imaps://x, y: imaps://y}}}\n"
                  "  d.org: {imap: {backends: {y: imaps://y, x: [imaps://x]}, uri: imaps://j}}\n"
                  "  e.org: {imap: {backends: {y: imaps://y, x: [imaps://x, imaps://z]}, uri: imaps://j}}\n"
                  "  f.org: {imap: {admin_login: other}}\n  g.org: {imap: {timeout: 1s}}\n  h.org: {imap: {ca_file: /c}}\n");
    const char *const others[] = {"c.org", "e.org", "f.org", "g.org", "h.org"};

    ck_assert_ptr_eq(config_imap_of(config, "a.org"), config->imap);
    ck_assert_ptr_eq(config_imap_of(config, "b.org"), config->imap);
    ck_assert_ptr_eq(config_imap_of(config, "d.org"), config_imap_of(config, "c.org"));
    ck_assert_uint_eq(config->imap_servers->len, 1 + G_N_ELEMENTS(others));
    ck_assert_ptr_eq(g_ptr_array_index(config->imap_servers, 0), config->imap);
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        ck_assert_ptr_eq(config_imap_of(config, others[i]), g_ptr_array_index(config->imap_servers, i + 1));
}
END_TEST

START_TEST(passwords_tell_servers_apart)
{
    g_autoptr(ImapSettings) one = imap_settings_new();
    g_autoptr(ImapSettings) other = imap_settings_new();

    ck_assert(imap_settings_equal(one, other));
    one->admin_password = g_strdup("a");
    ck_assert(!imap_settings_equal(one, other));
    other->admin_password = g_strdup("b");
    ck_assert(!imap_settings_equal(one, other));
}
END_TEST

static const struct {
    const char *global; /* imap.mail_host at the top; NULL: not set */
    const char *domain; /* settings of imap below the domain */
    const char *mail_host;
} mail_hosts[] = {
    {NULL, "", "imap.example.org"},
    {NULL, "uri: 'imaps://j:1993'", "j"},
    {NULL, "uri: imaps://j, mail_host: m", "m"},
    {NULL, "mail_host: m", "m"},
    {NULL, "uri: imaps://j, mail_host: ''", NULL},
    {"g", "", "g"},
    {"g", "uri: imaps://j", "j"},
    {"g", "mail_host: ''", NULL},
    {"''", "", NULL},
    {"''", "uri: imaps://j", NULL},
    {"''", "uri: imaps://j, mail_host: j", "j"},
};

START_TEST(the_mail_host_follows_the_domains_own_uri)
{
    const char *global = mail_hosts[_i].global;
    g_autofree char *text = g_strdup_printf(
        LDAP "imap: {uri: imaps://imap.example.org, admin_login: a, admin_password_file: /p%s%s}\ndomains: {a.org: {imap: {%s}}}\n",
        global != NULL ? ", mail_host: " : "", global != NULL ? global : "", mail_hosts[_i].domain);
    g_autoptr(Config) config = parse(text);

    ck_assert_pstr_eq(first_domain(config)->mail_host, mail_hosts[_i].mail_host);
}
END_TEST

START_TEST(only_what_decides_about_existing_mailboxes_makes_every_entry_be_compared_again)
{
    const char *const texts_of[] = {"", "placement: {policy: round-robin, partition: p, settle_timeout: 1s}\n",
                                    "placement: {move: true}\n"};
    const char *digests[G_N_ELEMENTS(texts_of)];
    g_autoptr(GPtrArray) configs = g_ptr_array_new_with_free_func((GDestroyNotify)config_free);

    for (gsize i = 0; i < G_N_ELEMENTS(texts_of); i++) {
        g_autofree char *text = g_strconcat(MINIMAL, texts_of[i], NULL);

        g_ptr_array_add(configs, parse(text));
        digests[i] = first_domain(g_ptr_array_index(configs, i))->digest;
    }
    ck_assert_str_eq(digests[0], digests[1]);
    ck_assert_str_ne(digests[0], digests[2]);
}
END_TEST

START_TEST(a_domain_may_place_its_mailboxes_otherwise)
{
    g_autoptr(Config) config = parse(MINIMAL "placement: {policy: mailhost, partition: p, move: yes}\n");
    g_autoptr(Config) other = parse(LDAP IMAP "placement: {policy: mailhost, partition: p, move: yes}\n"
                                              "domains: {a.org: {placement: {policy: server, partition: '', move: no}}, b.org: {}}\n");
    const DomainSettings *a = config_find_domain(other, "a.org"), *b = config_find_domain(other, "b.org");

    ck_assert_str_eq(first_domain(config)->placement_partition, "p");
    ck_assert_int_eq(a->placement_policy, PLACEMENT_SERVER);
    ck_assert_ptr_null(a->placement_partition);
    ck_assert(!a->placement_move && b->placement_move);
    ck_assert_int_eq(b->placement_policy, PLACEMENT_MAILHOST);
    ck_assert_str_eq(b->placement_partition, "p");
}
END_TEST

START_TEST(an_empty_mail_host_leaves_the_attribute_alone)
{
    g_autoptr(Config) config = parse(
        LDAP DOMAINS "imap: {uri: imaps://i, admin_login: a, admin_password_file: /p, mail_host: ''}\n");

    ck_assert_ptr_null(first_domain(config)->mail_host);
}
END_TEST

START_TEST(a_parent_folder_comes_before_its_children_also_when_it_is_not_named)
{
    g_autoptr(Config) config = parse(MINIMAL "folders: {create: {B/C/D: {}, B-: {}, A/x: {}, A: {subscribe: no}}}\n");
    static const char *const names[] = {"A", "A/x", "B", "B-", "B/C", "B/C/D"};
    GPtrArray *folders = first_domain(config)->folders;

    ck_assert_uint_eq(folders->len, G_N_ELEMENTS(names));
    for (guint i = 0; i < folders->len; i++)
        ck_assert_str_eq(((Folder *)g_ptr_array_index(folders, i))->name, names[i]);
    ck_assert(!((Folder *)g_ptr_array_index(folders, 0))->subscribe);
}
END_TEST

/* --- etc/kolabd.yaml and the manual page; the test runs at the top of the source tree */

static char *read_source(const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    ck_assert_msg(g_file_get_contents(path, &text, NULL, &error), "%s", error ? error->message : "");
    return text;
}

/* "  #workers: 4" to "  workers: 4". */
static char *uncomment(const char *text)
{
    g_autoptr(GRegex) regex = g_regex_new("^( *)#(?=[^ #\\n])", G_REGEX_MULTILINE, 0, NULL);

    return g_regex_replace(regex, text, -1, 0, "\\1", 0, NULL);
}

static char *make_directory(void)
{
    char *path = g_dir_make_tmp("check_config.XXXXXX", NULL);

    ck_assert_ptr_nonnull(path);
    return path;
}

static char *put_file(const char *directory, const char *name, const char *text, gsize len, mode_t mode)
{
    char *path = g_build_filename(directory, name, NULL);

    ck_assert(g_file_set_contents(path, text, (gssize)len, NULL));
    ck_assert_int_eq(chmod(path, mode), 0);
    return path;
}

static void remove_directory(char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        g_remove(file);
    }
    g_rmdir(path);
    g_free(path);
}

/* Reads a text as a file whose secrets exist. */
static Config *read_with_secrets(const char *text, const char *directory)
{
    g_autofree char *ldap G_GNUC_UNUSED = put_file(directory, "ldap.password", "secret\n", 7, 0600);
    g_autofree char *imap G_GNUC_UNUSED = put_file(directory, "imap.password", "secret2", 7, 0640);
    g_autofree char *ca G_GNUC_UNUSED = put_file(directory, "ca.pem", "x", 1, 0644);
    g_autoptr(GString) moved = g_string_new(text);
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    Config *config = NULL;

    g_string_replace(moved, "/etc/kolabd", directory, 0);
    path = put_file(directory, "kolabd.yaml", moved->str, moved->len, 0644);
    ck_assert_msg(config_read(path, &config, &error), "%s", error ? error->message : "");
    return config;
}

START_TEST(the_sample_file_shows_the_defaults)
{
    char *directory = make_directory();
    g_autofree char *text = read_source("etc/kolabd.yaml");
    g_autofree char *all = uncomment(text);
    g_autoptr(Config) config = read_with_secrets(text, directory);
    g_autoptr(Config) shown = read_with_secrets(all, directory);
    GPtrArray *folders = first_domain(config)->folders, *shown_folders = first_domain(shown)->folders;

    ck_assert_str_eq(config->directory->bind_password, "secret");
    ck_assert_str_eq(config->imap->admin_password, "secret2");
    ck_assert_str_eq(first_domain(config)->digest, first_domain(shown)->digest);
    ck_assert_str_eq(config->state_file, shown->state_file);
    ck_assert_uint_eq(config->workers, shown->workers);
    ck_assert_int_eq(config->sweep_interval_us, shown->sweep_interval_us);
    ck_assert_int_eq(config->log_level, shown->log_level);
    ck_assert_int_eq(config->directory->timeout_us, shown->directory->timeout_us);
    ck_assert_uint_eq(config->directory->page_size, shown->directory->page_size);
    ck_assert(shown->directory->starttls && !shown->directory->insecure && !shown->imap->insecure);
    ck_assert_int_eq(config->imap->timeout_us, shown->imap->timeout_us);
    ck_assert_uint_eq(config->imap->window, shown->imap->window);
    ck_assert_uint_eq(config->imap->max_sessions, shown->imap->max_sessions);
    ck_assert_uint_eq(shown->imap->backends->len, 0);
    ck_assert_uint_eq(folders->len, shown_folders->len);
    for (guint i = 0; i < folders->len; i++) {
        const Folder *one = g_ptr_array_index(folders, i), *two = g_ptr_array_index(shown_folders, i);

        ck_assert_str_eq(one->name, two->name);
        ck_assert_uint_eq(one->metadata->len, two->metadata->len);
        for (guint j = 0; j < one->metadata->len; j++) {
            ck_assert_str_eq(((Metadata *)one->metadata->pdata[j])->name,
                             ((Metadata *)two->metadata->pdata[j])->name);
            ck_assert_str_eq(((Metadata *)one->metadata->pdata[j])->value,
                             ((Metadata *)two->metadata->pdata[j])->value);
        }
    }
    remove_directory(directory);
}
END_TEST

static bool names_word(const char *text, const char *word)
{
    g_autofree char *pattern = g_strdup_printf("\\b%s\\b", word);

    return g_regex_match_simple(pattern, text, 0, 0);
}

START_TEST(the_sample_file_names_every_setting)
{
    g_autofree char *text = read_source("etc/kolabd.yaml");
    g_autofree char *all = uncomment(text);
    g_autoptr(ConfigMistakes) found = config_mistakes_new("etc/kolabd.yaml");
    g_autoptr(ConfigNode) root = config_yaml_parse(all, strlen(all), found);
    const ConfigNode *domain;

    ck_assert_ptr_nonnull(root);
    domain = g_ptr_array_index(config_node_find(root, "domains")->values, 0);
    for (const Setting *setting = config_settings; setting->path != NULL; setting++) {
        const ConfigNode *from = setting->place == PLACE_DOMAIN ? domain : root;
        bool there = setting->place == PLACE_FOLDER ? names_word(text, setting->path)
                                                    : config_node_find(from, setting->path) != NULL;

        ck_assert_msg(there, "%s", setting->path);
    }
}
END_TEST

START_TEST(the_manual_page_names_every_setting)
{
    g_autofree char *text = read_source("docs/kolabd.yaml.5");

    for (const Setting *setting = config_settings; setting->path != NULL; setting++) {
        g_autofree char *line = g_strdup_printf(".It Ic %s", setting->path);

        ck_assert_msg(strstr(text, line) != NULL, "%s", setting->path);
    }
}
END_TEST

/* --- files */

static const struct {
    const char *content;
    gsize len;
    mode_t mode;
    const char *secret;
    const char *problem;
} secrets[] = {
    {"hunter2\n", 8, 0600, "hunter2", NULL},
    {"hunter2", 7, 0640, "hunter2", NULL},
    {"hunter2\nsecond line\n", 20, 0440, "hunter2", NULL},
    {" a b \n", 6, 0600, " a b ", NULL},
    {"p\xc3\xa4ss\xff\n", 7, 0600, "p\xc3\xa4ss\xff", NULL},
    {"hunter2\n", 8, 0644, NULL, "open to everybody"},
    {"hunter2\n", 8, 0601, NULL, "open to everybody"},
    {"", 0, 0600, NULL, "empty"},
    {"\nhunter2\n", 9, 0600, NULL, "empty"},
    {"hunter2\r\n", 9, 0600, NULL, "control character"},
    {"hun\0ter2\n", 9, 0600, NULL, "control character"},
};

START_TEST(a_secret_is_the_first_line_of_a_file_that_others_cannot_open)
{
    char *directory = make_directory();
    g_autofree char *path =
        put_file(directory, "file", secrets[_i].content, secrets[_i].len, secrets[_i].mode);
    g_autofree char *secret = NULL, *credential = NULL;
    g_autoptr(GError) error = NULL, credential_error = NULL;
    bool good = config_secret_read(path, NULL, &secret, &error);

    ck_assert(config_secret_read("file", directory, &credential, &credential_error) == good);
    ck_assert(good == (secrets[_i].problem == NULL));
    ck_assert_pstr_eq(secret, secrets[_i].secret);
    ck_assert_pstr_eq(credential, secrets[_i].secret);
    if (!good) {
        ck_assert_int_eq(fault_of(error), FAULT_STOP);
        ck_assert_msg(strstr(error->message, secrets[_i].problem) != NULL, "%s", error->message);
        ck_assert_ptr_null(strstr(error->message, "hunter2"));
    }
    remove_directory(directory);
}
END_TEST

START_TEST(a_secret_of_more_than_a_kilobyte_is_refused)
{
    char *directory = make_directory();
    g_autofree char *text = g_strnfill(1025, 'x');
    g_autofree char *path = put_file(directory, "file", text, 1025, 0600);
    g_autofree char *secret = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert(!config_secret_read(path, NULL, &secret, &error));
    g_clear_error(&error);
    text[1024] = '\n';
    g_free(path);
    path = put_file(directory, "file", text, 1025, 0600);
    ck_assert(config_secret_read(path, NULL, &secret, &error));
    ck_assert_uint_eq(strlen(secret), 1024);
    remove_directory(directory);
}
END_TEST

/* Neither the configured name nor its directory is shown: a password may have been put in its place. */
static const char *const no_secrets[] = {"hunter2",   "./hunter2", "", "..", "/nonexistent/hunter2",
                                         "/dev/null", "/"};

START_TEST(a_secret_that_is_no_file_is_refused_without_showing_the_name)
{
    g_autofree char *secret = NULL;
    g_autoptr(GError) error = NULL, credential_error = NULL;

    ck_assert(!config_secret_read(no_secrets[_i], NULL, &secret, &error));
    ck_assert(!config_secret_read(no_secrets[_i], "/nonexistent", &secret, &credential_error));
    ck_assert_ptr_null(strstr(error->message, "hunter2"));
    ck_assert_ptr_null(strstr(credential_error->message, "hunter2"));
}
END_TEST

START_TEST(a_fifo_in_place_of_a_secret_does_not_block)
{
    char *directory = make_directory();
    g_autofree char *path = g_build_filename(directory, "fifo", NULL);
    g_autofree char *secret = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert(!config_secret_read(path, NULL, &secret, &error));
    remove_directory(directory);
}
END_TEST

START_TEST(unreadable_files_are_mistakes_at_their_settings)
{
    char *directory = make_directory();
    static const char text[] =
        "ldap: {uri: ldaps://l, bind_dn: cn=b, bind_password_file: /nonexistent/p, ca_file: /n}\n"
        "imap: {uri: imaps://i, admin_login: a, admin_password_file: /nonexistent/q}\n" DOMAINS;
    g_autofree char *path = put_file(directory, "c.yaml", text, strlen(text), 0644);
    g_autofree char *expected = g_strdup_printf(
        "%s:1:59: ldap.bind_password_file: the file cannot be opened: No such file or directory\n"
        "%s:1:84: ldap.ca_file: want a file that can be read, got \"/n\"\n"
        "%s:2:61: imap.admin_password_file: the file cannot be opened: No such file or directory",
        path, path, path);
    g_autoptr(Config) config = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert(!config_read(path, &config, &error));
    ck_assert_str_eq(error->message, expected);
    remove_directory(directory);
}
END_TEST

static const char *const no_files[] = {"/nonexistent/kolabd.yaml", "/", "/dev/zero", "/dev/null"};

START_TEST(a_configuration_that_is_no_file_of_ours_is_refused)
{
    g_autoptr(Config) config = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert(!config_read(no_files[_i], &config, &error));
    ck_assert_int_eq(fault_of(error), FAULT_STOP);
    ck_assert_msg(g_str_has_prefix(error->message, no_files[_i]), "%s", error->message);
}
END_TEST

/* Each of a MiB: what could take quadratic time (Check ends it then) or run out of stack. */
static const char *const masses[] = {"[",      "{a: ", "- ", "? ", "a: &a\n- &b x\n", "*a ",
                                     "a: 1\n", "[a, ", "!",  "\"", "- - &x1 x\n",     "{a, "};

START_TEST(a_mebibyte_of_anything_is_refused)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *message = NULL;

    while (text->len < 1 << 20)
        g_string_append(text, masses[_i]);
    message = parse_error(text->str);
    ck_assert_str_ne(message, "");
}
END_TEST

START_TEST(thousands_of_domains_are_accepted)
{
    g_autoptr(GString) text = g_string_new(LDAP IMAP "domains:\n");
    g_autoptr(Config) config = NULL;

    for (guint i = 0; i < 10000; i++)
        g_string_append_printf(text, "  d%u.example.org: {quota: {default: %uMiB}}\n", i, i + 1);
    config = parse(text->str);
    ck_assert_uint_eq(config->domains->len, 10000);
    ck_assert_int_eq(config_find_domain(config, "d9999.example.org")->default_quota_kib, 10000 * 1024);
}
END_TEST

START_TEST(the_number_of_reported_mistakes_is_bounded)
{
    g_autoptr(GString) text = g_string_new(MINIMAL);
    g_autofree char *message = NULL;

    for (guint i = 0; i < 20000; i++)
        g_string_append_printf(text, "unknown_setting_%u: 1\n", i);
    message = parse_error(text->str);
    ck_assert_msg(g_str_has_suffix(message, "\nx: 19500 more mistakes"), "%s",
                  message + strlen(message) - 60);
}
END_TEST

static TCase *make_case(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return tcase;
}

#define TABLE(tcase, test, table) tcase_add_loop_test(tcase, test, 0, (int)G_N_ELEMENTS(table))

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *texts_case = make_case(suite, "texts"), *values = make_case(suite, "values");
    TCase *documents = make_case(suite, "documents"), *files = make_case(suite, "files");

    TABLE(texts_case, a_mistake_is_reported_with_its_place, mistakes);
    TABLE(texts_case, an_empty_text_lacks_every_required_setting, empty_texts);
    tcase_add_test(texts_case, all_mistakes_are_reported_in_one_run_in_the_order_of_the_file);
    tcase_add_test(texts_case, a_global_mistake_is_reported_once_however_many_domains_inherit_it);
    TABLE(texts_case, a_password_goes_over_tls_or_loopback_only, transports);
    TABLE(texts_case, a_domains_own_server_gets_no_password_in_clear_text_either, domain_transports);
    TABLE(texts_case, a_text_is_checked_by_its_syntax, texts);
    TABLE(texts_case, a_mebibyte_of_anything_is_refused, masses);
    tcase_add_test(texts_case, thousands_of_domains_are_accepted);
    tcase_add_test(texts_case, with_domain_discovery_the_file_needs_no_domains);
    tcase_add_test(texts_case, an_empty_discovery_base_turns_it_off);
    tcase_add_test(texts_case, the_number_of_reported_mistakes_is_bounded);
    TABLE(values, a_duration_has_a_unit_or_is_seconds, durations);
    TABLE(values, a_quota_is_kib_or_has_a_suffix, quotas);
    tcase_add_test(values, what_is_not_set_has_its_default);
    tcase_add_test(values, every_setting_reaches_its_field);
    tcase_add_test(values, a_domain_overrides_the_global_settings_and_inherits_the_others);
    tcase_add_test(values, a_domain_may_have_an_imap_server_of_its_own);
    tcase_add_test(values, domains_with_equal_servers_share_one);
    tcase_add_test(values, passwords_tell_servers_apart);
    TABLE(values, the_mail_host_follows_the_domains_own_uri, mail_hosts);
    tcase_add_test(values, only_what_decides_about_existing_mailboxes_makes_every_entry_be_compared_again);
    tcase_add_test(values, a_domain_may_place_its_mailboxes_otherwise);
    tcase_add_test(values, an_empty_mail_host_leaves_the_attribute_alone);
    tcase_add_test(values, a_parent_folder_comes_before_its_children_also_when_it_is_not_named);
    tcase_add_test(documents, the_sample_file_shows_the_defaults);
    tcase_add_test(documents, the_sample_file_names_every_setting);
    tcase_add_test(documents, the_manual_page_names_every_setting);
    TABLE(files, a_secret_is_the_first_line_of_a_file_that_others_cannot_open, secrets);
    tcase_add_test(files, a_secret_of_more_than_a_kilobyte_is_refused);
    TABLE(files, a_secret_that_is_no_file_is_refused_without_showing_the_name, no_secrets);
    tcase_add_test(files, a_fifo_in_place_of_a_secret_does_not_block);
    tcase_add_test(files, unreadable_files_are_mistakes_at_their_settings);
    TABLE(files, a_configuration_that_is_no_file_of_ours_is_refused, no_files);
    return run_suite(suite);
}
