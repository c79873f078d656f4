#include "config/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

/* An open list or mapping. */
struct frame {
    struct csn_yaml_node *node;
    struct csn_yaml_node *last; /* child */
    const char *key;            /* read, its value not yet */
    uint32_t key_line, key_column;
};

struct builder {
    struct csn_yaml *yaml;
    struct csn_reason *reason;
    struct frame frames[CSN_YAML_DEPTH_MAX];
    size_t depth;
    bool has_document;
};

static int refuse_at(const struct builder *builder, yaml_mark_t mark, int code, const char *what)
{
    return csn_reason_set(builder->reason, code, "%s:%zu:%zu: %s", builder->yaml->file,
                          mark.line + 1, mark.column + 1, what);
}

int csn_yaml_refuse(const struct csn_yaml *yaml, const struct csn_yaml_node *node,
                    struct csn_reason *reason, int code, const char *format, ...)
{
    char what[CSN_REASON_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return csn_reason_set(reason, code, "%s:%u:%u: %s", yaml->file, node->line, node->column, what);
}

static char *copy_text(struct csn_arena *arena, const void *text, size_t size)
{
    char *copy = csn_arena_alloc(arena, size + 1, 1);
    if (size > 0) {
        memcpy(copy, text, size);
    }
    copy[size] = '\0';
    return copy;
}

static struct frame *top(struct builder *builder)
{
    return builder->depth > 0 ? &builder->frames[builder->depth - 1] : NULL;
}

static bool wants_key(struct builder *builder)
{
    struct frame *frame = top(builder);
    return frame != NULL && frame->node->kind == CSN_YAML_MAP && frame->key == NULL;
}

/* A new node as the root, the next item, or the value of the key just read. */
static struct csn_yaml_node *append(struct builder *builder, enum csn_yaml_kind kind,
                                    yaml_mark_t mark)
{
    struct csn_yaml_node *node =
        csn_arena_alloc(&builder->yaml->arena, sizeof(*node), _Alignof(struct csn_yaml_node));
    *node = (struct csn_yaml_node){
        .kind = kind, .line = (uint32_t)mark.line + 1, .column = (uint32_t)mark.column + 1};
    struct frame *frame = top(builder);
    if (frame == NULL) {
        builder->yaml->root = node;
        return node;
    }
    node->key = frame->key;
    node->key_line = frame->key_line;
    node->key_column = frame->key_column;
    frame->key = NULL;
    frame->node->count++;
    if (frame->last == NULL) {
        frame->node->first = node;
    } else {
        frame->last->next = node;
    }
    frame->last = node;
    return node;
}

static bool is_clean(const yaml_char_t *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((text[i] < 0x20 && text[i] != '\t' && text[i] != '\n') || text[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static int on_scalar(struct builder *builder, const yaml_event_t *event)
{
    const yaml_char_t *value = event->data.scalar.value;
    size_t size = event->data.scalar.length;
    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL) {
        return refuse_at(builder, event->start_mark, CSN_EFORMAT,
                         "an anchor or a tag, which have no meaning here; write the value itself");
    }
    if (!is_clean(value, size)) {
        return refuse_at(builder, event->start_mark, CSN_EFORMAT,
                         "a control character inside a value");
    }
    if (wants_key(builder)) {
        struct frame *frame = top(builder);
        frame->key = copy_text(&builder->yaml->arena, value, size);
        frame->key_line = (uint32_t)event->start_mark.line + 1;
        frame->key_column = (uint32_t)event->start_mark.column + 1;
        return CSN_OK;
    }
    struct csn_yaml_node *node = append(builder, CSN_YAML_SCALAR, event->start_mark);
    node->text = copy_text(&builder->yaml->arena, value, size);
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return CSN_OK;
}

static int on_open(struct builder *builder, enum csn_yaml_kind kind, const yaml_event_t *event)
{
    bool is_map = kind == CSN_YAML_MAP;
    const yaml_char_t *anchor =
        is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (anchor != NULL || tag != NULL) {
        return refuse_at(builder, event->start_mark, CSN_EFORMAT,
                         "an anchor or a tag, which have no meaning here; write the value itself");
    }
    if (wants_key(builder)) {
        return refuse_at(builder, event->start_mark, CSN_EFORMAT,
                         "a list or mapping as a key; a key is a word");
    }
    if (builder->depth == CSN_YAML_DEPTH_MAX) {
        return refuse_at(builder, event->start_mark, CSN_ELIMIT, "nested deeper than 16 levels");
    }
    struct csn_yaml_node *node = append(builder, kind, event->start_mark);
    builder->frames[builder->depth++] = (struct frame){.node = node};
    return CSN_OK;
}

static int on_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (builder->has_document) {
            return refuse_at(builder, event->start_mark, CSN_EFORMAT,
                             "a second document; one file holds one");
        }
        builder->has_document = true;
        return CSN_OK;
    case YAML_ALIAS_EVENT:
        return refuse_at(builder, event->start_mark, CSN_EFORMAT,
                         "an alias, which has no meaning here; write the value itself");
    case YAML_SCALAR_EVENT:
        return on_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(builder, CSN_YAML_LIST, event);
    case YAML_MAPPING_START_EVENT:
        return on_open(builder, CSN_YAML_MAP, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        builder->depth--;
        return CSN_OK;
    default:
        return CSN_OK;
    }
}

static int on_syntax(const struct builder *builder, const yaml_parser_t *parser)
{
    char what[256];
    bool has_mark = parser->error == YAML_SCANNER_ERROR || parser->error == YAML_PARSER_ERROR;
    snprintf(what, sizeof(what), "not YAML: %s%s%s",
             parser->problem != NULL ? parser->problem : "unreadable",
             parser->context != NULL ? " " : "", parser->context != NULL ? parser->context : "");
    return refuse_at(builder, has_mark ? parser->problem_mark : parser->mark, CSN_EFORMAT, what);
}

static int build(struct builder *builder, yaml_parser_t *parser)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            return on_syntax(builder, parser);
        }
        bool is_end = event.type == YAML_STREAM_END_EVENT;
        int code = on_event(builder, &event);
        yaml_event_delete(&event);
        if (code != CSN_OK || is_end) {
            return code;
        }
    }
}

