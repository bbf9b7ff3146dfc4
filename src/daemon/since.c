#include "daemon/since.h"

#include "daemon/units.h"
#include "model/fault.h"
#include "wait/wait.h"

#include <string.h>

static const Unit AGES[] = {
    {"s", G_TIME_SPAN_SECOND}, {"m", G_TIME_SPAN_MINUTE}, {"h", G_TIME_SPAN_HOUR}, {"d", G_TIME_SPAN_DAY}, {NULL, 0},
};

/* NULL: it is none. */
static GDateTime *parse_time(const char *text)
{
    g_autofree char *midnight = strlen(text) == strlen("2026-11-21") ? g_strconcat(text, "T00:00:00Z", NULL) : NULL;
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();

    return g_date_time_new_from_iso8601(midnight != NULL ? midnight : text, utc);
}

bool since_parse(const char *text, gint64 now_us, char **time, GError **error)
{
    g_autoptr(GDateTime) parsed = parse_time(text);
    g_autofree char *shown = NULL;
    gint64 age_us;

    if (parsed != NULL) {
        *time = wait_format_time(g_date_time_to_unix(parsed) * G_USEC_PER_SEC + g_date_time_get_microsecond(parsed));
        return true;
    }
    if (units_parse(text, AGES, &age_us)) {
        *time = wait_format_time(now_us - MIN(age_us, now_us));
        return true;
    }
    shown = fault_show(text, strlen(text));
    g_set_error(error, FAULT, FAULT_STOP,
                "want a time such as 2026-11-21T08:05:27Z, a date such as 2026-11-21, or an age such as 90m, 2h, 3d; got %s",
                shown);
    return false;
}
