/* settings.h - what the policy of one domain is told. Made by the configuration, immutable afterwards. */
#pragma once

#include "model/entry.h"

#include <glib.h>

typedef enum {
    POLICY_NEVER,      /* addresses are taken as they are */
    POLICY_WHEN_EMPTY, /* the primary address is made when there is none (default) */
    POLICY_ALWAYS,     /* the primary address always follows the template; a replaced one stays as alias */
} PolicyMode;

typedef enum {
    DELETION_DELETE, /* the mailbox of an entry that is gone is deleted (default) */
    DELETION_KEEP,   /* it stays until an operator says otherwise */
} DeletionMode;

/* Which backend of a murder gets a new mailbox. */
typedef enum {
    PLACEMENT_SERVER,      /* the one that Cyrus chooses (default) */
    PLACEMENT_MAILHOST,    /* the one that the entry's mailHost names */
    PLACEMENT_LEAST_USED,  /* the one with the most room */
    PLACEMENT_ROUND_ROBIN, /* each in its turn */
} PlacementPolicy;

typedef struct {
    gint ref_count;

    char *name;         /* parent DNS name, lower case */
    GPtrArray *aliases; /* of char*: alias domains, lower case */
    char *base_dn;
    bool own_base_dn; /* the configuration says it: a domain entry of the directory does not change it */
    bool own_aliases; /* likewise */
    char *filters[KIND_COUNT]; /* RFC 4515: what is of a kind; "": nothing. NULL for KIND_NONE */
    char *opt_out_filter;      /* RFC 4515: who is left alone whatever the kind; "": nobody */

    /* Attribute names as configured; compared without case. */
    char *unique_id_attribute;
    char *result_attribute;
    char *mail_attribute;          /* primary address */
    char *alias_attribute;         /* further addresses */
    GPtrArray *address_attributes; /* of char*: all attributes in which an address must be unique; has the two above */
    char *mail_host_attribute;
    char *quota_attribute;
    char *folder_type_attribute; /* of shared folders and resources, as the three below */
    char *acl_attribute;
    char *target_folder_attribute; /* names the mailbox; without it cn does */
    char *delivery_attribute;      /* address under which mail is delivered to it */

    PolicyMode policy_mode;
    GPtrArray *primary;   /* of Template*, one at the most: the primary address */
    GPtrArray *secondary; /* of Template*, in order: further addresses */
    char *default_locale;

    gint64 default_quota_kib; /* KiB, QUOTA_UNLIMITED, or QUOTA_ANY: no default */
    char *mail_host;          /* what mailHost should say (on a murder: the server of the mailbox); NULL: leave it alone */
    GPtrArray *folders;       /* of Folder*, parents first */
    bool enforce_folders;     /* create again what the user deleted */
    bool read_only;           /* directory: write nothing, take the addresses as they are */

    PlacementPolicy placement_policy;
    char *placement_partition;   /* of new mailboxes; NULL: the server chooses */
    bool placement_move;         /* a mailbox follows the entry's mailHost to another backend */
    gint64 settle_timeout_us;    /* how long a new mailbox may take until the frontend knows it */

    DeletionMode deletion_mode;
    guint deletion_limit;         /* entries that may go within an hour; the larger one counts */
    guint deletion_limit_percent; /* of the domain's entries */
    gint64 deletion_delay_us;     /* from the departure to the deletion */

    char *digest; /* of all that decides about existing mailboxes: not folders, deletion, where new ones are put. Part of each
                     entry's fingerprint */
} DomainSettings;

/* The Kolab defaults for a domain; no folders. Its lists own their elements. The caller changes what it likes, then
 * calls domain_settings_seal. */
DomainSettings *domain_settings_new(const char *name);
DomainSettings *domain_settings_ref(DomainSettings *settings);
void domain_settings_unref(DomainSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainSettings, domain_settings_unref)

/* Computes `digest` once all is set. */
void domain_settings_seal(DomainSettings *settings);

/* The attributes the policy reads, for a search: NULL-terminated, owned by the caller (g_strfreev). */
char **domain_settings_attributes(const DomainSettings *settings);

/* The filter by which the server finds the entries of a kind: those that the kind's own filter matches, without those that
 * an earlier kind has and those that opted out. NULL when nothing is of this kind. Owned by the caller. */
char *domain_settings_filter(const DomainSettings *settings, EntryKind kind);

/* The attribute behind a name in a template: "sn" for "surname", NULL for "domain" and "standard_domain", else itself. */
const char *domain_settings_attribute_of(const char *name);
