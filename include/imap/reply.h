/* reply.h - IMAP replies, parsed (RFC 3501, 7 and 9). Bytes may be hostile: everything is bounded. Pure.
 *
 * Lenient where Cyrus is: bytes outside ASCII and control characters are taken as parts of an atom (3.6.1 prints stray
 * memory in STATUS (MAILBOXID)), blank lines are skipped. Strict where leniency would put us out of step: CRLF, quotes,
 * literals and parentheses. */
#pragma once

#include <glib.h>

/* What no honest reply reaches: the line without its literals (an ACL of some ten thousand identifiers), the literals of
 * one reply together, values in one reply, nesting. Of a text for people no more than REPLY_TEXT_MAX octets are kept. */
enum {
    REPLY_LINE_MAX = 1048576,
    REPLY_TEXT_MAX = 1024,
    REPLY_LITERAL_MAX = 1048576,
    REPLY_VALUES_MAX = 65536,
    REPLY_DEPTH_MAX = 16,
};

typedef enum {
    IMAP_NIL,
    IMAP_ATOM,   /* also numbers and flags: as written */
    IMAP_STRING, /* quoted or literal, decoded; octets */
    IMAP_LIST,
} ImapValueKind;

typedef struct {
    ImapValueKind kind;
    char *data;       /* atom or string, NUL-terminated for convenience; NULL when NIL or a list */
    gsize len;
    GPtrArray *items; /* of ImapValue*, when a list; else NULL */
} ImapValue;

typedef enum {
    REPLY_TAGGED,
    REPLY_UNTAGGED,
    REPLY_CONTINUATION,
} ImapReplyKind;

typedef enum {
    IMAP_NONE, /* untagged data */
    IMAP_OK,
    IMAP_NO,
    IMAP_BAD,
    IMAP_BYE,
    IMAP_PREAUTH,
} ImapStatus;

typedef struct {
    ImapReplyKind kind;
    char *tag;          /* when tagged */
    ImapStatus status;
    char *code;         /* response code without brackets: "MAILBOXID (abc)"; NULL: none; printable ASCII like `text` */
    char *text;         /* human text of a status or continuation reply, octets beyond ASCII shown as \xNN; else NULL */
    GPtrArray *values;  /* of ImapValue*: untagged data ("METADATA", "user/x", (...)); empty otherwise */
    gsize weight;       /* octets of memory it takes, about: for a bound on many replies */
} ImapReply;

void imap_reply_free(ImapReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapReply, imap_reply_free)

/* Takes one reply off the front of `data`. *reply is owned by the caller, NULL when more bytes are needed; *used says
 * how many bytes it took (blank lines are taken also when *reply is NULL). Call again from the first byte not taken,
 * with more. FAULT_RETRY when the bytes break the grammar or a bound: the connection is then of no use. */
bool imap_reply_parse(const char *data, gsize len, ImapReply **reply, gsize *used,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
