/* tls.h - TLS with a server: its certificate is verified, sessions are resumed, what costs much is done once. Private to this folder.
 *
 * One SSL_CTX for each file of authorities: to make one, and to parse a distribution's bundle, takes OpenSSL 3.0 longer than all the rest of a
 * connection. It lives as long as the process, unless the file changes. Thread-safe. */
#pragma once

#include "imap/opening.h"

#include <openssl/types.h>

/* Shakes hands over the connected socket `fd`, which stays the caller's. The certificate must be for the host of the URI (RFC 6125) and
 * lead to an authority of `ca_file`, or of the system. The result is owned by the caller (SSL_free), and fit to be read and written without
 * waiting, also in parts. FAULT_STOP: the authorities cannot be read. FAULT_RETRY: everything else. *again: with
 * `newest_tls` a new connection may do better. */
SSL *tls_open(const Opening *opening, int fd, bool *again, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What a failed SSL_read, SSL_write or SSL_connect died of, in OpenSSL's or the system's words; "" when the other side just closed. `rc` is
 * what it returned. */
const char *tls_reason(const SSL *ssl, int rc);
