/* gates.h - the gates of one IMAP server of the configuration, which all workers share: one for the server itself, and on a murder
 * one for each server behind it. Thread-safe. */
#pragma once

#include "imap/gate.h"
#include "imap/settings.h"

typedef struct Gates Gates;

/* `settings` must outlive it. `workers`: so many have at most one session of a user each. */
Gates *gates_new(const ImapSettings *settings, guint workers);
void gates_free(Gates *gates);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Gates, gates_free)

/* The gate of a server behind the frontend, by its name as the murder says it; NULL: of the server itself. Lives as long as
 * `gates`; NULL where that is. */
Gate *gates_find(Gates *gates, const char *server);

/* How many sessions of administrators there may be at a server when so many work: these are set apart. */
guint gates_admin_sessions(guint workers);
