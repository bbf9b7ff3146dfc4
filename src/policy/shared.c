#include "policy/shared.h"

#include "model/acl.h"
#include "model/fault.h"
#include "model/mailbox_name.h"
#include "policy/placement.h"

#include <string.h>

#define FOLDER_TYPE_ENTRY "/shared/vendor/kolab/folder-type"

const char *shared_name_attribute(const DomainSettings *settings, const Entry *entry)
{
    return entry_count_values(entry, settings->target_folder_attribute) > 0 ? settings->target_folder_attribute : "cn";
}

static bool decide_mailbox(const DomainSettings *settings, const Entry *entry, Account *account, GError **error)
{
    const char *attribute = shared_name_attribute(settings, entry);

    if (!entry_get_value(entry, attribute, &account->result_value, error))
        return false;
    if (account->result_value == NULL)
        return true;
    account->host_attribute = g_strdup(settings->mail_host_attribute);
    return mailbox_name_of_shared(attribute, account->result_value, settings->name, &account->mailbox, error)
        && placement_read_host(settings, entry, &account->host_asked, error);
}

/* What is no address concerns the mail system, not us. */
static void add_addresses(GPtrArray *values, Account *account)
{
    for (guint i = 0; i < values->len; i++) {
        char *address = NULL;

        if (!address_normalize("", g_ptr_array_index(values, i), &address, NULL))
            continue;
        if (account->primary == NULL)
            account->primary = address;
        else
            g_ptr_array_add(account->aliases, address);
    }
}

static bool decide_addresses(const DomainSettings *settings, const Entry *entry, Account *account, GError **error)
{
    g_autoptr(GPtrArray) mail = NULL;
    g_autoptr(GPtrArray) alias = NULL;

    if (!entry_get_values(entry, settings->mail_attribute, &mail, error)
        || !entry_get_values(entry, settings->alias_attribute, &alias, error))
        return false;
    add_addresses(mail, account);
    if (account->primary != NULL)
        add_addresses(alias, account);
    return true;
}

static bool is_mail(const char *type)
{
    return type == NULL || g_ascii_strcasecmp(type, "mail") == 0 || g_ascii_strncasecmp(type, "mail.", strlen("mail.")) == 0;
}

/* Without the attribute the type is left as it is. */
static bool decide_type(const DomainSettings *settings, const Entry *entry, Account *account, GError **error)
{
    g_autofree char *type = NULL;

    if (!entry_get_value(entry, settings->folder_type_attribute, &type, error))
        return false;
    if (type != NULL)
        g_ptr_array_add(account->metadata, metadata_new(FOLDER_TYPE_ENTRY, type));
    account->takes_mail = is_mail(type) && entry_count_values(entry, settings->delivery_attribute) > 0;
    return true;
}

/* The same subject twice would make the outcome a matter of order. */
static bool add_rights(const char *attribute, const char *value, Account *account, GError **error)
{
    g_autoptr(AclEntry) entry = NULL;

    if (!acl_parse(attribute, value, &entry, error))
        return false;
    for (guint i = 0; i < account->acl->len; i++) {
        const AclEntry *other = g_ptr_array_index(account->acl, i);

        if (!acl_identifier_equal(other->identifier, entry->identifier))
            continue;
        g_set_error(error, FAULT, FAULT_PARK, "attribute \"%s\" has two values for the subject %s: correct the entry",
                    attribute, entry->identifier);
        return false;
    }
    g_ptr_array_add(account->acl, g_steal_pointer(&entry));
    return true;
}

static bool decide_acl(const DomainSettings *settings, const Entry *entry, Account *account, GError **error)
{
    g_autoptr(GPtrArray) values = NULL;

    if (!entry_get_values(entry, settings->acl_attribute, &values, error))
        return false;
    for (guint i = 0; i < values->len; i++)
        if (!add_rights(settings->acl_attribute, g_ptr_array_index(values, i), account, error))
            return false;
    account->acl_complete = values->len > 0;
    return true;
}

bool shared_decide(const DomainSettings *settings, const Entry *entry, Account *account, GError **error)
{
    return decide_mailbox(settings, entry, account, error)
        && decide_addresses(settings, entry, account, error)
        && decide_type(settings, entry, account, error)
        && decide_acl(settings, entry, account, error);
}
