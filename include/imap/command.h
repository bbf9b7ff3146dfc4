/* command.h - an IMAP command: built, sent, answered. The one place that quotes an argument. */
#pragma once

#include "imap/reply.h"

#include <glib.h>

typedef struct {
    GString *line;      /* without tag and CRLF */
    char tag[24];       /* with which it was sent last */
    char *argument;     /* the first one, not quoted, for messages; NULL: none */
    bool list_open;     /* the last word opened a list: no blank before what follows */
    ImapStatus status;  /* IMAP_NONE: not answered */
    char *code;         /* response code of the tagged reply */
    char *text;         /* human text of the tagged reply */
    GPtrArray *replies; /* of ImapReply*: untagged data that came for it */
    void (*take)(const ImapReply *reply, gpointer user_data); /* gets that data instead, where it is too much to keep */
    gpointer take_data;
    gint64 timeout_us;  /* how long its answer may take without any progress, when that is longer than for others */
} ImapCommand;

/* `verb` is sent as it is: "CREATE". */
ImapCommand *imap_command_new(const char *verb);
void imap_command_free(ImapCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapCommand, imap_command_free)

/* A blank (not after "(" and not before ")") and `word` as it is: numbers, parentheses, names of ours. Never a value
 * from outside. */
void imap_command_add_word(ImapCommand *command, const char *word);
/* A blank (not after "(") and a string: quoted, or a non-synchronising literal (RFC 7888) where quoting cannot carry
 * it: control characters and everything beyond ASCII. A murder's proxy can fall out of step over a literal, so a value
 * that can be quoted is. NUL cannot occur. */
void imap_command_add_string(ImapCommand *command, const char *text);

/* The command as messages name it: the verb and the first argument, `SETQUOTA "user/x@example.org"`; of a command that
 * carries credentials only the verb. The caller owns the result. */
char *imap_command_show(const ImapCommand *command);

/* Forgets the answer, so that the command can be sent again. */
void imap_command_reset(ImapCommand *command);
