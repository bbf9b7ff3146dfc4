#include "policy/decide.h"

#include "model/fault.h"
#include "model/mailbox_name.h"
#include "policy/placement.h"
#include "policy/shared.h"

#include <string.h>

static AttributeValues *add_attribute(Account *account, const char *name)
{
    AttributeValues *attribute = attribute_values_new(name);

    g_ptr_array_add(account->attributes, attribute);
    return attribute;
}

static void add_single(Account *account, const char *name, const char *value)
{
    AttributeValues *attribute = add_attribute(account, name);

    attribute->single = true;
    g_ptr_array_add(attribute->values, g_strdup(value));
}

static bool decide_addresses(const DomainSettings *settings, const Entry *entry,
                             AddressesTaken addresses_taken, gpointer user_data, Account *account,
                             GError **error)
{
    g_autoptr(Recipient) recipient = NULL;
    AttributeValues *aliases;

    if (!recipient_decide(settings, entry, addresses_taken, user_data, &recipient, error))
        return false;
    account->primary = g_strdup(recipient->primary);
    for (guint i = 0; i < recipient->aliases->len; i++)
        g_ptr_array_add(account->aliases, g_strdup(g_ptr_array_index(recipient->aliases, i)));
    if (settings->read_only || settings->policy_mode == POLICY_NEVER)
        return true;
    if (account->primary != NULL)
        add_single(account, settings->mail_attribute, account->primary);
    aliases = add_attribute(account, settings->alias_attribute);
    for (guint i = 0; i < account->aliases->len; i++)
        g_ptr_array_add(aliases->values, g_strdup(g_ptr_array_index(account->aliases, i)));
    return true;
}

/* The value of the result attribute as it will be once the addresses are written. It names the mailbox, so of
 * two values none is taken by a rule: the other may be the mailbox that exists. */
static bool decide_result_value(const DomainSettings *settings, const Entry *entry, Account *account,
                                GError **error)
{
    g_autoptr(GPtrArray) values = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;

    if (g_ascii_strcasecmp(settings->result_attribute, settings->mail_attribute) == 0) {
        account->result_value = g_strdup(account->primary);
        return true;
    }
    if (!entry_get_values(entry, settings->result_attribute, &values, error))
        return false;
    if (values->len == 1)
        account->result_value = g_strdup(g_ptr_array_index(values, 0));
    if (values->len <= 1)
        return true;
    first = fault_show(g_ptr_array_index(values, 0), strlen(g_ptr_array_index(values, 0)));
    second = fault_show(g_ptr_array_index(values, 1), strlen(g_ptr_array_index(values, 1)));
    g_set_error(error, FAULT, FAULT_PARK,
                "attribute \"%s\" has %u values (%s, %s%s): it names the mailbox, so it may have one; "
                "correct the entry",
                settings->result_attribute, values->len, first, second, values->len > 2 ? ", ..." : "");
    return false;
}

/* *quota_kib stays as it is when the attribute has no opinion: absent, or 0. */
static bool read_quota(const DomainSettings *settings, const Entry *entry, gint64 *quota_kib, GError **error)
{
    g_autofree char *value = NULL;
    gint64 kib;

    if (!entry_get_value(entry, settings->quota_attribute, &value, error))
        return false;
    if (value == NULL)
        return true;
    if (!g_ascii_string_to_signed(value, 10, G_MININT64, G_MAXINT64, &kib, NULL))
        return fault_refuse_value(settings->quota_attribute, value, "a quota is a number of KiB, or -1 for no limit",
                                  error);
    if (kib < QUOTA_UNLIMITED)
        return fault_refuse_value(settings->quota_attribute, value, "below 0 a quota can only be -1, for no limit",
                                  error);
    if (kib > QUOTA_MAX_KIB)
        return fault_refuse_value(settings->quota_attribute, value,
                                  "Cyrus 3.6 dies of a quota above 2147483647 KiB; -1 is no limit", error);
    if (kib != 0)
        *quota_kib = kib;
    return true;
}

/* The default is written back, so that the directory says what is in force. */
static bool decide_quota(const DomainSettings *settings, const Entry *entry, Account *account, GError **error)
{
    g_autofree char *text = NULL;

    if (!read_quota(settings, entry, &account->quota_kib, error))
        return false;
    if (account->quota_kib != QUOTA_ANY || settings->default_quota_kib == QUOTA_ANY)
        return true;
    account->quota_kib = settings->default_quota_kib;
    if (settings->read_only)
        return true;
    text = g_strdup_printf("%" G_GINT64_FORMAT, account->quota_kib);
    add_single(account, settings->quota_attribute, text);
    return true;
}

