#include "model/account.h"

#include "model/acl.h"

#include <string.h>

#define FOLDER_TYPE "/private/vendor/kolab/folder-type"

Metadata *metadata_new(const char *name, const char *value)
{
    Metadata *metadata = g_new0(Metadata, 1);

    metadata->name = g_strdup(name);
    metadata->value = g_strdup(value);
    return metadata;
}

void metadata_free(Metadata *metadata)
{
    if (metadata == NULL)
        return;
    g_free(metadata->name);
    g_free(metadata->value);
    g_free(metadata);
}

Folder *folder_new(const char *name)
{
    Folder *folder = g_new0(Folder, 1);

    folder->name = g_strdup(name);
    folder->quota_kib = QUOTA_ANY;
    folder->metadata = g_ptr_array_new_with_free_func((GDestroyNotify)metadata_free);
    folder->acl = g_ptr_array_new_with_free_func((GDestroyNotify)acl_entry_free);
    folder->subscribe = true;
    return folder;
}

void folder_free(Folder *folder)
{
    if (folder == NULL)
        return;
    g_free(folder->name);
    g_free(folder->partition);
    g_ptr_array_unref(folder->metadata);
    g_ptr_array_unref(folder->acl);
    g_free(folder);
}

const char *folder_special_use(const Folder *folder)
{
    static const struct {
        const char *type;
        const char *use;
    } uses[] = {
        {"mail.drafts", "\\Drafts"},
        {"mail.sentitems", "\\Sent"},
        {"mail.junkemail", "\\Junk"},
        {"mail.wastebasket", "\\Trash"},
    };

    for (guint i = 0; i < folder->metadata->len; i++) {
        const Metadata *metadata = g_ptr_array_index(folder->metadata, i);

        for (guint u = 0; u < G_N_ELEMENTS(uses); u++)
            if (strcmp(metadata->value, uses[u].type) == 0 && g_ascii_strcasecmp(metadata->name, FOLDER_TYPE) == 0)
                return uses[u].use;
    }
    return NULL;
}

AttributeValues *attribute_values_new(const char *name)
{
    AttributeValues *attribute = g_new0(AttributeValues, 1);

    attribute->name = g_strdup(name);
    attribute->values = g_ptr_array_new_with_free_func(g_free);
    return attribute;
}

void attribute_values_free(AttributeValues *attribute)
{
    if (attribute == NULL)
        return;
    g_free(attribute->name);
    g_ptr_array_unref(attribute->values);
    g_free(attribute);
}

Account *account_new(void)
{
    Account *account = g_new0(Account, 1);

    account->aliases = g_ptr_array_new_with_free_func(g_free);
    account->quota_kib = QUOTA_ANY;
    account->folders = g_ptr_array_new_with_free_func((GDestroyNotify)folder_free);
    account->identifiers = g_ptr_array_new_with_free_func(g_free);
    account->attributes = g_ptr_array_new_with_free_func((GDestroyNotify)attribute_values_free);
    account->metadata = g_ptr_array_new_with_free_func((GDestroyNotify)metadata_free);
    account->acl = g_ptr_array_new_with_free_func((GDestroyNotify)acl_entry_free);
    return account;
}

void account_free(Account *account)
{
    if (account == NULL)
        return;
    g_free(account->result_value);
    g_free(account->mailbox);
    g_free(account->login);
    g_free(account->mail_host);
    g_free(account->host_attribute);
    g_free(account->host_asked);
    g_free(account->primary);
    g_ptr_array_unref(account->aliases);
    g_ptr_array_unref(account->folders);
    g_ptr_array_unref(account->identifiers);
    g_ptr_array_unref(account->attributes);
    g_ptr_array_unref(account->metadata);
    g_ptr_array_unref(account->acl);
    g_free(account);
}
