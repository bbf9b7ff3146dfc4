/* control_socket.h - where the running daemon is spoken to: a Unix stream socket beside its state file, FILE.socket, of mode
 * 0600: who may write the state may use it. A name that is longer than a socket's address may be is no obstacle. */
#pragma once

#include <glib.h>

/* Listens, in place of what a crash may have left there: the caller has the state file's lock. *fd is non-blocking. FAULT_STOP:
 * it cannot be made, and why. */
bool control_socket_listen(const char *state_file, int *fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void control_socket_remove(const char *state_file);

/* A non-blocking connection, to be closed by the caller, and the process that listens there; -1: nobody does, or it does not
 * let us in (errno). */
int control_socket_connect(const char *state_file, int *pid);
