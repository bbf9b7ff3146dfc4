/* imap_script.h - the server of imap_listener.h, which answers in one session what a table says. */
#pragma once

#include "imap_listener.h"

#include <glib.h>

/* What is asked for, and what comes before the tagged OK, or, if it begins with NO, in its place. Each answer is given once, in this
 * order among those to one question, and the last of them from then on. */
typedef struct {
    const char *question;
    const char *answers[4];
} Turn;

static const Turn *turns; /* ends with a NULL */
static guint given[16];
static GThread *script_server;

static inline const char *find_answer(const char *line)
{
    for (guint i = 0; turns[i].question != NULL; i++) {
        const char *const *answers = turns[i].answers;

        if (strstr(line, turns[i].question) == NULL)
            continue;
        if (answers[given[i] + 1] == NULL)
            return answers[given[i]];
        return answers[given[i]++];
    }
    return "";
}

static inline gpointer play_turns(gpointer data)
{
    int fd = accept(listener, NULL, NULL);

    greet(fd);
    for (;;) {
        g_autofree char *line = hear(fd);
        const char *text = line == NULL ? NULL : find_answer(line);

        if (text == NULL)
            break;
        if (g_str_has_prefix(text, "NO")) {
            answer(fd, line, text);
            continue;
        }
        say(fd, text);
        answer(fd, line, "OK Completed");
    }
    close(fd);
    return data;
}

/* One connection at most; after open_listener. */
static inline void play_script(const Turn *script)
{
    turns = script;
    memset(given, 0, sizeof given);
    script_server = g_thread_new("server", play_turns, NULL);
}

/* Before close_listener. */
static inline void end_script(void)
{
    shut_listener();
    g_clear_pointer(&script_server, g_thread_join);
}

#define NAMESPACE {"NAMESPACE", {"* NAMESPACE ((\"INBOX/\" \"/\")) ((\"user/\" \"/\")) ((\"\" \"/\"))\r\n"}}
#define LISTED(name) "* LIST (\\HasNoChildren) \"/\" " name "\r\n"
#define JANE_IN(name) "* ACL " name " john@example.org lrswipkxtecda jane@example.org lrs\r\n"
#define ABSENT "NO Mailbox does not exist"
#define UNAVAILABLE "NO Server(s) unavailable to complete operation"
