/* entries.h - entries of the directory written as text, for tests of what is decided about them. */
#pragma once

#include "model/entry.h"

#include <string.h>

/* "attribute: value" lines; several lines of an attribute are several values. */
static inline Entry *make_entry(const char *lines, EntryKind kind)
{
    Entry *entry = entry_new("1-2-3-4", "uid=x,dc=example,dc=org", kind);
    g_auto(GStrv) split = g_strsplit(lines, "\n", -1);

    for (char **line = split; *line != NULL && **line != '\0'; line++) {
        char *value = strstr(*line, ": ");

        g_assert_nonnull(value);
        *value = '\0';
        value += strlen(": ");
        entry_add_value(entry, *line, value, strlen(value));
    }
    return entry;
}