/* A host's name has no case: another spelling of the right one stays. Where the attribute is not ours it is taken as given. */
static bool decide_mail_host(const DomainSettings *settings, const Entry *entry, Account *account,
                             GError **error)
{
    g_autoptr(GPtrArray) values = NULL;
    const char *host = settings->mail_host;
    bool ours = host != NULL && !settings->read_only;

    if (!entry_get_values(entry, settings->mail_host_attribute, &values, error))
        return false;
    for (guint i = 0; i < values->len; i++)
        if (!ours || g_ascii_strcasecmp(g_ptr_array_index(values, i), host) == 0)
            host = g_ptr_array_index(values, i);
    account->mail_host = g_strdup(host);
    if (ours)
        add_single(account, settings->mail_host_attribute, host);
    account->host_attribute = g_strdup(settings->mail_host_attribute);
    return placement_read_host(settings, entry, &account->host_asked, error);
}

static bool decide_mailbox(const DomainSettings *settings, const Entry *entry, Account *account,
                           GError **error)
{
    if (!mailbox_name_of_user(settings->result_attribute, account->result_value, settings->name,
                              &account->mailbox, error))
        return false;
    account->login = mailbox_name_login(account->mailbox);
    g_ptr_array_add(account->identifiers, g_utf8_strdown(account->login, -1));
    g_ptr_array_unref(account->folders);
    account->folders = g_ptr_array_ref(settings->folders);
    return decide_quota(settings, entry, account, error) && decide_mail_host(settings, entry, account, error);
}

static bool decide_user(const DomainSettings *settings, const Entry *entry, AddressesTaken addresses_taken,
                        gpointer user_data, Account *account, GError **error)
{
    return decide_addresses(settings, entry, addresses_taken, user_data, account, error)
        && decide_result_value(settings, entry, account, error)
        && (account->result_value == NULL || decide_mailbox(settings, entry, account, error));
}

static void add_identifier(Account *account, const char *prefix, const char *name, const char *domain)
{
    g_autofree char *identifier = domain == NULL ? g_strconcat(prefix, name, NULL)
                                                 : g_strconcat(prefix, name, "@", domain, NULL);

    g_ptr_array_add(account->identifiers, g_utf8_strdown(identifier, -1));
}

/* A group has nothing of its own in the store; others name it in access control lists, by its name or its address. */
static bool decide_group(const DomainSettings *settings, const Entry *entry, Account *account, GError **error)
{
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(GPtrArray) addresses = NULL;

    if (!entry_get_values(entry, "cn", &names, error)
        || !entry_get_values(entry, settings->mail_attribute, &addresses, error))
        return false;
    for (guint i = 0; i < names->len; i++) {
        add_identifier(account, "group:", g_ptr_array_index(names, i), settings->name);
        add_identifier(account, "group:", g_ptr_array_index(names, i), NULL);
    }
    for (guint i = 0; i < addresses->len; i++) {
        add_identifier(account, "group:", g_ptr_array_index(addresses, i), NULL);
        add_identifier(account, "", g_ptr_array_index(addresses, i), NULL);
    }
    return true;
}

static bool decide_kind(const DomainSettings *settings, const Entry *entry, AddressesTaken addresses_taken,
                        gpointer user_data, Account *account, GError **error)
{
    switch (entry_kind(entry)) {
    case KIND_USER:
        return decide_user(settings, entry, addresses_taken, user_data, account, error);
    case KIND_GROUP:
        return decide_group(settings, entry, account, error);
    case KIND_RESOURCE:
    case KIND_SHARED_FOLDER:
        return shared_decide(settings, entry, account, error);
    case KIND_NONE:
    case KIND_COUNT:
        break; /* not ours */
    }
    g_assert_not_reached();
}

bool policy_decide(const DomainSettings *settings, const Entry *entry, AddressesTaken addresses_taken,
                   gpointer user_data, Account **account, GError **error)
{
    g_autoptr(Account) decided = account_new();

    if (!decide_kind(settings, entry, addresses_taken, user_data, decided, error))
        return false;
    *account = g_steal_pointer(&decided);
    return true;
}

char *policy_published_mailbox(const DomainSettings *settings, const Entry *entry)
{
    g_autoptr(GPtrArray) values = NULL;
    char *mailbox;

    if (!entry_get_values(entry, settings->result_attribute, &values, NULL) || values->len != 1
        || !mailbox_name_of_user(settings->result_attribute, g_ptr_array_index(values, 0), settings->name, &mailbox, NULL))
        return NULL;
    return mailbox;
}
