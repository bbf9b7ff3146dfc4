#include "policy/compose.h"

#include "model/fault.h"
#include "model/mailbox_name.h"
#include "policy/transliterate.h"

#include <string.h>

/* Far beyond what fits into an address; bounds the work. */
enum { VALUE_MAX = 1024 };

/* One template being filled in. */
typedef struct {
    const Composer *composer;
    const char *domain;
    char *longest; /* attribute with the longest value so far: whom to name when the address is over-long */
    gsize longest_len;
    char *emptied; /* attribute of whose value nothing was left; NULL: none */
    GError *error;
} Filling;

static void filling_clear(Filling *filling)
{
    g_free(filling->longest);
    g_free(filling->emptied);
    g_clear_error(&filling->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Filling, filling_clear)

/* Refuses the value that an attribute contributed. */
static bool refuse(const Entry *entry, const char *attribute, const char *rule, GError **error)
{
    g_autofree char *value = NULL;
    g_autofree char *shown = NULL;

    if (!entry_get_value(entry, attribute, &value, error))
        return false;
    shown = fault_show(value == NULL ? "" : value, value == NULL ? 0 : strlen(value));
    g_set_error(error, FAULT, FAULT_PARK, "attribute \"%s\" has the value %s: %s", attribute, shown, rule);
    return false;
}

/* RFC 5322, 3.2.3: atext and the dot, as far as a mailbox's name can have it. */
static bool is_allowed(char c)
{
    return (g_ascii_isalnum(c) || strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL) && mailbox_name_takes(c);
}

/* Drops in place what is not allowed, and dots that lead or are doubled. Ends after `len` octets. */
static void strip_local_part(char *text, gsize len)
{
    gsize kept = 0;

    for (gsize i = 0; i < len; i++)
        if (is_allowed(text[i]) && (text[i] != '.' || (kept > 0 && text[kept - 1] != '.')))
            text[kept++] = text[i];
    if (kept > 0 && text[kept - 1] == '.')
        kept--;
    text[kept] = '\0';
}

static char *clean_value(const char *value, const char *locale)
{
    g_autofree char *ascii = transliterate(value, locale);
    char *lower = g_ascii_strdown(ascii, -1);

    strip_local_part(lower, strlen(lower));
    return lower;
}

static void note_longest(Filling *filling, const char *attribute, gsize len)
{
    if (filling->longest != NULL && len <= filling->longest_len)
        return;
    g_free(filling->longest);
    filling->longest = g_strdup(attribute);
    filling->longest_len = len;
}

static char *look_up(const char *name, gpointer user_data)
{
    Filling *filling = user_data;
    const Composer *composer = filling->composer;
    const char *attribute = domain_settings_attribute_of(name);
    g_autofree char *value = NULL;
    g_autofree char *clean = NULL;

    if (attribute == NULL)
        return g_strdup(strcmp(name, "domain") == 0 ? filling->domain : composer->settings->name);
    if (!entry_get_value(composer->entry, attribute, &value, &filling->error) || value == NULL)
        return NULL;
    if (strlen(value) > VALUE_MAX) {
        refuse(composer->entry, attribute, "it is too long to be part of an address; shorten it",
               &filling->error);
        return NULL;
    }
    clean = clean_value(value, composer->locale);
    if (*clean == '\0') {
        g_free(filling->emptied);
        filling->emptied = g_strdup(attribute);
        return NULL;
    }
    note_longest(filling, attribute, strlen(clean));
    return g_steal_pointer(&clean);
}

static bool report_lack(const Filling *filling, const Template *template, const char *missing, GError **error)
{
    const DomainSettings *settings = filling->composer->settings;
    g_autofree char *rule = NULL;

    if (filling->emptied == NULL) {
        g_set_error(error, FAULT, FAULT_PARK,
                    "attribute \"%s\" is absent; the policy's primary address \"%s\" needs it; "
                    "add it, or set \"%s\" by hand",
                    domain_settings_attribute_of(missing), template_text(template), settings->mail_attribute);
        return false;
    }
    rule = g_strdup_printf(
        "nothing of it can be part of an address, which the policy's primary address \"%s\" needs; "
        "correct it, or set \"%s\" by hand",
        template_text(template), settings->mail_attribute);
    return refuse(filling->composer->entry, filling->emptied, rule, error);
}

/* Checks the whole: `text` has one "@", the template's, since no value brings one in. */
static bool finish_address(const Filling *filling, char *text, char **address, GError **error)
{
    char *at = strrchr(text, '@');
    g_autofree char *local = g_strndup(text, (gsize)(at - text));
    g_autofree char *whole = NULL;
    g_autofree char *mailbox = NULL;
    const char *blamed =
        filling->longest != NULL ? filling->longest : filling->composer->settings->mail_attribute;

    strip_local_part(local, strlen(local));
    if (*local == '\0')
        return true;
    whole = g_strconcat(local, at, NULL);
    if (strlen(local) > LOCAL_PART_MAX)
        return refuse(filling->composer->entry, blamed,
                      "with it an address has more than 64 octets before the \"@\"; shorten it", error);
    if (strlen(whole) > ADDRESS_MAX)
        return refuse(filling->composer->entry, blamed,
                      "with it an address has more than 254 octets; shorten it", error);
    /* An address may become a mailbox's name, or be one that kolabd itself uses. */
    return address_normalize(blamed, whole, address, error)
        && mailbox_name_of_user(blamed, *address, filling->domain, &mailbox, error);
}

bool compose_address(const Composer *composer, const Template *template, const char *domain, bool needed,
                     char **address, GError **error)
{
    g_auto(Filling) filling = {.composer = composer, .domain = domain};
    const char *missing = NULL;
    g_autofree char *text = template_expand(template, look_up, &filling, &missing);
    g_autofree char *made = NULL;

    if (filling.error != NULL) {
        g_propagate_error(error, g_steal_pointer(&filling.error));
        return false;
    }
    if (text == NULL && needed)
        return report_lack(&filling, template, missing, error);
    if (text != NULL && !finish_address(&filling, text, &made, error))
        return false;
    if (made == NULL && needed) {
        g_set_error(error, FAULT, FAULT_PARK,
                    "the policy's primary address \"%s\" has nothing before the \"@\" for this entry; "
                    "set \"%s\" by hand",
                    template_text(template), composer->settings->mail_attribute);
        return false;
    }
    *address = g_steal_pointer(&made);
    return true;
}

bool compose_locale(const DomainSettings *settings, const Entry *entry, char **locale, GError **error)
{
    g_autofree char *preferred = NULL;

    if (!entry_get_value(entry, "preferredLanguage", &preferred, error))
        return false;
    if (preferred != NULL && !transliterate_knows(preferred))
        return refuse(
            entry, "preferredLanguage",
            "it must name a language that ICU knows, such as \"de\" or \"en-US\"; correct the entry", error);
    *locale = preferred != NULL ? g_steal_pointer(&preferred) : g_strdup(settings->default_locale);
    return true;
}
