/* mailbox_name.h - mailbox names: one canonical form, made and checked once, converted to the wire in one place.
 *
 * Canonical: UTF-8, hierarchy separator "/", lower-cased local part and domain, domain at the end:
 * "user/jane@example.org", and its folder "user/jane/Calendar@example.org". Pure. */
#pragma once

#include <glib.h>

/* Longest local part and address, in octets (RFC 5321, 4.5.3.1). */
enum { LOCAL_PART_MAX = 64, ADDRESS_MAX = 254 };

/* Checks an address and makes it canonical: NFC, lower case. `attribute` is named in the message.
 * *address is owned by the caller. FAULT_PARK for: no or a second "@", an empty part, control characters, blanks,
 * over-long parts, leading, trailing or doubled dots, a domain that is not letters, digits, hyphens and dots. */
bool address_normalize(const char *attribute, const char *value, char **address,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The mailbox of a user: "user/" + the value of the result attribute in lower case; a value without "@" gets `domain`.
 * *mailbox is owned by the caller. FAULT_PARK as address_normalize, and for what a mailbox name cannot carry:
 * hierarchy separators, the LIST wildcards * and %, characters that Cyrus refuses, and the names of mailbox_name_aside. */
bool mailbox_name_of_user(const char *attribute, const char *value, const char *domain, char **mailbox,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether Cyrus takes this ASCII character in the local part of a user's mailbox. */
bool mailbox_name_takes(char c);

/* The mailbox of a shared folder or resource: "shared/" (which may be in front already) + the part of the value before the
 * last "@", as it is written but NFC, + what is behind it in lower case, or `domain`: "shared/Team/Plans@example.org".
 * *mailbox is owned by the caller. FAULT_PARK: it names no folder below "shared/", what no mailbox name can carry, or a
 * name of mailbox_name_aside. */
bool mailbox_name_of_shared(const char *attribute, const char *value, const char *domain, char **mailbox,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What is above a shared mailbox, top first: "shared@example.org", "shared/Team@example.org". A new array of char*. */
GPtrArray *mailbox_name_parents(const char *mailbox);

/* "jane@example.org" of "user/jane@example.org": the login name. Owned by the caller. */
char *mailbox_name_login(const char *mailbox);

/* "user/kolabd-moving-UNIQUEID@example.org": a name beside a mailbox, for a while, that no entry can ask for. Owned by the caller. */
char *mailbox_name_aside(const char *mailbox, const char *unique_id);

/* "kolabd-new-UNIQUEID@example.org": below nothing, where a shared mailbox is made before it takes its name. Owned by the
 * caller. */
char *mailbox_name_outside(const char *mailbox, const char *unique_id);

/* "user/jane/Calendar@example.org". Owned by the caller. */
char *mailbox_name_folder(const char *mailbox, const char *folder);

/* Checks a folder's name from the configuration: UTF-8, no empty or dot-only part, no control character, not over-long.
 * FAULT_STOP. */
bool folder_name_check(const char *folder, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The name as it goes over the wire: modified UTF-7 (RFC 3501, 5.1.3), hierarchy separator `separator` ('/' or '.';
 * with '.' a dot inside a part travels as '^', as Cyrus does with unixhierarchysep off). Owned by the caller. */
char *mailbox_name_to_wire(const char *name, char separator);
/* Back from the wire. Bytes that are no modified UTF-7 come back as they are, made valid UTF-8. Owned by the caller. */
char *mailbox_name_from_wire(const char *wire, char separator);
