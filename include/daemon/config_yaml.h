/* config_yaml.h - a YAML text as a tree with positions. All of libyaml is in config_yaml.c.
 *
 * Built from the parser's events, not as a yaml_document_t: aliases are refused where they stand, depth is
 * bounded, and a text full of anchors costs nothing (libyaml's composer compares each with all before it).
 * Pure. */
#pragma once

#include "daemon/config_mistakes.h"

#include <glib.h>

typedef enum {
    CONFIG_TEXT,
    CONFIG_LIST,
    CONFIG_MAPPING,
    CONFIG_REFUSED, /* its mistake is noted already */
} ConfigNodeKind;

typedef struct ConfigNode {
    ConfigNodeKind kind;
    guint line; /* both counted from 1 */
    guint column;
    char *text;        /* CONFIG_TEXT: UTF-8 without control characters */
    bool plain;        /* CONFIG_TEXT: without quotes */
    GPtrArray *keys;   /* CONFIG_MAPPING: of ConfigNode*, CONFIG_TEXT, all different */
    GPtrArray *values; /* CONFIG_LIST, CONFIG_MAPPING: of ConfigNode* */
} ConfigNode;

void config_node_free(ConfigNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigNode, config_node_free)

/* Parses one document; a text without any is an empty mapping. NULL when it cannot be read to its end
 * (syntax, depth). Notes mistakes: syntax, aliases, names that are no text or are there twice, control
 * characters, a second document. Owned by the caller. */
ConfigNode *config_yaml_parse(const char *data, gsize len,
                              ConfigMistakes *mistakes) G_GNUC_WARN_UNUSED_RESULT;

/* The node at a path of names ("ldap.uri"); NULL when there is none. Owned by the tree. */
const ConfigNode *config_node_find(const ConfigNode *node, const char *path);

/* Whether nothing is written there ("uri:", "uri: ~", "uri: null"). */
bool config_node_is_null(const ConfigNode *node);

/* "a list", "a mapping", "a text", "nothing". */
const char *config_node_describe(const ConfigNode *node);
