#include "model/fault.h"

#include <string.h>

/* Enough to recognise a value; a message must stay readable. */
enum { SHOWN_BYTES_MAX = 80 };

/* G_DEFINE_QUARK keeps the quark in a variable that threads would write without order. */
GQuark fault_quark(void)
{
    static gsize quark;

    if (g_once_init_enter(&quark))
        g_once_init_leave(&quark, g_quark_from_static_string("kolabd-fault-quark"));
    return (GQuark)quark;
}

const char *fault_name(Fault fault)
{
    switch (fault) {
    case FAULT_RETRY:
        return "retry";
    case FAULT_PARK:
        return "park";
    case FAULT_STOP:
        return "stop";
    case FAULT_STATE:
        return "state";
    }
    g_assert_not_reached();
}

Fault fault_of(const GError *error)
{
    return error->domain == FAULT ? (Fault)error->code : FAULT_PARK;
}

/* Length of the printable character that starts here; 0: show it as \xNN. */
static gsize printable_length(const char *at, const char *end)
{
    gunichar c = g_utf8_get_char_validated(at, end - at);

    if (c == (gunichar)-1 || c == (gunichar)-2 || !g_unichar_isprint(c) || c == '"' || c == '\\')
        return 0;
    return (gsize)(g_utf8_next_char(at) - at);
}

static char *show(const char *data, gsize len, gsize shown_max)
{
    GString *shown = g_string_new("\"");
    const char *end = data + len;
    const char *at = data;

    while (at < end && (gsize)(at - data) < shown_max) {
        gsize printable = printable_length(at, end);

        if (printable > 0)
            g_string_append_len(shown, at, (gssize)printable);
        else
            g_string_append_printf(shown, "\\x%02x", (guchar)*at);
        at += MAX(printable, 1);
    }
    if (at < end)
        g_string_append_printf(shown, "\"... (%" G_GSIZE_FORMAT " bytes)", len);
    else
        g_string_append_c(shown, '"');
    return g_string_free(shown, FALSE);
}

char *fault_show(const char *data, gsize len)
{
    return show(data, len, SHOWN_BYTES_MAX);
}

char *fault_show_all(const char *data, gsize len)
{
    return show(data, len, G_MAXSIZE);
}

bool fault_refuse_value(const char *attribute, const char *value, const char *rule, GError **error)
{
    g_autofree char *shown = fault_show(value, strlen(value));

    g_set_error(error, FAULT, FAULT_PARK, "attribute \"%s\" has the value %s: %s; correct the entry", attribute, shown, rule);
    return false;
}
