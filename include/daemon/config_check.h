/* config_check.h - the syntax of the texts that settings hold. Pure.
 *
 * All checks fail with FAULT_STOP and say what is wrong, without the name of the setting. They never touch a
 * file or the net. Values are shown in messages except where a password may be in them. */
#pragma once

#include <glib.h>

typedef bool (*ConfigCheck)(const char *text, GError **error);

/* A name of an attribute type: RFC 4512 descr. */
bool config_check_attribute(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same, but none that is known to change. */
bool config_check_unique_id(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A search filter, RFC 4515: parentheses, operators, escapes; the message names the position. The server has
 * the last word. */
bool config_check_filter(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A distinguished name, RFC 4514: attribute=value, separated by commas; not empty. */
bool config_check_dn(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same, or nothing. */
bool config_check_dn_or_none(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A DNS name, lower or upper case: letters, digits, hyphens, dots (international names in their xn-- form).
 */
bool config_check_domain(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A host name or address, or nothing. */
bool config_check_host(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
bool config_check_absolute_path(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A partition of the IMAP server: letters, digits, hyphens, underscores, dots. */
bool config_check_partition(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same, or nothing. */
bool config_check_partition_or_none(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A server's name as Cyrus has it, with or without a port. */
bool config_check_server(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A language or locale that the transliteration knows. */
bool config_check_locale(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A metadata entry's name (RFC 5464): below /private/ or /shared/. */
bool config_check_metadata_name(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Anything but nothing. */
bool config_check_text(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ldap://, ldaps:// or ldapi://, imap:// or imaps://; one host, no path, no user, no query. */
bool config_check_ldap_uri(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
bool config_check_imap_uri(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The parts of a URI that passed its check; each is owned by the caller. */
char *config_uri_scheme(const char *uri);
char *config_uri_host(const char *uri);
