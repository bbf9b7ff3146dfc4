/* Any value of an access control attribute: parsed or refused, and what is parsed is safe to send and settles. */
#include "model/acl.h"
#include "model/fault.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_identifier(const char *identifier)
{
    g_assert(*identifier != '\0');
    for (const char *c = identifier; *c != '\0'; c++)
        g_assert(g_ascii_isgraph(*c) && strchr("\"\\%*/,(){}<>", *c) == NULL);
}

static void check_rights(const char *rights)
{
    g_autofree char *again = acl_rights_normalize(rights);

    g_assert(strcmp(rights, again) == 0 && strpbrk(rights, "cd") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *present = acl_rights_normalize(text);
    g_autoptr(GError) error = NULL;
    g_autoptr(AclEntry) entry = NULL;
    g_autofree char *once = NULL;
    g_autofree char *twice = NULL;

    check_rights(present);
    if (!acl_parse("acl", text, &entry, &error)) {
        g_assert(entry == NULL && fault_of(error) == FAULT_PARK && g_utf8_validate(error->message, -1, NULL));
        return 0;
    }
    check_identifier(entry->identifier);
    once = acl_entry_apply(entry, present);
    twice = acl_entry_apply(entry, once);
    check_rights(once);
    g_assert(strcmp(once, twice) == 0);
    return 0;
}
