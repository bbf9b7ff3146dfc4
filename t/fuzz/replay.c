/* Gives the files named on the command line to a fuzz target, one after the other, without libFuzzer: what was found stays
 * tested in every build. */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        g_autofree char *data = NULL;
        g_autofree char *exact = NULL;
        g_autoptr(GError) error = NULL;
        gsize len;

        if (!g_file_get_contents(argv[i], &data, &len, &error)) {
            fprintf(stderr, "%s\n", error->message);
            return EXIT_FAILURE;
        }
        /* A block of its own size, so that a read behind it is seen. */
        exact = g_memdup2(data, MAX(len, 1));
        LLVMFuzzerTestOneInput((const uint8_t *)exact, len);
    }
    printf("%d inputs replayed\n", argc - 1);
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
