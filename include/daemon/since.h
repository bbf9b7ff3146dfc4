/* since.h - from when on an operator wants to see something. Pure. */
#pragma once

#include <glib.h>

/* Reads a time as it is printed ("2026-11-21T08:05:27.123Z"; without "Z" it is UTC too, another zone is understood), a date (from
 * its midnight, UTC), or an age before `now_us` (microseconds since 1970): "90s", "90m", "2h", "3d". `text` is as typed, in any
 * encoding. *time is ISO 8601 UTC with milliseconds, not before 1970, owned by the caller. FAULT_STOP: it is something else. */
bool since_parse(const char *text, gint64 now_us, char **time, GError **error) G_GNUC_WARN_UNUSED_RESULT;
