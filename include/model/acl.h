/* acl.h - access control lists (RFC 4314): identifiers, rights, and the "subject, rights" values of a directory. Pure.
 *
 * Rights are compared and sent in one form: in Cyrus' order, each once, without the virtual rights c and d, which a server
 * only derives from others: Cyrus 3.6 shows "lrswit" as "lrswitd", and takes a d that is sent for t and e. */
#pragma once

#include <glib.h>

/* What one value of the directory asks for. */
typedef struct {
    char *identifier; /* user name (lower case), "anyone", "group:NAME", or "-" and one of these: rights taken away */
    bool relative;    /* to what the server has; false: exactly `rights` */
    char *rights;     /* to grant */
    char *without;    /* to take away, when relative */
} AclEntry;

AclEntry *acl_entry_new(const char *identifier, const char *rights);
void acl_entry_free(AclEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AclEntry, acl_entry_free)

/* Parses "subject, rights". The rights are letters (lrswipkxtecdan and 0 to 9) or a short name: all, append, full, post,
 * read, read-only, read-write, semi-full, write; either may be edited: "full-a", "read+p", and "+p" or "-w" alone change
 * what the server has. `attribute` is named in the message. *entry is owned by the caller.
 * FAULT_PARK: what is none of that, or a subject that no user, group or Cyrus can have. */
bool acl_parse(const char *attribute, const char *value, AclEntry **entry, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The rights as a server shows them (any order, with c and d), in the one form. NULL: none. Letters that are no rights
 * are left out. Owned by the caller; "" for none. */
char *acl_rights_normalize(const char *rights);

/* What the entry makes of the rights that its identifier has (in the one form; NULL: none), in the one form. Owned by the
 * caller; "" for none. */
char *acl_entry_apply(const AclEntry *entry, const char *present);

/* Rights with others added, taken away; both in the one form. Owned by the caller. */
char *acl_rights_add(const char *rights, const char *more);
char *acl_rights_remove(const char *rights, const char *less);

/* Whether two identifiers are one for a server: case does not count. */
bool acl_identifier_equal(const char *a, const char *b);
