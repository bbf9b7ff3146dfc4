/* opening.h - a connection that is being opened: to what, for whom, and until when. Private to this folder. */
#pragma once

#include "imap/settings.h"
#include "model/fault.h"
#include "wait/wait.h"

#include <glib.h>

typedef struct {
    const ImapSettings *settings;
    const char *authorize_as; /* NULL: the administrator himself */
    bool newest_tls;          /* another try after one that was held to TLS 1.2 (resumption.h) */
    Stop *stop;
    gint64 deadline_us;       /* for all of it, login included */
    char *host;               /* a name or an address, an IPv6 one without brackets */
    guint16 port;
    bool tls_at_once;         /* imaps:// */
} Opening;

/* Takes `settings->uri` apart; ports are 143 and 993 where it has none (RFC 8314). FAULT_STOP: it is no URI of an IMAP server. What is given
 * must outlive it. */
bool opening_begin(Opening *opening, const ImapSettings *settings, const char *authorize_as, Stop *stop,
                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
void opening_clear(Opening *opening);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Opening, opening_clear)

/* Waits until `fd` is ready for `events` (poll(2)). FAULT_RETRY: the time is over, or the daemon stops. */
bool opening_wait(const Opening *opening, int fd, short events, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same of a wait that has ended with `result`. */
bool opening_judge_wait(const Opening *opening, WaitResult result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "URI: cannot connect: DETAIL; HINT", with what the operator can check. */
void opening_fail(const Opening *opening, Fault fault, const char *hint, GError **error, const char *format, ...) G_GNUC_PRINTF(5, 6);
