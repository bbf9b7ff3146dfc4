#include "entries.h"
#include "model/fault.h"
#include "model/mailbox_name.h"
#include "policy/recipient.h"
#include "policy/template.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define FORMAT_HOLE "x'.lower()); __import__('os').system('touch /tmp/owned'); format('"
#define LONG_300                                                                                                       \
    "Abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv"             \
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv"             \
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv"
#define LOCAL_64 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

/* Who owns which addresses besides the entry, and what was asked. */
typedef struct {
    char **taken;
    guint calls;
    GPtrArray *asked;
    bool fails;
} Others;

static bool answer(GPtrArray *addresses, GHashTable *taken, gpointer user_data, GError **error)
{
    Others *others = user_data;

    ck_assert_uint_gt(addresses->len, 0);
    others->calls++;
    if (others->fails) {
        g_set_error(error, FAULT, FAULT_RETRY, "the directory is away");
        return false;
    }
    for (guint i = 0; i < addresses->len; i++) {
        const char *address = g_ptr_array_index(addresses, i);

        ck_assert_msg(!g_ptr_array_find_with_equal_func(others->asked, address, g_str_equal, NULL), "%s asked twice", address);
        g_ptr_array_add(others->asked, g_strdup(address));
        if (g_strv_contains((const char *const *)others->taken, address))
            g_hash_table_add(taken, g_strdup(address));
    }
    return true;
}

static void others_clear(Others *others)
{
    g_strfreev(others->taken);
    g_ptr_array_unref(others->asked);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Others, others_clear)

#define OTHERS(text)                                                                                                   \
    {                                                                                                                  \
        .taken = g_strsplit((text), " ", -1), .asked = g_ptr_array_new_with_free_func(g_free)                          \
    }

static void set_templates(GPtrArray *templates, const char *texts)
{
    g_auto(GStrv) split = g_strsplit(texts, " ", -1);

    g_ptr_array_set_size(templates, 0);
    for (char **text = split; *text != NULL; text++) {
        g_autoptr(GError) error = NULL;

        g_ptr_array_add(templates, template_parse(*text, &error));
        g_assert_no_error(error);
    }
}

typedef struct {
    const char *title;
    const char *entry;
    const char *taken;   /* by others */
    const char *primary; /* "": none */
    const char *aliases;
    guint calls; /* questions to the directory */
    PolicyMode mode;
    const char *domains;            /* alias domains */
    const char *primary_template;   /* NULL: the default; "": none */
    const char *secondary_template; /* the same; several separated by a blank */
    bool read_only;
} Row;

