#include "imap/command.h"

#include "model/fault.h"

#include <string.h>

ImapCommand *imap_command_new(const char *verb)
{
    ImapCommand *command = g_new0(ImapCommand, 1);

    command->line = g_string_new(verb);
    command->replies = g_ptr_array_new_with_free_func((GDestroyNotify)imap_reply_free);
    return command;
}

void imap_command_free(ImapCommand *command)
{
    if (command == NULL)
        return;
    g_string_free(command->line, TRUE);
    g_free(command->argument);
    g_free(command->code);
    g_free(command->text);
    g_ptr_array_unref(command->replies);
    g_free(command);
}

static void begin_argument(ImapCommand *command, const char *argument)
{
    if (!command->list_open)
        g_string_append_c(command->line, ' ');
    command->list_open = false;
    if (command->argument == NULL)
        command->argument = g_strdup(argument);
}

void imap_command_add_word(ImapCommand *command, const char *word)
{
    if (word[0] != ')')
        begin_argument(command, word);
    g_string_append(command->line, word);
    command->list_open = g_str_has_suffix(word, "(");
}

static bool can_be_quoted(const char *text)
{
    while (g_ascii_isprint(*text))
        text++;
    return *text == '\0';
}

void imap_command_add_string(ImapCommand *command, const char *text)
{
    begin_argument(command, text);
    if (!can_be_quoted(text)) {
        g_string_append_printf(command->line, "{%" G_GSIZE_FORMAT "+}\r\n%s", strlen(text), text);
        return;
    }
    g_string_append_c(command->line, '"');
    for (;;) {
        gsize plain = strcspn(text, "\"\\");

        g_string_append_len(command->line, text, (gssize)plain);
        text += plain;
        if (*text == '\0')
            break;
        g_string_append_c(command->line, '\\');
        g_string_append_c(command->line, *text++);
    }
    g_string_append_c(command->line, '"');
}

char *imap_command_show(const ImapCommand *command)
{
    g_autofree char *verb = g_strndup(command->line->str, strcspn(command->line->str, " "));

    if (command->argument == NULL || g_ascii_strcasecmp(verb, "AUTHENTICATE") == 0 ||
        g_ascii_strcasecmp(verb, "LOGIN") == 0)
        return g_steal_pointer(&verb);
    g_autofree char *shown = fault_show(command->argument, strlen(command->argument));
    return g_strdup_printf("%s %s", verb, shown);
}

void imap_command_reset(ImapCommand *command)
{
    command->status = IMAP_NONE;
    g_clear_pointer(&command->code, g_free);
    g_clear_pointer(&command->text, g_free);
    g_ptr_array_set_size(command->replies, 0);
}
