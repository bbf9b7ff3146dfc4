/* backend.h - where the servers behind a murder's frontend are reached. Pure. */
#pragma once

#include "imap/settings.h"

#include <glib.h>

/* A backend of the configuration. */
typedef struct {
    char *name;      /* its `servername` */
    GPtrArray *uris; /* of char*, one at the least: a service address may move between machines, so they are tried in order */
} ImapBackend;

ImapBackend *imap_backend_new(const char *name);
void imap_backend_free(ImapBackend *backend);

/* The URIs of a backend, the first one first. Without configured ones it is reached by its own name: where that has a port, by
 * imap:// with STARTTLS, because it is the one at which the servers of a murder talk to each other; else as the frontend's
 * URI, at the standard port. A new array of char*, one at the least. */
GPtrArray *imap_backend_uris(const ImapSettings *settings, const char *server);

/* The settings of a session to another server of the same murder: only the URI differs, and TLS is left out for a loopback
 * host only. Owned by the caller (imap_settings_free). */
ImapSettings *imap_backend_settings(const ImapSettings *settings, const char *uri);
