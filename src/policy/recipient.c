#include "policy/recipient.h"

#include "model/fault.h"
#include "model/mailbox_name.h"
#include "policy/clash.h"
#include "policy/compose.h"

#include <string.h>

/* An attribute may have thousands of values, and the message goes to the log and to the state. */
enum { VALUES_SHOWN_MAX = 4 };

/* The addresses an entry has. */
typedef struct {
    char *primary; /* as written; NULL: none */
    char *primary_canonical;
    GPtrArray *aliases; /* of char*, as written */
    GHashTable *own;    /* char* canonical: the addresses in all address attributes */
} Existing;

static void existing_clear(Existing *existing)
{
    g_free(existing->primary);
    g_free(existing->primary_canonical);
    g_clear_pointer(&existing->aliases, g_ptr_array_unref);
    g_clear_pointer(&existing->own, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Existing, existing_clear)

void recipient_free(Recipient *recipient)
{
    if (recipient == NULL)
        return;
    g_free(recipient->primary);
    g_ptr_array_unref(recipient->aliases);
    g_free(recipient);
}

static int compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool refuse_several(const char *attribute, const GPtrArray *values, GError **error)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint i = 0; i < MIN(values->len, VALUES_SHOWN_MAX); i++) {
        const char *value = g_ptr_array_index(values, i);
        g_autofree char *shown = fault_show(value, strlen(value));

        g_string_append_printf(list, "%s%s", i == 0 ? "" : ", ", shown);
    }
    if (values->len > VALUES_SHOWN_MAX)
        g_string_append_printf(list, " and %u more", values->len - VALUES_SHOWN_MAX);
    g_set_error(
        error, FAULT, FAULT_PARK,
        "attribute \"%s\" has %u values (%s): the primary address is one; leave one, the others are aliases",
        attribute, values->len, list->str);
    return false;
}

static bool read_primary(const DomainSettings *settings, const Entry *entry, Existing *existing,
                         GError **error)
{
    g_autoptr(GPtrArray) values = NULL;

    if (!entry_get_values(entry, settings->mail_attribute, &values, error))
        return false;
    if (values->len > 1)
        return refuse_several(settings->mail_attribute, values, error);
    if (values->len == 0)
        return true;
    if (!address_normalize(settings->mail_attribute, g_ptr_array_index(values, 0),
                           &existing->primary_canonical, error))
        return false;
    existing->primary = g_strdup(g_ptr_array_index(values, 0));
    g_hash_table_add(existing->own, g_strdup(existing->primary_canonical));
    return true;
}

static bool read_aliases(const DomainSettings *settings, const Entry *entry, Existing *existing,
                         GError **error)
{
    if (!entry_get_values(entry, settings->alias_attribute, &existing->aliases, error))
        return false;
    for (guint i = 0; i < existing->aliases->len; i++) {
        char *canonical;

        if (!address_normalize(settings->alias_attribute, g_ptr_array_index(existing->aliases, i), &canonical,
                               error))
            return false;
        g_hash_table_add(existing->own, canonical);
    }
    return true;
}

/* Address attributes that others maintain: what is no address there is not our affair. */
static bool read_others(const DomainSettings *settings, const Entry *entry, Existing *existing,
                        GError **error)
{
    for (guint i = 0; i < settings->address_attributes->len; i++) {
        g_autoptr(GPtrArray) values = NULL;

        if (!entry_get_values(entry, g_ptr_array_index(settings->address_attributes, i), &values, error))
            return false;
        for (guint j = 0; j < values->len; j++) {
            char *canonical;

            if (address_normalize("", g_ptr_array_index(values, j), &canonical, NULL))
                g_hash_table_add(existing->own, canonical);
        }
    }
    return true;
}

static bool read_existing(const DomainSettings *settings, const Entry *entry, Existing *existing,
                          GError **error)
{
    existing->own = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return read_primary(settings, entry, existing, error) && read_aliases(settings, entry, existing, error) &&
           read_others(settings, entry, existing, error);
}

/* *wish stays NULL when the primary address is not the policy's to make. */
static bool wish_primary(const Composer *composer, const Existing *existing, GPtrArray *wishes, Wish **wish,
                         GError **error)
{
    const DomainSettings *settings = composer->settings;
    char *plain = NULL;

    if (settings->primary->len == 0 || (existing->primary != NULL && settings->policy_mode != POLICY_ALWAYS))
        return true;
    if (!compose_address(composer, g_ptr_array_index(settings->primary, 0), settings->name,
                         existing->primary == NULL, &plain, error))
        return false;
    if (plain != NULL)
        *wish = wish_add(wishes, plain);
    return true;
}

