/* What an operator types as a time: one that compares as text with those of the journal, or a message that can be shown. */
#include "daemon/since.h"
#include "model/fault.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char FORM[] = "0000-00-00T00:00:00.000Z";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *time = NULL;
    g_autofree char *again = NULL;
    g_autoptr(GError) error = NULL;

    if (!since_parse(text, G_GINT64_CONSTANT(1795248327123456), &time, &error)) {
        g_assert(time == NULL && fault_of(error) == FAULT_STOP && g_utf8_validate(error->message, -1, NULL));
        for (const char *c = error->message; *c != '\0'; c++)
            g_assert(!g_ascii_iscntrl(*c));
        return 0;
    }
    g_assert(strlen(time) == strlen(FORM) && strcmp(time, "1970") > 0);
    for (size_t i = 0; i < strlen(FORM); i++)
        g_assert(FORM[i] == '0' ? g_ascii_isdigit(time[i]) : time[i] == FORM[i]);
    g_assert(since_parse(time, 0, &again, NULL));
    g_assert_cmpstr(again, ==, time);
    return 0;
}
