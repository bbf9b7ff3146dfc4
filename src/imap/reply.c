#include "imap/reply.h"

#include "model/fault.h"

#include <string.h>

/* A complete reply without its last CRLF, and where the parser stands in it. */
typedef struct {
    const char *start;
    const char *at;
    const char *end;
    guint values;
    gsize weight;
} Cursor;

static void value_free(gpointer data)
{
    ImapValue *value = data;

    g_free(value->data);
    g_clear_pointer(&value->items, g_ptr_array_unref);
    g_free(value);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapValue, value_free)

void imap_reply_free(ImapReply *reply)
{
    if (reply == NULL)
        return;
    g_free(reply->tag);
    g_free(reply->code);
    g_free(reply->text);
    g_clear_pointer(&reply->values, g_ptr_array_unref);
    g_free(reply);
}

/* Always false; `data` is the line that is at fault. */
static bool fail(const char *problem, const char *data, gsize len, GError **error)
{
    g_autofree char *shown = fault_show(data, len);

    g_set_error(error, FAULT, FAULT_RETRY, "not understood as IMAP (%s): %s", problem, shown);
    return false;
}

static bool fail_at(const Cursor *c, const char *problem, GError **error)
{
    return fail(problem, c->start, (gsize)(c->end - c->start), error);
}

