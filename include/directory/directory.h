/* directory.h - a connection to an LDAP server. All of libldap is in this folder.
 *
 * One thread uses one Directory. It connects, verifies TLS and binds when first used, and again after a loss:
 * the call that meets the loss fails with FAULT_RETRY, the next one reconnects. An error is never an empty answer. */
#pragma once

#include "model/entry.h"
#include "plan/step.h"
#include "policy/settings.h"
#include "wait/wait.h"

#include <glib.h>

typedef struct {
    char *uri;           /* ldaps://, ldap:// with StartTLS, ldapi:// */
    char *bind_dn;
    char *bind_password; /* secret: never in a message */
    char *ca_file;       /* NULL: the system's */
    bool starttls;       /* demanded with ldap://; means nothing with the others */
    bool insecure;       /* bind without TLS over loopback */
    gint64 timeout_us;   /* of one operation and of connecting */
    guint page_size;     /* entries a page (RFC 2696) */
} DirectorySettings;

void directory_settings_free(DirectorySettings *settings);

typedef struct Directory Directory;

/* Connects to nothing yet. Both arguments must outlive it. */
Directory *directory_new(const DirectorySettings *settings, Stop *stop);
void directory_free(Directory *directory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Directory, directory_free)

/* Connects now, if not connected: then *anew, and the server does take us; an old connection says nothing about that.
 * FAULT_STOP: wrong credentials, no TLS where it is demanded, unreadable CA file. FAULT_RETRY: everything that may heal, an
 * untrusted certificate or wrong host name among it. */
bool directory_connect(Directory *directory, bool *anew, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Checks that the domain's base can be read as the identity we are: FAULT_RETRY, with what to do, when not. */
bool directory_check_base(Directory *directory, const DomainSettings *domain, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads the entries below `base_dn` that match, whole or not at all: not those of a domain, which directory_sweep does, but
 * such that are few and need no unique id (their DN takes its place). `attributes` is NULL-terminated. *entries, of
 * Entry*, is owned by the caller. FAULT_RETRY, also when the base itself cannot be read: then nobody knows what is below. */
bool directory_list(Directory *directory, const char *base_dn, const char *filter, const char *const *attributes,
                    GPtrArray **entries, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads an entry as it is now, with its kind (one round trip for a user, two for the rest). *entry is owned by the caller,
 * NULL when no entry of that id is below the base. FAULT_RETRY only. */
bool directory_read_entry(Directory *directory, const DomainSettings *domain, const char *unique_id, Entry **entry,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* An entry had the attributes `names` when it was last looked at (lower case, with blanks between; NULL: nobody knows). Those that
 * are read and that it does not show now: are they gone? FAULT_RETRY when we may not read one any more: nothing follows from an
 * entry that hides a part of itself. */
bool directory_check_shown(Directory *directory, const DomainSettings *domain, const Entry *entry, const char *names,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Says where an entry is that directory_read_entry did not find: *dn is its name outside of the base, owned by the caller,
 * or NULL when it is gone. "Gone" is said only when we are bound as somebody, the base can be read, no naming context shows
 * the unique id, and nothing that we may not read has the name `last_dn` (NULL: unknown). FAULT_RETRY when any of that
 * cannot be confirmed, or when the entry is below the base after all. */
bool directory_locate(Directory *directory, const DomainSettings *domain, const char *unique_id, const char *last_dn,
                      char **dn, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Finds the entries of a domain that have any of `values` in any of `attributes` (of char*, both): one search. *unique_ids, of
 * char*, is owned by the caller. Faults as directory_list. */
bool directory_find_values(Directory *directory, const DomainSettings *domain, GPtrArray *attributes, GPtrArray *values,
                           GPtrArray **unique_ids, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Adds to `taken` (of char*, owned) those of `addresses` (of char*, lower case) that an entry other than `unique_id` has in any address
 * attribute, as the server compares them, shown or not: one OR search when there is none, and more until it is clear which
 * they are. Those that are in `taken` are not asked for. FAULT_RETRY; FAULT_PARK when a value is no text. */
bool directory_find_addresses(Directory *directory, const DomainSettings *domain, const char *unique_id,
                              GPtrArray *addresses, GHashTable *taken, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Carries out STEP_WRITE_ATTRIBUTE steps as one modify that names the values to remove and to add, so that a change made
 * meanwhile by somebody else fails (FAULT_RETRY: read again) instead of being overwritten; a first value that somebody
 * else set at the same time is found afterwards, and ours taken back (FAULT_RETRY). FAULT_PARK: the server
 * refuses (rights, schema, attribute uniqueness). */
bool directory_write(Directory *directory, const char *dn, GPtrArray *steps, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads every served entry of a domain, page by page, each handed to `visit` (which must copy what it keeps and returns
 * false with an error to end the read). Succeeds only when the read was complete: base readable, result success, no
 * size, time or admin limit, no referral. FAULT_RETRY when not, with the limit's name. */
typedef bool (*DirectoryVisit)(const Entry *entry, gpointer user_data, GError **error);
bool directory_sweep(Directory *directory, const DomainSettings *domain, DirectoryVisit visit, gpointer user_data,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Finds the unique id of an entry of the domain by DN or by address. *unique_id is owned by the caller, NULL when there is none.
 * FAULT_PARK when an address belongs to several entries. */
bool directory_resolve(Directory *directory, const DomainSettings *domain, const char *dn_or_address, char **unique_id,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
