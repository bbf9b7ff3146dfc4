/* config_mistakes.h - what is wrong with a configuration file: collected with positions, reported all at
 * once.
 *
 * Pure. Lines and columns are counted from 1. Texts must not hold secrets. */
#pragma once

#include <glib.h>

typedef struct ConfigMistakes ConfigMistakes;

/* `file` is the name shown in front of each mistake. */
ConfigMistakes *config_mistakes_new(const char *file);
void config_mistakes_free(ConfigMistakes *mistakes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigMistakes, config_mistakes_free)

void config_mistakes_add(ConfigMistakes *mistakes, guint line, guint column, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* True when there is none. Else FAULT_STOP with one "FILE:LINE:COLUMN: text" a line, in the order of the
 * file. */
bool config_mistakes_report(const ConfigMistakes *mistakes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The one of `words` (of char*) that is most like `word`, by edit distance with swapped neighbours counted as
 * one; NULL when none is near enough to be meant. Owned by `words`. */
const char *config_mistakes_nearest(const char *word, GPtrArray *words);
