/* config_secret.h - passwords from files. No message shows a content, nor the name that was configured:
 * people write the password in its place. */
#pragma once

#include <glib.h>

/* Reads the first line of a secret file, without its newline. `name` is an absolute path, or the bare name of
 * a credential in `credentials_directory` ($CREDENTIALS_DIRECTORY, see LoadCredential= in systemd.exec(5)),
 * which may be NULL. *secret is owned by the caller. FAULT_STOP: unreadable, no regular file, anybody else
 * may read or write it, empty, over-long, control characters. */
bool config_secret_read(const char *name, const char *credentials_directory, char **secret,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
