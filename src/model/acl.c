#include "model/acl.h"

#include "model/fault.h"
#include "model/mailbox_name.h"

#include <string.h>

/* Cyrus' order, its virtual rights left out. */
#define RIGHTS "lrswipkxtean0123456789"
/* RFC 4314, 2.1.1: what a client means by the virtual rights, as Cyrus takes them. */
#define CREATE_RIGHTS "kx"
#define DELETE_RIGHTS "te"

/* As many octets as an address may have. */
enum { IDENTIFIER_MAX = ADDRESS_MAX };

typedef struct {
    const char *name;
    const char *rights;
} ShortName;

/* The old Kolab daemon's. Some of them can be read as letters too ("read"): the name goes before. */
static const ShortName short_names[] = {
    {"all", "lrsedntxakcpiw"},
    {"append", "wip"},
    {"full", "lrswipkxtecdn"},
    {"post", "p"},
    {"read", "lrs"},
    {"read-only", "lrs"},
    {"read-write", "lrswitedn"},
    {"semi-full", "lrswit"},
    {"write", "lrswite"},
};

AclEntry *acl_entry_new(const char *identifier, const char *rights)
{
    AclEntry *entry = g_new0(AclEntry, 1);

    entry->identifier = g_strdup(identifier);
    entry->rights = g_strdup(rights);
    entry->without = g_strdup("");
    return entry;
}

void acl_entry_free(AclEntry *entry)
{
    if (entry == NULL)
        return;
    g_free(entry->identifier);
    g_free(entry->rights);
    g_free(entry->without);
    g_free(entry);
}

static bool has(const char *rights, char right)
{
    return strchr(rights, right) != NULL;
}

/* Which of all rights are in `some` and, as `wanted` says, in `others`; a letter counts once. */
static char *combine(const char *some, const char *others, bool any, bool wanted)
{
    GString *result = g_string_new(NULL);

    for (const char *right = RIGHTS; *right != '\0'; right++)
        if (any ? has(some, *right) || has(others, *right) : has(some, *right) && has(others, *right) == wanted)
            g_string_append_c(result, *right);
    return g_string_free(result, FALSE);
}

char *acl_rights_add(const char *rights, const char *more)
{
    return combine(rights, more, true, true);
}

char *acl_rights_remove(const char *rights, const char *less)
{
    return combine(rights, less, false, false);
}

/* A server that shows a virtual right shows what it stands for too, unless it is of the time of RFC 2086. */
char *acl_rights_normalize(const char *rights)
{
    g_autoptr(GString) all = g_string_new(rights);

    if (has(all->str, 'c') && !has(all->str, 'k') && !has(all->str, 'x'))
        g_string_append(all, CREATE_RIGHTS);
    if (has(all->str, 'd') && !has(all->str, 't') && !has(all->str, 'e') && !has(all->str, 'x'))
        g_string_append(all, DELETE_RIGHTS);
    return acl_rights_add(all->str, "");
}

char *acl_entry_apply(const AclEntry *entry, const char *present)
{
    g_autofree char *granted = NULL;

    if (!entry->relative)
        return g_strdup(entry->rights);
    granted = acl_rights_add(present != NULL ? present : "", entry->rights);
    return acl_rights_remove(granted, entry->without);
}

bool acl_identifier_equal(const char *a, const char *b)
{
    return g_ascii_strcasecmp(a, b) == 0;
}

static const char *rights_of_short_name(const char *text, gsize len)
{
    for (gsize i = 0; i < G_N_ELEMENTS(short_names); i++)
        if (strlen(short_names[i].name) == len && g_ascii_strncasecmp(short_names[i].name, text, len) == 0)
            return short_names[i].rights;
    return NULL;
}

/* Length of the short name that `text` begins with, when it ends there or an edit follows: "read-only" is one, and "full-a"
 * has one. 0: none. */
static gsize short_name_length(const char *text)
{
    gsize longest = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(short_names); i++) {
        gsize len = strlen(short_names[i].name);

        if (len > longest && g_ascii_strncasecmp(short_names[i].name, text, len) == 0
            && (text[len] == '\0' || text[len] == '+' || text[len] == '-'))
            longest = len;
    }
    return longest;
}

