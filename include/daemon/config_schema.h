/* config_schema.h - the table of settings, and the one engine that reads by it.
 *
 * Adding a setting is one row in config_table.c (and a field in the structure it fills, its lines in
 * etc/kolabd.yaml and in kolabd.yaml(5), which unit tests demand). */
#pragma once

#include "daemon/config_check.h"
#include "daemon/config_mistakes.h"
#include "daemon/config_yaml.h"

#include <glib.h>

/* Where a setting may stand. */
typedef enum {
    PLACE_GLOBAL = 1 << 0,    /* once for the daemon */
    PLACE_INHERITED = 1 << 1, /* globally, and again below a domain */
    PLACE_DOMAIN = 1 << 2,    /* below a domain only: "domains: NAME:" */
    PLACE_FOLDER = 1 << 3,    /* below a folder: "folders: create: NAME:" */
} SettingPlace;

/* Which structure has the field. */
typedef enum {
    TARGET_CONFIG,    /* Config */
    TARGET_DIRECTORY, /* DirectorySettings */
    TARGET_IMAP,      /* ImapSettings */
    TARGET_DOMAIN,    /* DomainSettings */
    TARGET_FOLDER,    /* Folder */
    TARGET_COUNT,
} SettingTarget;

/* The field's C type. */
typedef enum {
    STORE_TEXT,  /* char*, may be NULL */
    STORE_LIST,  /* GPtrArray*, shared by reference */
    STORE_INT64,
    STORE_UINT,  /* guint or an enum */
    STORE_BOOL,
} SettingStore;

typedef struct Setting Setting;

/* What reading needs beside the node. */
typedef struct {
    ConfigMistakes *mistakes;
    bool read_files; /* false: no file is touched, secrets are empty (for tests of texts from anywhere) */
} Reading;

typedef struct {
    const char *want; /* "a duration such as ..." */
    ConfigNodeKind kind;
    SettingStore store;
    ConfigCheck check; /* of the text or of each item of the list; NULL: none */
    /* Reads a node of the right kind into the field. On a mistake it notes it and leaves the field. NULL:
     * texts and lists of texts are taken as they are once checked. */
    void (*read)(const Reading *reading, const Setting *setting, const ConfigNode *node, gpointer field);
    void (*fall_back)(
        gpointer field); /* stores a default that is no YAML text; NULL: Setting.fallback is it */
} SettingType;

struct Setting {
    const char *path; /* below its place: "ldap.uri", "base_dn", "quota" */
    const SettingType *type;
    SettingPlace place;
    SettingTarget target;
    gsize offset;
    const char *fallback; /* default, as YAML; NULL: none */
    bool required;
    bool zero;  /* may be 0 all the same: a quota, which means a quota root without a limit; a duration, which means never */
    gint64 min; /* in the unit of the field */
    gint64 max;
    const char *const *choices; /* names in the order of the enum, NULL-terminated */
    const char *help;
};

/* The types (config_types.c, config_folders.c, config_imap.c, config_secret.c). */
extern const SettingType type_text, type_path, type_file, type_secret, type_switch, type_count, type_duration,
    type_choice, type_quota, type_attribute, type_unique_id, type_attributes, type_template, type_templates, type_locale,
    type_filter, type_dn, type_dn_or_none, type_ldap_uri, type_imap_uri, type_host, type_partition, type_partition_or_none,
    type_backends, type_domain_names,
    type_metadata, type_acl, type_folders, type_domains;

/* All rows, NULL path at the end. */
extern const Setting config_settings[];

/* Notes a mistake about a setting's value. */
void config_setting_refuse(const Reading *reading, const Setting *setting, const ConfigNode *node,
                           const char *problem);

/* Reads one node by its row into the field in `target`. */
void config_setting_read(const Reading *reading, const Setting *setting, const ConfigNode *node,
                         gpointer target);
/* Stores the default, if there is one. */
void config_setting_fall_back(const Reading *reading, const Setting *setting, gpointer target);
/* Copies the field from another structure of the same kind. */
void config_setting_inherit(const Setting *setting, gconstpointer from, gpointer target);

/* Reads all settings of `places` (a set of SettingPlace) from a mapping into their structures, with defaults;
 * notes missing ones. `targets` is indexed by SettingTarget. */
void config_settings_read(const Reading *reading, guint places, const ConfigNode *mapping, gpointer *targets);

/* Notes each name in a mapping (and its sections) that is no setting of these places, with the nearest that
 * is. */
void config_settings_check_names(const Reading *reading, guint places, const ConfigNode *mapping);
