#include "imap/resumption.h"
#include "suite.h"

#include <check.h>
#include <string.h>

/* What came of handshakes, a letter each: n new and can be resumed, x new and cannot, r resumed, m the server did not know what was offered,
 * R resumed and cannot be any more, f failed. */
static const struct {
    const char *handshakes;
    bool off;
} histories[] = {
    {"", false},
    {"n", false},
    {"nnnnnnnnnnnnn", false}, /* begun side by side, before there was anything to offer */
    {"nrrrrrrr", false},
    {"x", true},
    {"nrrx", true},
    {"nmrrr", false},        /* restarted without its sessions */
    {"nmrrmrmmrrrmmmrr", false}, /* others log in meanwhile */
    {"nmmmmmmmmmmmmmmmmmmmm", false},
    {"nmmmmmmmmmmmmmmmmmmmmm", true}, /* several servers in turn */
    {"nmmmmmmmmmmmmmmmmmmmmrmm", false},
    {"ff", false},
    {"fff", true},           /* TLS 1.3 only */
    {"nrrfrffrf", false},    /* cut off now and then */
    {"nrrR", false},
    {"xrrrr", true},         /* for good */
};

START_TEST(sessions_are_resumed_as_long_as_the_server_does_it)
{
    Resumption resumption = {0};

    for (const char *at = histories[_i].handshakes; *at != '\0'; at++)
        if (*at == 'f')
            resumption_note_failure(&resumption);
        else
            resumption_note(&resumption, strchr("rRm", *at) != NULL, strchr("rR", *at) != NULL, strchr("xR", *at) == NULL);
    ck_assert_int_eq(resumption.off, histories[_i].off);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resumption");
    TCase *tcase = tcase_create("resumption");

    tcase_add_loop_test(tcase, sessions_are_resumed_as_long_as_the_server_does_it, 0, G_N_ELEMENTS(histories));
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