static bool wish_secondary(const Composer *composer, const char *domain, GPtrArray *wishes, GError **error)
{
    for (guint i = 0; i < composer->settings->secondary->len; i++) {
        char *plain = NULL;

        if (!compose_address(composer, g_ptr_array_index(composer->settings->secondary, i), domain, false,
                             &plain, error))
            return false;
        if (plain != NULL)
            wish_add(wishes, plain);
    }
    return true;
}

static bool collect_wishes(const DomainSettings *settings, const Entry *entry, const Existing *existing,
                           GPtrArray *wishes, Wish **primary, GError **error)
{
    g_autofree char *locale = NULL;
    Composer composer = {.settings = settings, .entry = entry};

    if (settings->primary->len == 0 && settings->secondary->len == 0)
        return true;
    if (!compose_locale(settings, entry, &locale, error))
        return false;
    composer.locale = locale;
    if (!wish_primary(&composer, existing, wishes, primary, error) ||
        !wish_secondary(&composer, settings->name, wishes, error))
        return false;
    for (guint i = 0; i < settings->aliases->len; i++)
        if (!wish_secondary(&composer, g_ptr_array_index(settings->aliases, i), wishes, error))
            return false;
    return true;
}

static bool settle(const DomainSettings *settings, const Existing *existing, GPtrArray *wishes,
                   AddressesTaken addresses_taken, gpointer user_data, GError **error)
{
    const Wish *unsettled;

    if (!clash_settle(wishes, existing->primary_canonical, existing->own, addresses_taken, user_data,
                      &unsettled, error))
        return false;
    if (unsettled == NULL)
        return true;
    g_set_error(
        error, FAULT, FAULT_PARK,
        "the policy's address \"%s\" belongs to somebody else, and so do the numbers 2 to 999 behind its "
        "local part, or they make it over-long; set \"%s\" by hand or change the policy",
        unsettled->plain, settings->mail_attribute);
    return false;
}

/* Adds an address under its canonical form; the first spelling stays. */
static void add_spelling(GHashTable *spellings, const char *address)
{
    char *canonical;

    if (!address_normalize("", address, &canonical, NULL))
        g_assert_not_reached();
    if (g_hash_table_contains(spellings, canonical))
        g_free(canonical);
    else
        g_hash_table_insert(spellings, canonical, g_strdup(address));
}

/* What is written already keeps its spelling. */
static Recipient *make_recipient(const Existing *existing, const GPtrArray *wishes, const Wish *primary)
{
    g_autoptr(GHashTable) spellings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const char *chosen = primary != NULL ? primary->address : existing->primary_canonical;
    bool keeps = g_strcmp0(chosen, existing->primary_canonical) == 0;
    Recipient *recipient = g_new0(Recipient, 1);
    GHashTableIter iter;
    gpointer spelling;

    for (guint i = 0; i < existing->aliases->len; i++)
        add_spelling(spellings, g_ptr_array_index(existing->aliases, i));
    if (existing->primary != NULL)
        add_spelling(spellings, existing->primary);
    for (guint i = 0; i < wishes->len; i++)
        add_spelling(spellings, ((const Wish *)g_ptr_array_index(wishes, i))->address);
    if (chosen != NULL)
        g_hash_table_remove(spellings, chosen);
    recipient->primary = g_strdup(keeps ? existing->primary : chosen);
    recipient->aliases = g_ptr_array_new_with_free_func(g_free);
    g_hash_table_iter_init(&iter, spellings);
    while (g_hash_table_iter_next(&iter, NULL, &spelling))
        g_ptr_array_add(recipient->aliases, g_strdup(spelling));
    g_ptr_array_sort(recipient->aliases, compare_texts);
    return recipient;
}

bool recipient_decide(const DomainSettings *settings, const Entry *entry, AddressesTaken addresses_taken,
                      gpointer user_data, Recipient **recipient, GError **error)
{
    g_auto(Existing) existing = {.primary = NULL};
    g_autoptr(GPtrArray) wishes = g_ptr_array_new_with_free_func((GDestroyNotify)wish_free);
    bool applies = settings->policy_mode != POLICY_NEVER && !settings->read_only;
    Wish *primary = NULL;

    if (!read_existing(settings, entry, &existing, error))
        return false;
    if (applies && (!collect_wishes(settings, entry, &existing, wishes, &primary, error) ||
                    !settle(settings, &existing, wishes, addresses_taken, user_data, error)))
        return false;
    *recipient = make_recipient(&existing, wishes, primary);
    return true;
}