int csn_yaml_parse(struct csn_bytes text, const char *file, struct csn_yaml *ret_yaml,
                   struct csn_reason *reason)
{
    struct csn_yaml yaml = {0};
    struct builder builder = {.yaml = &yaml, .reason = reason};
    yaml_parser_t parser;
    if (text.size > CSN_YAML_SIZE_MAX) {
        return csn_reason_set(reason, CSN_ELIMIT, "%s:1:1: longer than 1 MiB", file);
    }
    INSIST(yaml_parser_initialize(&parser) == 1);
    yaml.file = copy_text(&yaml.arena, file, strlen(file));
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.size > 0 ? text.data : (const uint8_t *)"",
                                 text.size);
    int code = build(&builder, &parser);
    if (code == CSN_OK && yaml.root == NULL) {
        code = csn_reason_set(reason, CSN_EFORMAT, "%s:1:1: empty; expected a mapping", file);
    }
    yaml_parser_delete(&parser);
    if (code != CSN_OK) {
        csn_yaml_fini(&yaml);
        return code;
    }
    *ret_yaml = yaml;
    return CSN_OK;
}

void csn_yaml_fini(struct csn_yaml *yaml)
{
    csn_arena_fini(&yaml->arena);
    *yaml = (struct csn_yaml){0};
}

const struct csn_yaml_node *csn_yaml_find(const struct csn_yaml_node *map, const char *key)
{
    const struct csn_yaml_node *child = map->kind == CSN_YAML_MAP ? map->first : NULL;
    while (child != NULL && strcmp(child->key, key) != 0) {
        child = child->next;
    }
    return child;
}

const struct csn_yaml_node *csn_yaml_item(const struct csn_yaml_node *list, size_t index)
{
    const struct csn_yaml_node *child = list->first;
    while (child != NULL && index-- > 0) {
        child = child->next;
    }
    return child;
}
