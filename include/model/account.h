/* account.h - what should exist for an entry: directory attributes, mailbox, quota, folders. Plain data. */
#pragma once

#include <glib.h>

/* A quota in KiB (RFC 9208: STORAGE counts units of 1024 octets) or one of these. */
enum {
    QUOTA_UNLIMITED = -1, /* there must be no limit */
    QUOTA_ANY = -2,       /* no opinion: leave what the server has, lift what we set */
};

/* A metadata entry (RFC 5464): "/private/vendor/kolab/folder-type" with its value, both UTF-8. */
typedef struct {
    char *name;
    char *value;
} Metadata;

/* A default folder below a mailbox. Immutable once the configuration is read. */
typedef struct {
    char *name;          /* UTF-8, separator "/": "Calendar/Personal Calendar" */
    char *partition;     /* NULL: where the server puts it */
    gint64 quota_kib;    /* its own quota root: KiB or QUOTA_UNLIMITED; QUOTA_ANY: none of its own */
    GPtrArray *metadata; /* of Metadata* */
    GPtrArray *acl;      /* of AclEntry*: who has rights beside the owner; others' are left alone */
    bool subscribe;
} Folder;

Metadata *metadata_new(const char *name, const char *value);
void metadata_free(Metadata *metadata);
/* A folder without metadata, QUOTA_ANY, subscribed. */
Folder *folder_new(const char *name);
void folder_free(Folder *folder);
/* The special use (RFC 6154) of a folder whose type says that it is one: "\\Drafts", "\\Sent", "\\Junk", "\\Trash"; NULL: none. */
const char *folder_special_use(const Folder *folder);

/* What an attribute of the entry should hold. */
typedef struct {
    char *name;
    GPtrArray *values; /* of char*, sorted; empty: the attribute should be absent */
    bool single;       /* it has one value, whatever the schema allows */
} AttributeValues;

AttributeValues *attribute_values_new(const char *name);
void attribute_values_free(AttributeValues *attribute);

typedef struct {
    char *result_value;    /* value of the result attribute; NULL: no mailbox for this entry */
    char *mailbox;         /* canonical name "user/jane@example.org"; NULL with result_value */
    char *login;           /* whom a user session is authorised as, "jane@example.org"; NULL: a shared mailbox, or none */
    char *mail_host;       /* server that has the mailbox, as far as the directory or the settings say; NULL: not known */
    char *host_attribute;  /* that names the server, among `attributes` when it is ours to write; NULL: no mailbox */
    char *host_asked;      /* what it says now: where the administrator wants the mailbox; NULL: nothing clear */
    char *primary;         /* primary address; NULL: none */
    GPtrArray *aliases;    /* of char*, sorted: the other addresses */
    gint64 quota_kib;
    GPtrArray *folders;    /* of Folder*, parents first; a reference to the settings' list */
    GPtrArray *identifiers; /* of char*, lower case: what the entry is called in access control lists */
    GPtrArray *attributes; /* of AttributeValues*: what the directory should hold; only attributes we may write */

    /* A shared mailbox's own: */
    GPtrArray *metadata;   /* of Metadata* */
    GPtrArray *acl;        /* of AclEntry* */
    bool acl_complete;     /* nobody else has rights; false: leave others' alone */
    bool takes_mail;       /* anyone may post, beside the above */
} Account;

/* No mailbox, no addresses, QUOTA_ANY, no folders, no attributes, no rights. */
Account *account_new(void);
void account_free(Account *account);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Account, account_free)