static ImapStatus find_status(const char *word, gsize len)
{
    static const struct {
        const char *word;
        ImapStatus status;
    } words[] = {
        {"OK", IMAP_OK}, {"NO", IMAP_NO}, {"BAD", IMAP_BAD}, {"BYE", IMAP_BYE}, {"PREAUTH", IMAP_PREAUTH},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (strlen(words[i].word) == len && g_ascii_strncasecmp(words[i].word, word, len) == 0)
            return words[i].status;
    return IMAP_NONE;
}

static gsize word_length(const char *at, const char *end)
{
    const char *word = at;

    while (at < end && *at != ' ' && *at != '\r')
        at++;
    return (gsize)(at - word);
}

/* Reads "{17}" or "{17+}" with its CRLF, from the brace on. A size beyond the bound is given as just beyond it. */
static bool match_literal(const char *at, const char *end, gsize *octets, const char **after)
{
    const char *digit = at + 1;
    gsize size = 0;

    for (; digit < end && g_ascii_isdigit(*digit); digit++)
        size = MIN(size * 10 + (gsize)(*digit - '0'), (gsize)REPLY_LITERAL_MAX + 1);
    if (digit == at + 1)
        return false;
    if (digit < end && *digit == '+')
        digit++;
    if (end - digit < 3 || memcmp(digit, "}\r\n", 3) != 0)
        return false;
    *octets = size;
    *after = digit + 3;
    return true;
}

/* Does this piece of a line (with its CRLF) announce a literal? Human text may end like one and does not. */
static bool announces_literal(const char *piece, gsize len, gsize *octets)
{
    const char *brace = memrchr(piece, '{', len);
    const char *after = NULL;

    if (brace == NULL || brace == piece)
        return false;
    const char *before = brace[-1] == '~' && brace - piece >= 2 ? brace - 2 : brace - 1;
    return (*before == ' ' || *before == '(') && match_literal(brace, piece + len, octets, &after);
}

/* Only untagged data carries literals: "* " and no status word. */
static bool carries_literals(const char *data, gsize len)
{
    return len > 2 && data[0] == '*' && data[1] == ' ' &&
           find_status(data + 2, word_length(data + 2, data + len)) == IMAP_NONE;
}

/* Finds the reply's length with its CRLF; 0: more bytes are needed. Literals are stepped over unread. */
static bool find_end(const char *data, gsize len, gsize *total, GError **error)
{
    gsize at = 0, line = 0, literals = 0;
    bool carries = false;

    for (;;) {
        const char *piece = data + at;
        const char *feed = at < len ? memchr(piece, '\n', len - at) : NULL;
        gsize size = feed != NULL ? (gsize)(feed - piece) + 1 : len - at;
        gsize octets;

        line += size;
        at += size;
        if (line > REPLY_LINE_MAX)
            return fail("line too long", data, len, error);
        *total = 0;
        if (feed == NULL)
            return true;
        if (feed == piece || feed[-1] != '\r')
            return fail("line feed without carriage return", data, at, error);
        *total = at;
        if (at == size) /* the first piece tells */
            carries = carries_literals(data, at);
        if (!carries || !announces_literal(piece, size, &octets))
            return true;
        literals += octets;
        if (literals > REPLY_LITERAL_MAX)
            return fail("literal too long", data, at, error);
        *total = 0;
        if (octets > len - at)
            return true;
        at += octets;
    }
}

static bool parse_values(Cursor *c, GPtrArray *values, guint depth, GError **error);

static bool parse_list(Cursor *c, ImapValue *value, guint depth, GError **error)
{
    if (depth == REPLY_DEPTH_MAX)
        return fail_at(c, "nested too deep", error);
    c->at++;
    value->kind = IMAP_LIST;
    value->items = g_ptr_array_new_with_free_func(value_free);
    c->weight += sizeof(GPtrArray) * 4;
    return parse_values(c, value->items, depth + 1, error);
}

static bool parse_quoted(Cursor *c, ImapValue *value, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (c->at++; c->at < c->end && *c->at != '"'; c->at++) {
        if (*c->at == '\\' && c->at + 1 < c->end)
            c->at++;
        if (*c->at == '\r' || *c->at == '\n')
            break;
        g_string_append_c(text, *c->at);
    }
    if (c->at == c->end || *c->at != '"')
        return fail_at(c, "quote without end", error);
    c->at++;
    value->kind = IMAP_STRING;
    value->len = text->len;
    value->data = g_string_free(g_steal_pointer(&text), FALSE);
    return true;
}

static bool parse_literal(Cursor *c, ImapValue *value, const char *octets, gsize len, GError **error)
{
    if (len > (gsize)(c->end - octets))
        return fail_at(c, "literal without end", error);
    value->kind = IMAP_STRING;
    value->len = len;
    value->data = g_malloc(len + 1);
    memcpy(value->data, octets, len);
    value->data[len] = '\0';
    c->at = octets + len;
    return true;
}

static bool parse_atom(Cursor *c, ImapValue *value, GError **error)
{
    const char *start = c->at;

    while (c->at < c->end && strchr(" ()\r\n", *c->at) == NULL)
        c->at++;
    /* A line's end (only a literal has one inside a reply) or NUL, which strchr finds too. */
    if (c->at == start || (c->at < c->end && strchr(" ()", *c->at) == NULL) || (c->at < c->end && *c->at == '\0'))
        return fail_at(c, "unexpected byte", error);
    value->len = (gsize)(c->at - start);
    value->kind = IMAP_ATOM;
    if (value->len == 3 && g_ascii_strncasecmp(start, "NIL", 3) == 0) {
        value->kind = IMAP_NIL;
        value->len = 0;
        return true;
    }
    value->data = g_strndup(start, value->len);
    return true;
}

static bool parse_value(Cursor *c, ImapValue *value, guint depth, GError **error)
{
    const char *brace = *c->at == '~' && c->at + 1 < c->end ? c->at + 1 : c->at;
    const char *octets;
    gsize len;

    if (*c->at == '(')
        return parse_list(c, value, depth, error);
    if (*c->at == '"')
        return parse_quoted(c, value, error);
    if (*brace == '{' && match_literal(brace, c->end, &len, &octets))
        return parse_literal(c, value, octets, len, error);
    return parse_atom(c, value, error);
}

/* Up to the closing parenthesis, or at depth 0 to the reply's end. */
static bool parse_values(Cursor *c, GPtrArray *values, guint depth, GError **error)
{
    for (;;) {
        while (c->at < c->end && *c->at == ' ')
            c->at++;
        if (c->at == c->end)
            return depth == 0 || fail_at(c, "list without end", error);
        if (*c->at == ')' && depth == 0)
            return fail_at(c, "unexpected parenthesis", error);
        if (*c->at == ')') {
            c->at++;
            return true;
        }
        if (++c->values > REPLY_VALUES_MAX)
            return fail_at(c, "too many values", error);
        g_autoptr(ImapValue) value = g_new0(ImapValue, 1);
        if (!parse_value(c, value, depth, error))
            return false;
        c->weight += sizeof(ImapValue) + sizeof(gpointer) + 2 * sizeof(gsize) + value->len;
        g_ptr_array_add(values, g_steal_pointer(&value));
    }
}

static char *make_visible(const char *data, gsize len)
{
    gsize plain = 0;

    while (plain < len && g_ascii_isprint(data[plain]))
        plain++;
    GString *text = g_string_new_len(data, (gssize)plain);
    for (gsize i = plain; i < len; i++) {
        if (g_ascii_isprint(data[i]))
            g_string_append_c(text, data[i]);
        else
            g_string_append_printf(text, "\\x%02x", (guchar)data[i]);
    }
    return g_string_free(text, FALSE);
}

/* "[CODE arguments] human text", from the blank before it. */
static void parse_text(Cursor *c, ImapReply *reply)
{
    while (c->at < c->end && *c->at == ' ')
        c->at++;
    if (c->at < c->end && *c->at == '[' && reply->kind != REPLY_CONTINUATION) {
        const char *close = memchr(c->at, ']', (gsize)(c->end - c->at));

        if (close != NULL) {
            reply->code = make_visible(c->at + 1, (gsize)(close - c->at) - 1);
            c->at = close + 1;
            while (c->at < c->end && *c->at == ' ')
                c->at++;
        }
    }
    reply->text = make_visible(c->at, MIN((gsize)(c->end - c->at), REPLY_TEXT_MAX));
}

static bool parse_tagged(Cursor *c, ImapReply *reply, GError **error)
{
    gsize tag = word_length(c->at, c->end);
    const char *word = c->at + tag + (c->at + tag < c->end);
    gsize len = word_length(word, c->end);

    reply->status = find_status(word, len);
    if (tag == 0 || (reply->status != IMAP_OK && reply->status != IMAP_NO && reply->status != IMAP_BAD))
        return fail_at(c, "no reply", error);
    reply->kind = REPLY_TAGGED;
    reply->tag = make_visible(c->at, tag);
    c->at = word + len;
    parse_text(c, reply);
    return true;
}

static bool parse_untagged(Cursor *c, ImapReply *reply, GError **error)
{
    gsize len = word_length(c->at + 2, c->end);

    reply->kind = REPLY_UNTAGGED;
    reply->status = find_status(c->at + 2, len);
    c->at += 2;
    if (reply->status == IMAP_NONE)
        return parse_values(c, reply->values, 0, error);
    c->at += len;
    parse_text(c, reply);
    return true;
}

static bool parse_reply(Cursor *c, ImapReply *reply, GError **error)
{
    gsize len = (gsize)(c->end - c->at);

    if (len >= 3 && c->at[0] == '*' && c->at[1] == ' ')
        return parse_untagged(c, reply, error);
    if (c->at[0] != '+' || (len > 1 && c->at[1] != ' '))
        return parse_tagged(c, reply, error);
    reply->kind = REPLY_CONTINUATION;
    c->at++;
    parse_text(c, reply);
    return true;
}

bool imap_reply_parse(const char *data, gsize len, ImapReply **reply, gsize *used, GError **error)
{
    gsize blank = 0, total;

    while (len - blank >= 2 && memcmp(data + blank, "\r\n", 2) == 0)
        blank += 2;
    if (!find_end(data + blank, len - blank, &total, error))
        return false;
    if (total == 0) {
        *reply = NULL;
        *used = blank;
        return true;
    }
    Cursor c = {.start = data + blank, .at = data + blank, .end = data + blank + total - 2};
    g_autoptr(ImapReply) parsed = g_new0(ImapReply, 1);
    parsed->values = g_ptr_array_new_with_free_func(value_free);
    if (!parse_reply(&c, parsed, error))
        return false;
    parsed->weight = sizeof *parsed + sizeof(GPtrArray) * 4 + total + c.weight;
    *reply = g_steal_pointer(&parsed);
    *used = blank + total;
    return true;
}