static const Row rows[] = {
    {"the three default forms", "givenName: Jane\nsn: Doe\nuid: jdoe", "", "jane.doe@example.org",
     "j.doe@example.org jdoe@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"no uid makes no uid form", "givenName: Jane\nsn: Doe", "", "jane.doe@example.org", "j.doe@example.org", 1,
     POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"alias domains get all secondary forms", "givenName: Jane\nsn: Doe\nuid: jdoe", "", "jane.doe@example.org",
     "j.doe@example.com j.doe@example.net j.doe@example.org jane.doe@example.com jane.doe@example.net jdoe@example.com "
     "jdoe@example.net jdoe@example.org",
     1, POLICY_WHEN_EMPTY, "example.net example.com", NULL, NULL, false},
    {"standard_domain is the parent domain", "uid: a", "", "a@example.org", "a@example.org.example.net a@example.org.example.org", 1,
     POLICY_WHEN_EMPTY, "example.net", "%(uid)s@%(domain)s", "%(uid)s@%(standard_domain)s.%(domain)s", false},
    {"existing aliases stay", "givenName: Jane\nsn: Doe\nuid: jdoe\nalias: boss@example.org", "", "jane.doe@example.org",
     "boss@example.org j.doe@example.org jdoe@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"existing spelling stays",
     "givenName: Jane\nsn: Doe\nuid: jdoe\nmail: Jane.Doe@Example.ORG\nalias: J.Doe@example.org\nalias: JDOE@example.org",
     "", "Jane.Doe@Example.ORG", "J.Doe@example.org JDOE@example.org", 0, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"an alias equal to the primary goes", "givenName: Jane\nsn: Doe\nmail: jane.doe@example.org\nalias: JANE.doe@example.org",
     "", "jane.doe@example.org", "j.doe@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"no templates, nothing made", "givenName: Jane\nsn: Doe", "", "", "", 0, POLICY_WHEN_EMPTY, "", "", "", false},
    {"no primary template, only aliases", "givenName: Jane\nsn: Doe", "", "", "jane@example.org", 1, POLICY_WHEN_EMPTY, "",
     "", "%(givenname)s@%(domain)s", false},

    {"German umlauts", "givenName: Jürgen\nsn: Größe\npreferredLanguage: de", "", "juergen.groesse@example.org",
     "j.groesse@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"umlauts in English", "givenName: Jürgen\nsn: Größe\npreferredLanguage: en", "", "jurgen.grosse@example.org",
     "j.grosse@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"umlauts in the default locale", "givenName: Jürgen\nsn: Größe", "", "jurgen.grosse@example.org",
     "j.grosse@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"a slice counts letters of the address", "givenName: Örjan\nsn: Åberg\npreferredLanguage: sv", "",
     "oerjan.aaberg@example.org", "o.aaberg@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"Cyrillic", "givenName: Игорь\nsn: Щукин\npreferredLanguage: ru", "", "igor.shchukin@example.org",
     "i.shchukin@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"Greek", "givenName: Κωνσταντίνος\nsn: Παπαδόπουλος\npreferredLanguage: el", "",
     "konstantinos.papadopoulos@example.org", "k.papadopoulos@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"Chinese", "givenName: 小明\nsn: 曾\npreferredLanguage: zh-CN", "", "xiaoming.zeng@example.org", "x.zeng@example.org", 1,
     POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"Japanese", "givenName: しんいち\nsn: タナカ\npreferredLanguage: ja", "", "shinichi.tanaka@example.org",
     "s.tanaka@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"Korean", "givenName: 민수\nsn: 김\npreferredLanguage: ko", "", "minsu.gim@example.org", "m.gim@example.org", 1,
     POLICY_WHEN_EMPTY, "", NULL, NULL, false},

    {"the apostrophe stays", "givenName: Nóra\nsn: O'Connor", "", "nora.o'connor@example.org",
     "n.o'connor@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"the typographer's apostrophe too", "givenName: Nóra\nsn: O’Connor", "", "nora.o'connor@example.org",
     "n.o'connor@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"a double-barrelled name", "givenName: Ana-Maria\nsn: Müller-Lüdenscheidt\npreferredLanguage: de", "",
     "ana-maria.mueller-luedenscheidt@example.org", "a.mueller-luedenscheidt@example.org", 1, POLICY_WHEN_EMPTY, "", NULL,
     NULL, false},
    {"blanks go", "givenName:  Mary  Ann \nsn: van\u00a0der  Berg", "", "maryann.vanderberg@example.org",
     "m.vanderberg@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"dots lead, trail and double nowhere", "givenName: .J..R.\nsn: .Smith. Jr.", "", "j.r.smith.jr@example.org",
     "j.smith.jr@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"a value brings no @", "givenName: Jane\nsn: Doe\nuid: jdoe@evil.example", "", "jane.doe@example.org",
     "j.doe@example.org jdoeevil.example@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"nor in another script", "givenName: Jane\nsn: Doe＠evil﹫x", "", "jane.doeevilx@example.org",
     "j.doeevilx@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"percent signs are text", "givenName: %s%n\nsn: 100%", "", "sn.100@example.org", "s.100@example.org", 1,
     POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"a template in a value is text", "givenName: %(sn)s\nsn: %(domain)s\nuid: %%(uid)s", "", "sns.domains@example.org",
     "s.domains@example.org uids@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"Python in a value is text", "givenName: " FORMAT_HOLE "\nsn: '+chr(97)+'\nuid: {0.__class__}", "",
     "x'.lower__import__'os'.system'touchtmpowned'format'.'+chr97+'@example.org",
     "0.__class__@example.org x.'+chr97+'@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"LDAP, IMAP and shell specials go", "givenName: a*b(c)d\\e\nsn: f/g\"h`i|j{k}l<m>n;o,p:q!r?s^t", "",
     "abcde.fghijklmnopq!rst@example.org", "a.fghijklmnopq!rst@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"atext that a mailbox takes stays", "uid: A#$!'+-=_~9", "", "a#$!'+-=_~9@example.org", "", 1, POLICY_WHEN_EMPTY, "",
     "%(uid)s@%(domain)s", "", false},
    {"64 octets fit", "uid: " LOCAL_64, "", LOCAL_64 "@example.org", "", 1, POLICY_WHEN_EMPTY, "", "%(uid)s@%(domain)s", "",
     false},
    {"text of a template is cleaned too", "uid: a", "", "x.a@example.org", "", 1, POLICY_WHEN_EMPTY, "",
     ".X..%(uid)s(.@%(domain)s", "", false},
    {"a slice beyond the value", "givenName: Jo\nsn: Doe", "", "doe@example.org", "", 1, POLICY_WHEN_EMPTY, "",
     "%(givenname[5:9])s.%(surname)s@%(domain)s", "", false},
    {"of several values the first sorted", "givenName: Zoe\ngivenName: Anna\nsn: Doe", "", "anna.doe@example.org",
     "a.doe@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"a value of which nothing is left makes no alias", "givenName: Jane\nsn: Doe\nuid: \"()\"", "", "jane.doe@example.org",
     "j.doe@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},

    {"a clash adds 2", "givenName: Jane\nsn: Doe\nuid: jdoe", "jane.doe@example.org", "jane.doe2@example.org",
     "j.doe@example.org jdoe@example.org", 2, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"a secondary clash too", "givenName: Jane\nsn: Doe\nuid: jdoe", "j.doe@example.org", "jane.doe@example.org",
     "j.doe2@example.org jdoe@example.org", 2, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"several clashes, one question", "givenName: Jane\nsn: Doe\nuid: jdoe",
     "jane.doe@example.org jane.doe2@example.org j.doe@example.org jdoe@example.org jdoe2@example.org jdoe3@example.org",
     "jane.doe3@example.org", "j.doe2@example.org jdoe4@example.org", 2, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"the first free number", "uid: a", "a@example.org a2@example.org a4@example.org", "a3@example.org", "", 2,
     POLICY_WHEN_EMPTY, "", "%(uid)s@%(domain)s", "", false},
    {"nine are taken",
     "uid: a",
     "a@example.org a2@example.org a3@example.org a4@example.org a5@example.org a6@example.org a7@example.org "
     "a8@example.org a9@example.org a10@example.org",
     "a11@example.org", "", 3, POLICY_WHEN_EMPTY, "", "%(uid)s@%(domain)s", "", false},
    {"a number may meet another form", "givenName: Jane\nuid: jane2", "jane@example.org", "jane2@example.org", "", 2,
     POLICY_WHEN_EMPTY, "", "%(givenname)s@%(domain)s", "%(uid)s@%(domain)s", false},
    {"the number of an earlier clash stays", "givenName: Jane\nsn: Doe\nmail: jane.doe3@example.org",
     "jane.doe@example.org", "jane.doe3@example.org", "j.doe@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"an alias' number of an earlier clash stays",
     "givenName: Jane\nsn: Doe\nmail: jane.doe@example.org\nalias: J.doe7@example.org", "j.doe@example.org",
     "jane.doe@example.org", "J.doe7@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"what an alias had is free for the primary", "givenName: Jane\nsn: Doe\nalias: jane.doe@example.org", "",
     "jane.doe@example.org", "j.doe@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"a number among the aliases becomes the primary", "uid: a\nalias: a5@example.org", "a@example.org",
     "a5@example.org", "", 1, POLICY_WHEN_EMPTY, "", "%(uid)s@%(domain)s", "", false},
    {"what looks like a number but is none", "uid: a\nalias: a02@example.org\nalias: a1@example.org\nalias: a1000@example.org",
     "a@example.org", "a2@example.org", "a02@example.org a1000@example.org a1@example.org", 2, POLICY_WHEN_EMPTY, "",
     "%(uid)s@%(domain)s", "", false},
    {"a clash in an alias domain only", "givenName: Jane\nsn: Doe", "jane.doe@example.net", "jane.doe@example.org",
     "j.doe@example.net j.doe@example.org jane.doe2@example.net", 2, POLICY_WHEN_EMPTY, "example.net", NULL, NULL, false},
    {"an own address of a third attribute is not asked for", "uid: a\nmailAlternateAddress: a@example.org", "a@example.org",
     "a@example.org", "", 0, POLICY_WHEN_EMPTY, "", "%(uid)s@%(domain)s", "", false},
    {"no address in a third attribute is not our affair", "uid: a\nmailAlternateAddress: no address", "", "a@example.org",
     "", 1, POLICY_WHEN_EMPTY, "", "%(uid)s@%(domain)s", "", false},

    {"when_empty keeps a hand-set primary", "givenName: Jane\nsn: Doe\nuid: jdoe\nmail: boss@example.org", "",
     "boss@example.org", "j.doe@example.org jane.doe@example.org jdoe@example.org", 1, POLICY_WHEN_EMPTY, "", NULL, NULL,
     false},
    {"when_empty needs no sn with a primary", "givenName: Jane\nmail: boss@example.org", "", "boss@example.org", "", 0,
     POLICY_WHEN_EMPTY, "", NULL, NULL, false},
    {"always replaces it, and it stays as alias", "givenName: Jane\nsn: Doe\nuid: jdoe\nmail: Boss@example.org", "",
     "jane.doe@example.org", "Boss@example.org j.doe@example.org jdoe@example.org", 1, POLICY_ALWAYS, "", NULL, NULL, false},
    {"always leaves what is right", "givenName: Jane\nsn: Doe\nmail: Jane.Doe@example.org\nalias: j.doe@example.org", "",
     "Jane.Doe@example.org", "j.doe@example.org", 0, POLICY_ALWAYS, "", NULL, NULL, false},
    {"always: an alias is promoted without a question", "uid: a\nmail: b@example.org\nalias: A@example.org", "",
     "a@example.org", "b@example.org", 0, POLICY_ALWAYS, "", "%(uid)s@%(domain)s", "", false},
    {"always: a name change", "givenName: Jane\nsn: Roe\nuid: jdoe\nmail: jane.doe@example.org\nalias: j.doe@example.org\n"
     "alias: jdoe@example.org", "", "jane.roe@example.org",
     "j.doe@example.org j.roe@example.org jane.doe@example.org jdoe@example.org", 1, POLICY_ALWAYS, "", NULL, NULL, false},
    {"always: the number stays while the plain address is taken", "uid: a\nmail: a2@example.org", "a@example.org",
     "a2@example.org", "", 1, POLICY_ALWAYS, "", "%(uid)s@%(domain)s", "", false},
    {"always: the primary's number goes before an alias'", "uid: a\nmail: a7@example.org\nalias: a3@example.org",
     "a@example.org", "a7@example.org", "a3@example.org", 1, POLICY_ALWAYS, "", "%(uid)s@%(domain)s", "", false},
    {"always: the number goes when the plain address is free", "uid: a\nmail: a2@example.org", "", "a@example.org",
     "a2@example.org", 1, POLICY_ALWAYS, "", "%(uid)s@%(domain)s", "", false},
    {"always: a clash", "uid: a\nmail: boss@example.org", "a@example.org a2@example.org", "a3@example.org",
     "boss@example.org", 2, POLICY_ALWAYS, "", "%(uid)s@%(domain)s", "", false},
    {"always keeps the primary when an attribute is absent", "givenName: Jane\nmail: boss@example.org", "",
     "boss@example.org", "", 0, POLICY_ALWAYS, "", NULL, NULL, false},
    {"never makes nothing", "givenName: Jane\nsn: Doe\nuid: jdoe", "", "", "", 0, POLICY_NEVER, "", NULL, NULL, false},
    {"never takes what there is", "givenName: Jane\nmail: Boss@example.org\nalias: x@example.org\npreferredLanguage: zz", "",
     "Boss@example.org", "x@example.org", 0, POLICY_NEVER, "example.net", NULL, NULL, false},
    {"read-only is never", "givenName: Jane\nsn: Doe\nmail: boss@example.org", "", "boss@example.org", "", 0, POLICY_ALWAYS,
     "example.net", NULL, NULL, true},
    {"read-only makes no primary", "givenName: Jane\nsn: Doe", "", "", "", 0, POLICY_WHEN_EMPTY, "", NULL, NULL, true},
};

static DomainSettings *make_settings(const Row *row)
{
    DomainSettings *settings = domain_settings_new("example.org");
    g_auto(GStrv) domains = g_strsplit(row->domains, " ", -1);

    for (char **domain = domains; *domain != NULL; domain++)
        g_ptr_array_add(settings->aliases, g_strdup(*domain));
    g_ptr_array_add(settings->address_attributes, g_strdup("mailAlternateAddress"));
    settings->policy_mode = row->mode;
    settings->read_only = row->read_only;
    if (row->primary_template != NULL)
        set_templates(settings->primary, row->primary_template);
    if (row->secondary_template != NULL)
        set_templates(settings->secondary, row->secondary_template);
    domain_settings_seal(settings);
    return settings;
}

static void assert_recipient(const Row *row, const Recipient *recipient)
{
    g_autofree char *aliases = NULL;

    g_ptr_array_add(recipient->aliases, NULL);
    aliases = g_strjoinv(" ", (char **)recipient->aliases->pdata);
    g_ptr_array_set_size(recipient->aliases, (int)recipient->aliases->len - 1);
    ck_assert_msg(g_strcmp0(recipient->primary != NULL ? recipient->primary : "", row->primary) == 0, "%s: primary %s",
                  row->title, recipient->primary);
    ck_assert_msg(strcmp(aliases, row->aliases) == 0, "%s: aliases %s", row->title, aliases);
}

START_TEST(the_policy_makes_the_addresses_of_the_table)
{
    const Row *row = &rows[_i];
    g_autoptr(DomainSettings) settings = make_settings(row);
    g_autoptr(Entry) entry = make_entry(row->entry, KIND_USER);
    g_autoptr(Recipient) recipient = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Others) others = OTHERS(row->taken);

    ck_assert_msg(recipient_decide(settings, entry, answer, &others, &recipient, &error), "%s: %s", row->title,
                  error != NULL ? error->message : "");
    assert_recipient(row, recipient);
    ck_assert_msg(others.calls == row->calls, "%s: %u questions", row->title, others.calls);
}
END_TEST

/* What a write-back makes of the entry. */
static void write_back(Entry *entry, const Recipient *recipient)
{
    const char *mail[] = {recipient->primary, NULL};

    entry_set_values(entry, "mail", mail);
    g_ptr_array_add(recipient->aliases, NULL);
    entry_set_values(entry, "alias", (const char *const *)recipient->aliases->pdata);
    g_ptr_array_set_size(recipient->aliases, (int)recipient->aliases->len - 1);
}

START_TEST(deciding_again_changes_nothing_and_asks_only_for_what_others_have)
{
    const Row *row = &rows[_i];
    g_autoptr(DomainSettings) settings = make_settings(row);
    g_autoptr(Entry) entry = make_entry(row->entry, KIND_USER);
    g_autoptr(Recipient) first = NULL;
    g_autoptr(Recipient) second = NULL;
    g_auto(Others) others = OTHERS(row->taken);
    g_auto(Others) others_again = OTHERS(row->taken);

    ck_assert(recipient_decide(settings, entry, answer, &others, &first, NULL));
    write_back(entry, first);
    ck_assert(recipient_decide(settings, entry, answer, &others_again, &second, NULL));
    assert_recipient(row, second);
    ck_assert_uint_le(others_again.calls, 1);
    for (guint i = 0; i < others_again.asked->len; i++) {
        const char *asked = g_ptr_array_index(others_again.asked, i);

        ck_assert_msg(g_strv_contains((const char *const *)others_again.taken, asked), "%s: asks for %s", row->title, asked);
    }
}
END_TEST

START_TEST(every_address_made_is_canonical_and_names_a_mailbox)
{
    const Row *row = &rows[_i];
    g_autoptr(DomainSettings) settings = make_settings(row);
    g_autoptr(Entry) entry = make_entry(row->entry, KIND_USER);
    g_autoptr(Recipient) recipient = NULL;
    g_auto(Others) others = OTHERS(row->taken);

    ck_assert(recipient_decide(settings, entry, answer, &others, &recipient, NULL));
    for (guint i = 0; i < others.asked->len; i++) {
        const char *address = g_ptr_array_index(others.asked, i);
        g_autofree char *canonical = NULL;
        g_autofree char *mailbox = NULL;

        ck_assert(address_normalize("mail", address, &canonical, NULL));
        ck_assert_str_eq(canonical, address);
        ck_assert(mailbox_name_of_user("mail", address, "example.org", &mailbox, NULL));
    }
}
END_TEST

static const struct {
    const char *title;
    const char *entry;
    PolicyMode mode;
    const char *primary_template; /* NULL: the default */
    const char *says[4];          /* what the message has */
} faults[] = {
    {"no sn", "givenName: Jane", POLICY_WHEN_EMPTY, NULL, {"\"sn\" is absent", "%(givenname)s.%(surname)s@%(domain)s", "\"mail\""}},
    {"no givenName", "sn: Doe", POLICY_ALWAYS, NULL, {"\"givenname\" is absent"}},
    {"nothing left of sn", "givenName: Jane\nsn: \u2603()", POLICY_WHEN_EMPTY, NULL, {"\"sn\" has the value", "()", "nothing of it"}},
    {"an empty slice", "uid: a", POLICY_WHEN_EMPTY, "%(uid[3:])s@%(domain)s", {"nothing before the \"@\"", "%(uid[3:])s"}},
    {"a name that is kept for renaming", "givenName: Jane\nsn: Doe\nuid: Kolabd-Moving-1", POLICY_WHEN_EMPTY, NULL,
     {"\"uid\"", "\"kolabd-moving-1@example.org\"", "kept for renaming"}},
    {"two mail values", "givenName: Jane\nsn: Doe\nmail: b@example.org\nmail: a@example.org", POLICY_WHEN_EMPTY, NULL,
     {"\"mail\" has 2 values", "\"a@example.org\", \"b@example.org\"", "is one"}},
    {"two mail values, never", "mail: b@example.org\nmail: a@example.org", POLICY_NEVER, NULL, {"\"mail\" has 2 values"}},
    {"a mail that is none", "givenName: Jane\nsn: Doe\nmail: jane", POLICY_WHEN_EMPTY, NULL, {"\"mail\"", "\"jane\"", "@"}},
    {"a second @", "givenName: Jane\nsn: Doe\nmail: a@b@example.org", POLICY_ALWAYS, NULL, {"\"mail\"", "a@b@example.org"}},
    {"a blank in an alias", "givenName: Jane\nsn: Doe\nalias: a b@example.org", POLICY_NEVER, NULL, {"\"alias\"", "\"a b@example.org\""}},
    {"CR in an alias", "givenName: Jane\nsn: Doe\nalias: a@example.org\r", POLICY_WHEN_EMPTY, NULL, {"\"alias\"", "\\x0d"}},
    {"a control character in sn", "givenName: Jane\nsn: Do\x01" "e", POLICY_WHEN_EMPTY, NULL, {"\"sn\"", "\\x01"}},
    {"Latin-1 in sn", "givenName: Jane\nsn: M\xfcller", POLICY_WHEN_EMPTY, NULL, {"\"sn\"", "\\xfc", "UTF-8"}},
    {"a control character in uid, used by a secondary form", "givenName: Jane\nsn: Doe\nuid: j\x7f", POLICY_WHEN_EMPTY, NULL,
     {"\"uid\"", "\\x7f"}},
    {"300 characters", "givenName: Jane\nsn: " LONG_300, POLICY_WHEN_EMPTY, NULL, {"\"sn\" has the value \"Abcdef", "64 octets"}},
    {"300 characters, primary set by hand", "givenName: Jane\nsn: " LONG_300 "\nmail: j@example.org", POLICY_WHEN_EMPTY, NULL,
     {"\"sn\" has the value \"Abcdef", "64 octets"}},
    {"1200 characters, of which a slice is used", "sn: " LONG_300 LONG_300 LONG_300 LONG_300, POLICY_WHEN_EMPTY,
     "%(sn[0:1])s@%(domain)s", {"\"sn\" has the value \"Abcdef", "too long"}},
    {"an unknown language", "givenName: Jane\nsn: Doe\npreferredLanguage: klingon\"", POLICY_WHEN_EMPTY, NULL,
     {"\"preferredLanguage\"", "klingon\\x22", "name a language"}},
    {"an unknown language, all set", "mail: j@example.org\npreferredLanguage: zz", POLICY_WHEN_EMPTY, NULL, {"\"zz\""}},
    {"a domain part that is none", "uid: a_b", POLICY_WHEN_EMPTY, "x@%(uid)s.example.org", {"\"uid\"", "a domain has only"}},
    {"all numbers taken", "uid: taken", POLICY_WHEN_EMPTY, "%(uid)s@%(domain)s", {"\"taken@example.org\"", "2 to 999", "\"mail\""}},
    {"no room for a number", "uid: " LOCAL_64, POLICY_WHEN_EMPTY, "%(uid)s@%(domain)s", {"over-long", "\"mail\""}},
};

/* Everything that the two clash rows want. */
static bool take_all(GPtrArray *addresses, GHashTable *taken, gpointer user_data, GError **error)
{
    guint *calls = user_data;

    (void)error;
    ++*calls;
    for (guint i = 0; i < addresses->len; i++)
        g_hash_table_add(taken, g_strdup(g_ptr_array_index(addresses, i)));
    return true;
}

START_TEST(bad_input_parks_the_entry_with_attribute_value_and_rule)
{
    Row row = {.mode = faults[_i].mode, .domains = "", .primary_template = faults[_i].primary_template};
    g_autoptr(DomainSettings) settings = make_settings(&row);
    g_autoptr(Entry) entry = make_entry(faults[_i].entry, KIND_USER);
    g_autoptr(Recipient) recipient = NULL;
    g_autoptr(GError) error = NULL;
    guint calls = 0;

    ck_assert_msg(!recipient_decide(settings, entry, take_all, &calls, &recipient, &error), "%s", faults[_i].title);
    ck_assert_ptr_null(recipient);
    ck_assert_msg(g_error_matches(error, FAULT, FAULT_PARK), "%s", faults[_i].title);
    for (gsize i = 0; i < G_N_ELEMENTS(faults[_i].says) && faults[_i].says[i] != NULL; i++)
        ck_assert_msg(strstr(error->message, faults[_i].says[i]) != NULL, "%s: %s", faults[_i].title, error->message);
    ck_assert_msg(g_utf8_validate(error->message, -1, NULL) && strlen(error->message) < 500, "%s", error->message);
    for (const char *c = error->message; *c != '\0'; c++)
        ck_assert(!g_ascii_iscntrl(*c));
}
END_TEST

START_TEST(of_many_values_a_few_are_told)
{
    Row row = {.mode = POLICY_NEVER, .domains = ""};
    g_autoptr(DomainSettings) settings = make_settings(&row);
    g_autoptr(Entry) entry = make_entry("sn: Doe", KIND_USER);
    g_autoptr(Recipient) recipient = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Others) others = OTHERS("");

    for (guint i = 0; i < 5000; i++) {
        g_autofree char *value = g_strdup_printf("m%04u@example.org", i);

        entry_add_value(entry, "mail", value, strlen(value));
    }
    ck_assert(!recipient_decide(settings, entry, answer, &others, &recipient, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_PARK));
    ck_assert_ptr_nonnull(strstr(error->message, "has 5000 values (\"m0000@example.org\", \"m0001@example.org\", "
                                                 "\"m0002@example.org\", \"m0003@example.org\" and 4996 more)"));
}
END_TEST

