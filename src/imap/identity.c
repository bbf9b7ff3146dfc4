#include "imap/identity.h"

/* Enough of a version, and no flood into state file and log. */
enum { WORD_OCTETS_MAX = 80 };

/* The value of a field in "ID (field value field value)"; NULL: it has none. */
static const char *find_field(const ImapCommand *command, const char *field)
{
    for (guint i = 0; i < command->replies->len; i++) {
        const ImapReply *reply = g_ptr_array_index(command->replies, i);
        const ImapValue *list = reply->values->len >= 2 ? g_ptr_array_index(reply->values, 1) : NULL;

        for (guint v = 0; list != NULL && list->kind == IMAP_LIST && v + 1 < list->items->len; v += 2) {
            const ImapValue *name = g_ptr_array_index(list->items, v);
            const ImapValue *value = g_ptr_array_index(list->items, v + 1);

            if (name->data != NULL && g_ascii_strcasecmp(name->data, field) == 0)
                return value->data;
        }
    }
    return NULL;
}

static void append_word(GString *text, const char *word)
{
    if (word == NULL)
        return;
    if (text->len > 0)
        g_string_append_c(text, ' ');
    for (guint i = 0; i < WORD_OCTETS_MAX && word[i] != '\0'; i++)
        g_string_append_c(text, g_ascii_isprint(word[i]) ? word[i] : '?');
}

ImapCommand *identity_command(void)
{
    ImapCommand *command = imap_command_new("ID");

    imap_command_add_word(command, "NIL");
    return command;
}

char *identity_read(const ImapCommand *command)
{
    g_autoptr(GString) text = g_string_new(NULL);

    append_word(text, find_field(command, "name"));
    append_word(text, find_field(command, "version"));
    return g_strdup(text->len > 0 ? text->str : "an unknown server");
}