/* The rights that a client means: virtual ones as what they stand for. NULL: a letter is none. */
static char *read_letters(const char *text, gsize len)
{
    const char *short_name = rights_of_short_name(text, len);
    g_autofree char *letters = short_name != NULL ? g_strdup(short_name) : g_strndup(text, len);
    g_autoptr(GString) all = g_string_new(letters);

    if (strspn(letters, RIGHTS "cd") != strlen(letters))
        return NULL;
    if (has(letters, 'c'))
        g_string_append(all, CREATE_RIGHTS);
    if (has(letters, 'd'))
        g_string_append(all, DELETE_RIGHTS);
    return acl_rights_add(all->str, "");
}

/* Takes "+letters" and "-letters" in turn. */
static const char *read_edits(const char *text, AclEntry *entry)
{
    while (*text != '\0') {
        char operator = *text++;
        gsize len = strcspn(text, "+-");
        g_autofree char *letters = read_letters(text, len);
        char *rights, *without;

        if (letters == NULL)
            return "after + or - come letters of rights: lrswipkxtecdan and 0 to 9";
        if (len == 0)
            return "there is no right after + or -";
        rights = operator == '+' ? acl_rights_add(entry->rights, letters) : acl_rights_remove(entry->rights, letters);
        without = operator == '+' ? acl_rights_remove(entry->without, letters) : acl_rights_add(entry->without, letters);
        g_free(entry->rights);
        g_free(entry->without);
        entry->rights = rights;
        entry->without = without;
        text += len;
    }
    return NULL;
}

/* Why these are no rights; NULL: they are in the entry. */
static const char *read_rights(const char *text, AclEntry *entry)
{
    gsize len = short_name_length(text);
    char *letters;

    if (*text == '\0')
        return "there are no rights after the comma";
    if (len == 0)
        len = strcspn(text, "+-");
    letters = read_letters(text, len);
    if (letters == NULL)
        return "rights are letters of lrswipkxtecdan and 0 to 9, or one of all, append, full, post, read, read-only, "
               "read-write, semi-full, write";
    entry->relative = len == 0;
    entry->rights = letters;
    entry->without = g_strdup("");
    return read_edits(text + len, entry);
}

static bool is_name(const char *text, const char *further)
{
    for (; *text != '\0'; text++)
        if (!mailbox_name_takes(*text) && strchr(further, *text) == NULL)
            return false;
    return true;
}

/* Cyrus takes a quotation mark or a backslash, and then no further change of that mailbox's list. */
static const char *read_identifier(const char *text, char **identifier)
{
    const char *name = text[0] == '-' ? text + 1 : text;
    bool is_group = g_ascii_strncasecmp(name, "group:", strlen("group:")) == 0;
    const char *at = strchr(name, '@');

    if (*name == '\0' || *name == '-' || (is_group && name[strlen("group:")] == '\0'))
        return "there is no user and no group before the comma";
    if (strlen(text) > IDENTIFIER_MAX)
        return "a subject may have 254 octets at the most";
    if (is_group && !is_name(name, "@:"))
        return "a group's name has only letters, digits and ! # $ ' + - . : = @ _ ~";
    if (!is_group && !is_name(name, "@"))
        return "a user's name has only letters, digits and ! # $ ' + - . = @ _ ~";
    if (!is_group && at != NULL && (at == name || at[1] == '\0' || strchr(at + 1, '@') != NULL))
        return "a user's name has one \"@\" at the most, and something on both sides of it";
    *identifier = is_group ? g_strconcat(name > text ? "-" : "", "group:", name + strlen("group:"), NULL)
                           : g_ascii_strdown(text, -1);
    return NULL;
}

bool acl_parse(const char *attribute, const char *value, AclEntry **entry, GError **error)
{
    g_autoptr(AclEntry) read = g_new0(AclEntry, 1);
    const char *comma = strrchr(value, ',');
    g_autofree char *subject = comma != NULL ? g_strstrip(g_strndup(value, (gsize)(comma - value))) : NULL;
    g_autofree char *rights = comma != NULL ? g_strstrip(g_strdup(comma + 1)) : NULL;
    const char *problem = comma == NULL ? "it must be \"subject, rights\"" : read_identifier(subject, &read->identifier);

    if (problem == NULL)
        problem = read_rights(rights, read);
    if (problem == NULL) {
        *entry = g_steal_pointer(&read);
        return true;
    }
    return fault_refuse_value(attribute, value, problem, error);
}
