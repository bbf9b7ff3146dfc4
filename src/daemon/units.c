#include "daemon/units.h"

#include <string.h>

bool units_parse(const char *text, const Unit *units, gint64 *value)
{
    gsize digits = strspn(text, G_CSET_DIGITS);
    g_autofree char *number = g_strndup(text, digits);

    if (digits == 0)
        return false;
    for (; units->suffix != NULL; units++) {
        guint64 count = 0;

        if (strcmp(text + digits, units->suffix) != 0)
            continue;
        *value = G_MAXINT64;
        if (g_ascii_string_to_unsigned(number, 10, 0, (guint64)(G_MAXINT64 / units->factor), &count, NULL))
            *value = (gint64)count * units->factor;
        return true;
    }
    return false;
}