START_TEST(a_nul_or_a_line_end_in_a_value_parks_the_entry)
{
    static const char *const attributes[] = {"sn", "mail", "alias", "preferredLanguage", "mailAlternateAddress"};
    static const char octets[] = "a@example.org\0\r\n";

    for (gsize i = 0; i < G_N_ELEMENTS(attributes); i++)
        for (gsize len = strlen(octets) + 1; len < sizeof octets; len++) {
            Row row = {.mode = POLICY_WHEN_EMPTY, .domains = ""};
            g_autoptr(DomainSettings) settings = make_settings(&row);
            g_autoptr(Entry) entry = make_entry("givenName: Jane", KIND_USER);
            g_autoptr(Recipient) recipient = NULL;
            g_autoptr(GError) error = NULL;
            g_auto(Others) others = OTHERS("");

            entry_add_value(entry, attributes[i], octets, len);
            ck_assert(!recipient_decide(settings, entry, answer, &others, &recipient, &error));
            ck_assert(g_error_matches(error, FAULT, FAULT_PARK));
            ck_assert_ptr_nonnull(strstr(error->message, attributes[i]));
            ck_assert_ptr_nonnull(strstr(error->message, "\\x00"));
        }
}
END_TEST

START_TEST(the_value_in_the_rdn_is_chosen)
{
    Row row = {.mode = POLICY_WHEN_EMPTY, .domains = "", .primary_template = "%(uid)s@%(domain)s", .secondary_template = ""};
    g_autoptr(DomainSettings) settings = make_settings(&row);
    g_autoptr(Entry) entry = make_entry("uid: anna\nuid: zoe", KIND_USER);
    g_autoptr(Recipient) recipient = NULL;
    g_auto(Others) others = OTHERS("");

    entry_add_rdn(entry, "UID", "zoe", 3);
    ck_assert(recipient_decide(settings, entry, answer, &others, &recipient, NULL));
    ck_assert_str_eq(recipient->primary, "zoe@example.org");
}
END_TEST

