#include "daemon/config_yaml.h"

#include "model/fault.h"

#include <string.h>
#include <yaml.h>

/* The deepest setting (domains, NAME, folders, create, NAME, metadata, ENTRY) is at 7. */
enum { DEPTH_MAX = 16 };

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(yaml_event_t, yaml_event_delete)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(yaml_parser_t, yaml_parser_delete)

typedef struct {
    yaml_parser_t *parser;
    const char *data;
    gsize len;
    ConfigMistakes *mistakes;
} Builder;

static ConfigNode *build_node(Builder *builder, const yaml_event_t *event, guint depth);

void config_node_free(ConfigNode *node)
{
    g_free(node->text);
    g_clear_pointer(&node->keys, g_ptr_array_unref);
    g_clear_pointer(&node->values, g_ptr_array_unref);
    g_free(node);
}

static void free_node(gpointer node)
{
    config_node_free(node);
}

static ConfigNode *new_node(ConfigNodeKind kind, yaml_mark_t mark)
{
    ConfigNode *node = g_new0(ConfigNode, 1);

    node->kind = kind;
    node->line = (guint)mark.line + 1;
    node->column = (guint)mark.column + 1;
    if (kind == CONFIG_MAPPING)
        node->keys = g_ptr_array_new_with_free_func(free_node);
    if (kind == CONFIG_MAPPING || kind == CONFIG_LIST)
        node->values = g_ptr_array_new_with_free_func(free_node);
    return node;
}

/* libyaml gives bytes that are no UTF-8 an offset, and everything else a mark. */
static void note_syntax(Builder *builder)
{
    const yaml_parser_t *parser = builder->parser;
    guint line = (guint)parser->problem_mark.line + 1, column = (guint)parser->problem_mark.column + 1;

    if (parser->error == YAML_READER_ERROR) {
        line = 1, column = 1;
        for (gsize i = 0; i < MIN(parser->problem_offset, builder->len); i++) {
            bool newline = builder->data[i] == '\n';

            line += newline;
            column = newline ? 1 : column + 1;
        }
    }
    config_mistakes_add(builder->mistakes, line, column, "this is no YAML: %s%s%s",
                        parser->problem ? parser->problem : "unreadable", parser->context ? " " : "",
                        parser->context ? parser->context : "");
}

static bool next_event(Builder *builder, yaml_event_t *event)
{
    if (yaml_parser_parse(builder->parser, event))
        return true;
    note_syntax(builder);
    return false;
}

static bool has_control(const char *text, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if ((guchar)text[i] < ' ' || text[i] == 0x7f)
            return true;
    return false;
}

static ConfigNode *build_text(Builder *builder, const yaml_event_t *event)
{
    ConfigNode *node = new_node(CONFIG_TEXT, event->start_mark);
    const char *text = (const char *)event->data.scalar.value;

    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (has_control(text, event->data.scalar.length)) {
        config_mistakes_add(builder->mistakes, node->line, node->column,
                            "a value is one line of text without control characters");
        node->kind = CONFIG_REFUSED;
        return node;
    }
    node->text = g_strdup(text);
    return node;
}

static ConfigNode *build_list(Builder *builder, const yaml_event_t *start, guint depth)
{
    g_autoptr(ConfigNode) list = new_node(CONFIG_LIST, start->start_mark);

    for (;;) {
        g_auto(yaml_event_t) event = {0};
        ConfigNode *item;

        if (!next_event(builder, &event))
            return NULL;
        if (event.type == YAML_SEQUENCE_END_EVENT)
            return g_steal_pointer(&list);
        item = build_node(builder, &event, depth + 1);
        if (item == NULL)
            return NULL;
        g_ptr_array_add(list->values, item);
    }
}

/* Whether the pair may join the mapping. */
static bool check_key(Builder *builder, GHashTable *seen, const ConfigNode *key)
{
    const ConfigNode *first;

    if (key->kind == CONFIG_REFUSED)
        return false;
    if (key->kind != CONFIG_TEXT) {
        config_mistakes_add(builder->mistakes, key->line, key->column,
                            "want the name of a setting, got %s (text with braces or brackets needs quotes)",
                            config_node_describe(key));
        return false;
    }
    first = g_hash_table_lookup(seen, key->text);
    if (first != NULL) {
        g_autofree char *shown = fault_show(key->text, strlen(key->text));

        config_mistakes_add(builder->mistakes, key->line, key->column,
                            "%s is here a second time; first in line %u", shown, first->line);
        return false;
    }
    return true;
}

