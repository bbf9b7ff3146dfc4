/* An entry that a server gives with its answer: nothing crashes, and no more values are counted than there are octets. */
#include "directory/post_read.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    /* A block of its own, so that a read behind it is seen. */
    g_autofree char *octets = size > 0 ? g_memdup2(data, size) : NULL;
    struct berval answer = {.bv_val = octets, .bv_len = size};
    guint count;

    if (octets != NULL && post_read_count(&answer, "mail", &count))
        g_assert(count <= size);
    return 0;
}