START_TEST(no_answer_is_not_a_free_address)
{
    Row row = {.mode = POLICY_WHEN_EMPTY, .domains = ""};
    g_autoptr(DomainSettings) settings = make_settings(&row);
    g_autoptr(Entry) entry = make_entry("givenName: Jane\nsn: Doe", KIND_USER);
    g_autoptr(Recipient) recipient = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Others) others = OTHERS("");

    others.fails = true;
    ck_assert(!recipient_decide(settings, entry, answer, &others, &recipient, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_RETRY));
    ck_assert_ptr_null(recipient);
}
END_TEST

START_TEST(a_hundred_namesakes_all_get_addresses_of_their_own)
{
    Row row = {.mode = POLICY_WHEN_EMPTY, .domains = ""};
    g_autoptr(DomainSettings) settings = make_settings(&row);
    g_autoptr(GHashTable) given = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (int person = 1; person <= 120; person++) {
        g_autoptr(Entry) entry = make_entry("givenName: Jane\nsn: Doe", KIND_USER);
        g_autoptr(Recipient) recipient = NULL;
        g_auto(Others) others = {.taken = (char **)g_hash_table_get_keys_as_array(given, NULL),
                                 .asked = g_ptr_array_new_with_free_func(g_free)};
        char **taken = others.taken;

        ck_assert(recipient_decide(settings, entry, answer, &others, &recipient, NULL));
        others.taken = NULL;
        g_free(taken); /* the strings are the set's */
        ck_assert_uint_le(others.calls, 4);
        ck_assert(g_hash_table_add(given, g_strdup(recipient->primary)));
        ck_assert_uint_eq(recipient->aliases->len, 1);
        ck_assert(g_hash_table_add(given, g_strdup(g_ptr_array_index(recipient->aliases, 0))));
    }
    ck_assert(g_hash_table_contains(given, "jane.doe@example.org"));
    ck_assert(g_hash_table_contains(given, "jane.doe120@example.org"));
    ck_assert(!g_hash_table_contains(given, "jane.doe1@example.org"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recipient");
    TCase *tcase = tcase_create("recipient");

    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, the_policy_makes_the_addresses_of_the_table, 0, G_N_ELEMENTS(rows));
    tcase_add_loop_test(tcase, deciding_again_changes_nothing_and_asks_only_for_what_others_have, 0, G_N_ELEMENTS(rows));
    tcase_add_loop_test(tcase, every_address_made_is_canonical_and_names_a_mailbox, 0, G_N_ELEMENTS(rows));
    tcase_add_loop_test(tcase, bad_input_parks_the_entry_with_attribute_value_and_rule, 0, G_N_ELEMENTS(faults));
    tcase_add_test(tcase, of_many_values_a_few_are_told);
    tcase_add_test(tcase, a_nul_or_a_line_end_in_a_value_parks_the_entry);
    tcase_add_test(tcase, the_value_in_the_rdn_is_chosen);
    tcase_add_test(tcase, no_answer_is_not_a_free_address);
    tcase_add_test(tcase, a_hundred_namesakes_all_get_addresses_of_their_own);
    return run_suite(suite);
}