static bool add_pair(Builder *builder, ConfigNode *mapping, GHashTable *seen, const yaml_event_t *event,
                     guint depth)
{
    g_autoptr(ConfigNode) key = build_node(builder, event, depth + 1);
    g_autoptr(ConfigNode) value = NULL;
    g_auto(yaml_event_t) value_event = {0};

    if (key == NULL || !next_event(builder, &value_event))
        return false;
    value = build_node(builder, &value_event, depth + 1);
    if (value == NULL)
        return false;
    if (!check_key(builder, seen, key))
        return true;
    g_hash_table_insert(seen, key->text, key);
    g_ptr_array_add(mapping->keys, g_steal_pointer(&key));
    g_ptr_array_add(mapping->values, g_steal_pointer(&value));
    return true;
}

static ConfigNode *build_mapping(Builder *builder, const yaml_event_t *start, guint depth)
{
    g_autoptr(ConfigNode) mapping = new_node(CONFIG_MAPPING, start->start_mark);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (;;) {
        g_auto(yaml_event_t) event = {0};

        if (!next_event(builder, &event))
            return NULL;
        if (event.type == YAML_MAPPING_END_EVENT)
            return g_steal_pointer(&mapping);
        if (!add_pair(builder, mapping, seen, &event, depth))
            return NULL;
    }
}

/* NULL: the text cannot be read further. */
static ConfigNode *build_node(Builder *builder, const yaml_event_t *event, guint depth)
{
    ConfigNode *refused;

    if (depth > DEPTH_MAX) {
        config_mistakes_add(builder->mistakes, (guint)event->start_mark.line + 1,
                            (guint)event->start_mark.column + 1, "nested too deeply: more than %d levels",
                            DEPTH_MAX);
        return NULL;
    }
    if (event->type == YAML_SCALAR_EVENT)
        return build_text(builder, event);
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return build_list(builder, event, depth);
    if (event->type == YAML_MAPPING_START_EVENT)
        return build_mapping(builder, event, depth);
    refused = new_node(CONFIG_REFUSED, event->start_mark);
    config_mistakes_add(builder->mistakes, refused->line, refused->column,
                        "aliases (*name) are not supported; write the value again, or quote the text");
    return refused;
}

/* Reads the end of the document and of the text. */
static bool finish(Builder *builder)
{
    for (;;) {
        g_auto(yaml_event_t) event = {0};

        if (!next_event(builder, &event))
            return false;
        if (event.type == YAML_STREAM_END_EVENT)
            return true;
        if (event.type == YAML_DOCUMENT_START_EVENT) {
            config_mistakes_add(builder->mistakes, (guint)event.start_mark.line + 1,
                                (guint)event.start_mark.column + 1, "a second YAML document; want one");
            return true;
        }
    }
}

ConfigNode *config_yaml_parse(const char *data, gsize len, ConfigMistakes *mistakes)
{
    g_auto(yaml_parser_t) parser = {0};
    Builder builder = {.parser = &parser, .data = data, .len = len, .mistakes = mistakes};
    g_autoptr(ConfigNode) root = NULL;

    if (!yaml_parser_initialize(&parser))
        g_error("out of memory"); /* as GLib does */
    yaml_parser_set_input_string(&parser, (const unsigned char *)data, len);
    while (root == NULL) {
        g_auto(yaml_event_t) event = {0};

        if (!next_event(&builder, &event))
            return NULL;
        if (event.type == YAML_STREAM_END_EVENT)
            return new_node(CONFIG_MAPPING, (yaml_mark_t){0});
        if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT)
            continue;
        root = build_node(&builder, &event, 0);
        if (root == NULL)
            return NULL;
    }
    return finish(&builder) ? g_steal_pointer(&root) : NULL;
}

static const ConfigNode *find_child(const ConfigNode *node, const char *name, gsize len)
{
    if (node->kind != CONFIG_MAPPING)
        return NULL;
    for (guint i = 0; i < node->keys->len; i++) {
        const char *key = ((const ConfigNode *)g_ptr_array_index(node->keys, i))->text;

        if (strncmp(key, name, len) == 0 && key[len] == '\0')
            return g_ptr_array_index(node->values, i);
    }
    return NULL;
}

const ConfigNode *config_node_find(const ConfigNode *node, const char *path)
{
    while (node != NULL && *path != '\0') {
        gsize len = strcspn(path, ".");

        node = find_child(node, path, len);
        path += len + (path[len] == '.');
    }
    return node;
}

bool config_node_is_null(const ConfigNode *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};

    return node->kind == CONFIG_TEXT && node->plain && g_strv_contains(nulls, node->text);
}

const char *config_node_describe(const ConfigNode *node)
{
    switch (node->kind) {
    case CONFIG_TEXT:
        return config_node_is_null(node) ? "nothing" : "a text";
    case CONFIG_LIST:
        return "a list";
    case CONFIG_MAPPING:
        return "a mapping";
    case CONFIG_REFUSED:
        return "something refused";
    }
    g_assert_not_reached();
}
