/* A server's octets as a stream: nothing crashes, and a reply is the same however the stream is cut. */
#include "imap/reply.h"

#include <string.h>

static gsize count(const GPtrArray *values)
{
    gsize sum = 0;

    for (guint i = 0; i < values->len; i++) {
        const ImapValue *value = g_ptr_array_index(values, i);

        sum += 1 + value->len + (value->data != NULL ? strlen(value->data) : 0);
        if (value->kind == IMAP_LIST)
            sum += count(value->items);
    }
    return sum;
}

static void parse_in_full(const char *data, gsize len, gsize cut)
{
    g_autoptr(ImapReply) reply = NULL;
    g_autoptr(ImapReply) early = NULL;
    gsize used = 0, early_used = 0;

    if (!imap_reply_parse(data, len, &reply, &used, NULL))
        return;
    g_assert(used <= len && (reply == NULL || used > 0));
    /* The same octets with the rest yet to come: the same reply, or none. */
    g_assert(imap_reply_parse(data, cut, &early, &early_used, NULL));
    if (early != NULL) {
        g_assert(reply != NULL && early_used == used && early->weight == reply->weight);
        g_assert_cmpstr(early->text, ==, reply->text);
        g_assert(count(early->values) == count(reply->values));
    }
    if (reply != NULL && used < len)
        parse_in_full(data + used, len - used, MIN(cut, len - used));
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    const gsize cut = (data[0] * 256U + data[1]) % (size - 1);
    /* A block of its own, so that a read behind it is seen. */
    g_autofree char *stream = g_memdup2(data + 2, size - 2);
    if (stream != NULL)
        parse_in_full(stream, size - 2, MIN(cut, size - 2));
    return 0;
}
