/* Any bytes on the control socket: understood or refused, and what is understood means the same when it is sent on. */
#include "daemon/wire.h"
#include "model/fault.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const KEYS[] = {"resync", "domain", "entry", "level", "message", "pid", "status", NULL};

static WireLine *copy(const WireLine *line)
{
    WireLine *made = wire_line_new(wire_line_word(line));

    for (const char *const *key = KEYS; *key != NULL; key++)
        wire_line_add(made, *key, wire_line_get(line, *key));
    return made;
}

static void check_same(const char *sent, const char *heard)
{
    g_assert((sent == NULL) == (heard == NULL));
    g_assert(sent == NULL || strcmp(sent, heard) == 0 || strlen(sent) > WIRE_VALUE_MAX_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(WireLine) line = NULL;
    g_autoptr(WireLine) made = NULL;
    g_autoptr(WireLine) again = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    if (!wire_parse((const char *)data, size, &line, &error)) {
        g_assert(line == NULL && fault_of(error) == FAULT_PARK && g_utf8_validate(error->message, -1, NULL));
        return 0;
    }
    made = copy(line);
    text = wire_line_format(made);
    g_assert(strchr(text, '\n') == text + strlen(text) - 1);
    if (strlen(text) > WIRE_LINE_MAX_BYTES) /* of more values than any line of ours has */
        return 0;
    g_assert(wire_parse(text, strlen(text) - 1, &again, NULL));
    g_assert(strcmp(wire_line_word(again), wire_line_word(line)) == 0);
    for (const char *const *key = KEYS; *key != NULL; key++)
        check_same(wire_line_get(line, *key), wire_line_get(again, *key));
    return 0;
}
