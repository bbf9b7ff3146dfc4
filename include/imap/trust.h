/* trust.h - the certificates of authorities that servers are verified by: read once, not for each connection. Private to this folder.
 *
 * To parse the bundle of a distribution takes OpenSSL 3.0 longer than all the rest of a connection, and libcurl does it for each
 * one. Thread-safe. */
#pragma once

#include <glib.h>
#include <openssl/types.h>

/* The authorities of a PEM file; `ca_file` NULL: those that libcurl takes when it is told nothing. A file that was replaced is read
 * again. Owned by the caller (X509_STORE_free; SSL_CTX_set_cert_store takes it), shared with others: not to be changed. FAULT_STOP: it cannot be read, or
 * holds no certificate. */
X509_STORE *trust_find(const char *ca_file, GError **error) G_GNUC_WARN_UNUSED_RESULT;
