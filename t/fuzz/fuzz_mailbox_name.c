/* Any text as address, mailbox of a user, shared mailbox, folder and name on the wire: what is accepted is canonical, has
 * only what a mailbox's name can carry, and comes back from the wire as it was; what is refused is a fault with a message
 * that can be shown. */
#include "model/fault.h"
#include "model/mailbox_name.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refused(const GError *error, Fault fault)
{
    g_assert(error != NULL && fault_of(error) == fault && g_utf8_validate(error->message, -1, NULL));
    for (const char *c = error->message; *c != '\0'; c++)
        g_assert(!g_ascii_iscntrl(*c));
}

/* Modified UTF-7 and nothing else, that says the same. */
static void check_wire(const char *name, char separator)
{
    g_autofree char *wire = mailbox_name_to_wire(name, separator);
    g_autofree char *back = mailbox_name_from_wire(wire, separator);

    for (const char *c = wire; *c != '\0'; c++)
        g_assert(g_ascii_isprint(*c));
    g_assert_cmpstr(back, ==, name);
}

static void check_address(const char *text)
{
    g_autofree char *address = NULL;
    g_autofree char *again = NULL;
    g_autoptr(GError) error = NULL;

    if (!address_normalize("mail", text, &address, &error)) {
        check_refused(error, FAULT_PARK);
        return;
    }
    g_assert(g_utf8_validate(address, -1, NULL) && strlen(address) <= ADDRESS_MAX);
    g_assert(strchr(address, '@') != NULL && strchr(address, '@') == strrchr(address, '@'));
    g_assert(address_normalize("mail", address, &again, NULL));
    g_assert_cmpstr(again, ==, address);
}

static void check_user(const char *text)
{
    g_autofree char *mailbox = NULL;
    g_autofree char *again = NULL;
    g_autofree char *login = NULL;
    g_autoptr(GError) error = NULL;

    if (!mailbox_name_of_user("mail", text, "example.org", &mailbox, &error)) {
        check_refused(error, FAULT_PARK);
        return;
    }
    g_assert(g_str_has_prefix(mailbox, "user/") && strpbrk(mailbox + strlen("user/"), "/*%\"\\") == NULL);
    login = mailbox_name_login(mailbox);
    g_assert(mailbox_name_of_user("mail", login, "example.net", &again, NULL));
    g_assert_cmpstr(again, ==, mailbox);
    check_wire(mailbox, '/');
    check_wire(mailbox, '.');
}

static void check_folder(const char *text)
{
    g_autofree char *full = NULL;
    g_autoptr(GError) error = NULL;

    if (!folder_name_check(text, &error)) {
        check_refused(error, FAULT_STOP);
        return;
    }
    full = mailbox_name_folder("user/jane@example.org", text);
    g_assert(g_str_has_prefix(full, "user/jane/") && g_str_has_suffix(full, "@example.org"));
    check_wire(text, '/');
    check_wire(text, '.');
    check_wire(full, '/');
    check_wire(full, '.');
}

static void check_shared(const char *text)
{
    g_autofree char *mailbox = NULL;
    g_autofree char *again = NULL;
    g_autoptr(GPtrArray) parents = NULL;
    g_autoptr(GError) error = NULL;

    if (!mailbox_name_of_shared("mail", text, "example.org", &mailbox, &error)) {
        check_refused(error, FAULT_PARK);
        return;
    }
    g_assert(g_str_has_prefix(mailbox, "shared/") && strchr(mailbox, '@') == strrchr(mailbox, '@'));
    g_assert(mailbox_name_of_shared("mail", mailbox, "example.net", &again, NULL));
    g_assert_cmpstr(again, ==, mailbox);
    check_wire(mailbox, '/');
    check_wire(mailbox, '.');
    parents = mailbox_name_parents(mailbox);
    g_assert(parents->len > 0 && g_str_has_prefix(g_ptr_array_index(parents, 0), "shared@"));
    for (guint i = 1; i < parents->len; i++)
        g_assert(strlen(g_ptr_array_index(parents, i)) > strlen(g_ptr_array_index(parents, i - 1)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *slash = mailbox_name_from_wire(text, '/');
    g_autofree char *dot = mailbox_name_from_wire(text, '.');

    g_assert(g_utf8_validate(slash, -1, NULL) && g_utf8_validate(dot, -1, NULL));
    check_address(text);
    check_user(text);
    check_folder(text);
    check_shared(text);
    return 0;
}
