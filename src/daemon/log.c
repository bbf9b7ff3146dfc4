#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static gint log_level = LOG_LEVEL_INFO; /* atomic */

static LogLevel level_of(GLogLevelFlags flags)
{
    if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return LOG_LEVEL_ERROR;
    if (flags & G_LOG_LEVEL_WARNING)
        return LOG_LEVEL_WARNING;
    return flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO) ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

static const char *level_name(LogLevel level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error: ";
    case LOG_LEVEL_WARNING:
        return "warning: ";
    case LOG_LEVEL_INFO:
        return "";
    case LOG_LEVEL_DEBUG:
        return "debug: ";
    }
    g_assert_not_reached();
}

static const char *find_field(const GLogField *fields, gsize n_fields, const char *key)
{
    for (gsize i = 0; i < n_fields; i++)
        if (strcmp(fields[i].key, key) == 0)
            return fields[i].value;
    return NULL;
}

/* Names and messages from outside must not steer the terminal. */
static char *make_printable(const char *text)
{
    GString *shown = g_string_new(NULL);

    for (const char *at = text; *at != '\0';) {
        gunichar c = g_utf8_get_char_validated(at, -1);

        if (c != (gunichar)-1 && c != (gunichar)-2 && g_unichar_isprint(c)) {
            g_string_append_unichar(shown, c);
            at = g_utf8_next_char(at);
        } else {
            g_string_append_printf(shown, "\\x%02x", (guchar)*at++);
        }
    }
    return g_string_free(shown, FALSE);
}

static GLogWriterOutput write_log(GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user_data)
{
    LogLevel level = level_of(flags);
    const char *message = find_field(fields, n_fields, "MESSAGE");
    const char *entry = find_field(fields, n_fields, "ENTRY");
    g_autofree char *line = NULL;
    g_autofree char *shown = NULL;

    if ((gint)level > g_atomic_int_get(&log_level))
        return G_LOG_WRITER_HANDLED;
    if (g_log_writer_is_journald(STDERR_FILENO))
        return g_log_writer_journald(flags, fields, n_fields, user_data);
    line = g_strconcat(entry != NULL ? entry : "", entry != NULL ? ": " : "", message != NULL ? message : "", NULL);
    shown = make_printable(line);
    /* One call, so that lines of several threads do not mix; on a terminal it replaces a progress line. */
    fprintf(stderr, "%skolabd: %s%s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", level_name(level), shown);
    return G_LOG_WRITER_HANDLED;
}

void log_init(LogLevel level)
{
    static bool installed; /* one thread at this time */

    g_atomic_int_set(&log_level, (gint)level);
    if (!installed)
        g_log_set_writer_func(write_log, NULL, NULL);
    installed = true;
}

void log_entry(GLogLevelFlags level, const char *domain, const char *entry, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (entry == NULL)
        g_log_structured(G_LOG_DOMAIN, level, "DOMAIN", domain != NULL ? domain : "", "MESSAGE", "%s", message);
    else
        g_log_structured(G_LOG_DOMAIN, level, "DOMAIN", domain != NULL ? domain : "", "ENTRY", entry, "MESSAGE", "%s",
                         message);
}
