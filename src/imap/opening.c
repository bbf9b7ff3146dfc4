#include "imap/opening.h"

enum { PORT_IMAP = 143, PORT_IMAPS = 993 };

bool opening_begin(Opening *opening, const ImapSettings *settings, const char *authorize_as, Stop *stop, GError **error)
{
    g_autofree char *scheme = NULL;
    int port = -1;

    *opening = (Opening){
        .settings = settings,
        .authorize_as = authorize_as,
        .stop = stop,
        .deadline_us = g_get_monotonic_time() + settings->timeout_us,
    };
    if (!g_uri_split_network(settings->uri, G_URI_FLAGS_NON_DNS, &scheme, &opening->host, &port, NULL)) {
        opening_fail(opening, FAULT_STOP, "check the URI", error, "no URI with a host");
        return false;
    }
    opening->tls_at_once = g_ascii_strcasecmp(scheme, "imaps") == 0;
    if (!opening->tls_at_once && g_ascii_strcasecmp(scheme, "imap") != 0) {
        opening_fail(opening, FAULT_STOP, "the URI must be imaps:// or imap://", error, "unknown scheme %s", scheme);
        return false;
    }
    opening->port = (guint16)(port > 0 ? port : opening->tls_at_once ? PORT_IMAPS : PORT_IMAP);
    return true;
}

void opening_clear(Opening *opening)
{
    g_clear_pointer(&opening->host, g_free);
}

bool opening_wait(const Opening *opening, int fd, short events, GError **error)
{
    return opening_judge_wait(opening, wait_for(opening->stop, fd, events, opening->deadline_us, false), error);
}

bool opening_judge_wait(const Opening *opening, WaitResult result, GError **error)
{
    switch (result) {
    case WAIT_READY:
        return true;
    case WAIT_STOPPED:
        g_set_error(error, FAULT, FAULT_RETRY, "%s: stopped while connecting", opening->settings->uri);
        return false;
    case WAIT_DEADLINE:
        opening_fail(opening, FAULT_RETRY, "check that the server is reachable, and the port and scheme of the URI", error,
                     "no answer within %.3g s", (double)opening->settings->timeout_us / G_USEC_PER_SEC);
        return false;
    }
    g_assert_not_reached();
}

void opening_fail(const Opening *opening, Fault fault, const char *hint, GError **error, const char *format, ...)
{
    g_autofree char *detail = NULL;
    va_list arguments;

    va_start(arguments, format);
    detail = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, FAULT, (gint)fault, "%s: cannot connect: %s; %s", opening->settings->uri, detail, hint);
}
