/* entry.h - an LDAP entry as read: DN, unique id, kind, attributes.
 *
 * Attribute names are compared without case (RFC 4512, 2.5). Values are the octets the directory sent; they become
 * text only through the getters, which refuse what is not clean UTF-8. Pure. */
#pragma once

#include <glib.h>

/* In the order in which an entry of several kinds is taken. */
typedef enum {
    KIND_NONE, /* nothing we serve */
    KIND_USER,
    KIND_RESOURCE,
    KIND_SHARED_FOLDER,
    KIND_GROUP,
    KIND_COUNT,
} EntryKind;

/* "none", "user", "resource", "shared folder", "group". */
const char *entry_kind_name(EntryKind kind);

typedef struct Entry Entry;

/* `unique_id` is nsUniqueId or entryUUID (made lower case here), `dn` the name as the server wrote it. */
Entry *entry_new(const char *unique_id, const char *dn, EntryKind kind);
Entry *entry_copy(const Entry *entry);
void entry_free(Entry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Entry, entry_free)

/* Adds one value of an attribute: any octets. */
void entry_add_value(Entry *entry, const char *attribute, const char *data, gsize len);
/* Replaces all values of an attribute by a NULL-terminated list of strings; an empty list removes it. */
void entry_set_values(Entry *entry, const char *attribute, const char *const *values);
/* Says that the entry's RDN holds this value of this attribute (decoded, RFC 4514). */
void entry_add_rdn(Entry *entry, const char *attribute, const char *data, gsize len);
/* modifyTimestamp as the server writes it (generalized time); kept beside the attributes. NULL: unknown. */
void entry_set_modify_timestamp(Entry *entry, const char *generalized_time);

const char *entry_unique_id(const Entry *entry);
const char *entry_dn(const Entry *entry);
EntryKind entry_kind(const Entry *entry);
const char *entry_modify_timestamp(const Entry *entry);

/* All values of an attribute as text, sorted bytewise; an absent attribute gives an empty array.
 * *values is owned by the caller, its strings by the array. FAULT_PARK when a value holds a control character
 * (NUL, CR, LF, ...) or is not UTF-8: the message names attribute and value. */
bool entry_get_values(const Entry *entry, const char *attribute, GPtrArray **values,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The one value of an attribute where one is expected: the value in the RDN, else the first sorted; NULL when absent.
 * *value is owned by the caller. Faults as entry_get_values. */
bool entry_get_value(const Entry *entry, const char *attribute, char **value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* How many values an attribute has. */
guint entry_count_values(const Entry *entry, const char *attribute);

/* The names of all attributes that it has, lower case, sorted, with blanks between: "alias cn mail". Owned by the caller. */
char *entry_attribute_names(const Entry *entry);

/* A digest of kind, DN, all attributes and `salt` (what else decides the outcome: the digest of the settings); not of
 * modifyTimestamp, whose resolution is a second and which our own writes move. Hexadecimal; owned by the caller. */
char *entry_fingerprint(const Entry *entry, const char *salt);
