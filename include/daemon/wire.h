/* wire.h - what is spoken over the control socket: lines of UTF-8, "word key=value key=value", blanks and control characters of the
 * values percent-encoded (RFC 3986, 2.1). Pure.
 *
 * To the daemon, one line a connection: "sync" (keys resync=1, domain, entry), "look" (the state file was written).
 * From it: "accepted" (pid), "log" (level, domain, entry, message), last "done" (status). */
#pragma once

#include <glib.h>

/* Of a line with its line feed, and of a value before it is encoded: each byte may become three, and four values fit. */
enum { WIRE_LINE_MAX_BYTES = 32 * 1024, WIRE_VALUE_MAX_BYTES = 2560 };

typedef struct WireLine WireLine;

WireLine *wire_line_new(const char *word);
void wire_line_free(WireLine *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireLine, wire_line_free)

const char *wire_line_word(const WireLine *line);
/* NULL: there is none. */
const char *wire_line_get(const WireLine *line, const char *key);
/* A key that is in none of `keys` (NULL ends them); NULL: all are. */
const char *wire_line_find_other(const WireLine *line, const char *const *keys);

/* `key`: a-z and _, once a line. `value` NULL adds nothing; one that is no UTF-8 is made valid, one that is too long is cut: what
 * must not be cut has to be measured before. */
void wire_line_add(WireLine *line, const char *key, const char *value);

/* With its line feed, never longer than WIRE_LINE_MAX_BYTES for up to four values. Owned by the caller. */
char *wire_line_format(const WireLine *line);

/* Understands a line without its line feed; any bytes. *line is owned by the caller. FAULT_PARK: what is wrong with it. */
bool wire_parse(const char *data, gsize len, WireLine **line, GError **error) G_GNUC_WARN_UNUSED_RESULT;
