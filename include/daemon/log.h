/* log.h - messages to the journal or to standard error, and their structured fields.
 *
 * An error is logged once, where it stops travelling. */
#pragma once

#include <glib.h>

typedef enum { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } LogLevel;

/* Installs the writer: journald with fields when standard error is its stream, else one line a message
 * "kolabd: warning: ...". Messages below `level` are dropped. Once, before threads start; may be called again to change
 * the level. */
void log_init(LogLevel level);

/* Logs a message about a domain or an entry; NULL leaves a field out. */
void log_entry(GLogLevelFlags level, const char *domain, const char *entry, const char *format, ...) G_GNUC_PRINTF(4, 5);
