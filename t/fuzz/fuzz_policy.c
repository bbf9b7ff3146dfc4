/* Any values of an entry of any kind: an account or a fault; every address asked for is canonical and a mailbox; and the
 * account is the same once it is written back.
 *
 * The first octet chooses the settings and the kind, the second how many addresses others have; then come the values, each
 * after an octet that names its attribute, up to a newline (0x0a, which the tests of the model cover). */
#include "model/acl.h"
#include "model/fault.h"
#include "model/mailbox_name.h"
#include "policy/decide.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const attributes[] = {"givenName", "sn", "uid", "mail", "alias", "mailQuota", "mailHost", "preferredLanguage",
                                         "cn", "kolabTargetFolder", "kolabFolderType", "acl"};

static bool answer(GPtrArray *addresses, GHashTable *taken, gpointer user_data, GError **error)
{
    const guint *percent = user_data;

    (void)error;
    g_assert(addresses->len > 0);
    for (guint i = 0; i < addresses->len; i++) {
        const char *address = g_ptr_array_index(addresses, i);
        g_autofree char *canonical = NULL;
        g_autofree char *mailbox = NULL;

        g_assert(address_normalize("mail", address, &canonical, NULL) && strcmp(canonical, address) == 0);
        g_assert(mailbox_name_of_user("mail", address, "example.org", &mailbox, NULL));
        if (g_str_hash(address) % 256 < *percent)
            g_hash_table_add(taken, g_strdup(address));
    }
    return true;
}

static Entry *make_entry(const char *data, size_t size, EntryKind kind)
{
    Entry *entry = entry_new("1", "uid=x,dc=example,dc=org", kind);
    const char *end = data + size;

    while (data < end) {
        const char *attribute = attributes[(unsigned char)*data++ % G_N_ELEMENTS(attributes)];
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        const char *stop = newline != NULL ? newline : end;

        entry_add_value(entry, attribute, data, (gsize)(stop - data));
        data = newline != NULL ? newline + 1 : end;
    }
    return entry;
}

static DomainSettings *make_settings(unsigned choice)
{
    DomainSettings *settings = domain_settings_new("example.org");

    g_ptr_array_add(settings->aliases, g_strdup("example.net"));
    settings->policy_mode = (PolicyMode)(choice % 3);
    settings->read_only = (choice & 4) != 0;
    settings->mail_host = (choice & 8) != 0 ? g_strdup("imap.example.org") : NULL;
    settings->default_quota_kib = (choice & 16) != 0 ? 1024 : QUOTA_ANY;
    if ((choice & 32) != 0) {
        g_free(settings->result_attribute);
        settings->result_attribute = g_strdup("uid");
    }
    domain_settings_seal(settings);
    return settings;
}

static void check_written_back(const DomainSettings *settings, Entry *entry, Account *account, guint taken)
{
    g_autoptr(Account) again = NULL;
    g_autoptr(GError) error = NULL;
    bool decided;

    for (guint i = 0; i < account->attributes->len; i++) {
        AttributeValues *attribute = g_ptr_array_index(account->attributes, i);

        g_ptr_array_add(attribute->values, NULL);
        entry_set_values(entry, attribute->name, (const char *const *)attribute->values->pdata);
    }
    decided = policy_decide(settings, entry, answer, &taken, &again, &error);
    g_assert_no_error(error);
    g_assert(decided && g_strcmp0(again->primary, account->primary) == 0);
    g_assert(g_strcmp0(again->mailbox, account->mailbox) == 0 && again->quota_kib == account->quota_kib);
    g_assert(again->aliases->len == account->aliases->len);
    for (guint i = 0; i < again->aliases->len; i++)
        g_assert(strcmp(g_ptr_array_index(again->aliases, i), g_ptr_array_index(account->aliases, i)) == 0);
}

/* Nothing is written for these, and no folder of theirs is in a user's mailbox. */
static void check_others(EntryKind kind, const Account *account)
{
    g_assert(account->login == NULL && account->attributes->len == 0 && account->quota_kib == QUOTA_ANY);
    g_assert(account->mailbox == NULL || (kind != KIND_GROUP && g_str_has_prefix(account->mailbox, "shared/")));
    for (guint i = 0; i < account->acl->len; i++)
        for (guint j = 0; j < i; j++)
            g_assert(!acl_identifier_equal(((const AclEntry *)g_ptr_array_index(account->acl, i))->identifier,
                                           ((const AclEntry *)g_ptr_array_index(account->acl, j))->identifier));
    for (guint i = 0; i < account->identifiers->len; i++) {
        const char *identifier = g_ptr_array_index(account->identifiers, i);
        g_autofree char *lower = g_utf8_strdown(identifier, -1);

        g_assert(kind == KIND_GROUP && strcmp(identifier, lower) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const EntryKind kinds[] = {KIND_USER, KIND_RESOURCE, KIND_SHARED_FOLDER, KIND_GROUP};
    EntryKind kind = kinds[size > 0 ? data[0] >> 6 : 0];
    g_autoptr(DomainSettings) settings = make_settings(size > 0 ? data[0] : 0);
    guint taken = size > 1 ? data[1] : 0;
    g_autoptr(Entry) entry = make_entry((const char *)data + MIN(size, 2), size - MIN(size, 2), kind);
    g_autoptr(Account) account = NULL;
    g_autoptr(GError) error = NULL;
    bool decided = policy_decide(settings, entry, answer, &taken, &account, &error);

    g_assert(decided == (error == NULL) && decided == (account != NULL));
    if (decided && kind == KIND_USER)
        check_written_back(settings, entry, account, taken);
    else if (decided)
        check_others(kind, account);
    else
        g_assert(fault_of(error) == FAULT_PARK && g_utf8_validate(error->message, -1, NULL));
    return 0;
}
