/* settings.h - an IMAP server as the configuration has it. Plain data, immutable once read. */
#pragma once

#include <glib.h>

typedef struct {
    char *uri;            /* imaps://host[:port] or imap://host[:port] (STARTTLS is then demanded) */
    char *admin_login;
    char *admin_password; /* secret: never in a message */
    char *ca_file;        /* NULL: the system's */
    bool insecure;        /* no TLS over loopback */
    bool tls_resumption;  /* of sessions as users, with a server that does it */
    gint64 timeout_us;    /* without any progress; an answer that trickles may take ten times as long */
    guint window;         /* commands in flight */
    guint max_sessions;   /* at the same time, to each server; 0: as many as the workers need */
    GPtrArray *backends;  /* of ImapBackend*: those servers behind the frontend that are not reached by their own names; NULL: none */
} ImapSettings;

/* All empty, no backends. */
ImapSettings *imap_settings_new(void);
void imap_settings_free(ImapSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSettings, imap_settings_free)

/* Whether all is the same: what one knows of the server then holds for the other. */
bool imap_settings_equal(const ImapSettings *one, const ImapSettings *other);
