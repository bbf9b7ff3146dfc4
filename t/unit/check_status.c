#include "imap/status.h"
#include "model/fault.h"
#include "answers.h"
#include "suite.h"

#include <check.h>
#include <string.h>

#define URI "imaps://imap.example.org"

static ImapCommand *answered(const char *answer)
{
    g_autofree char *wire = g_strdup_printf("k %s\r\n", answer);
    g_autoptr(GPtrArray) commands = g_ptr_array_new();
    ImapCommand *command = imap_command_new("DELETE");

    g_ptr_array_add(commands, command);
    ck_assert_uint_eq(answer_commands(commands, wire, strlen(wire)), 1);
    return command;
}

static const struct {
    const char *answer;
    Fault fault;
} refusals[] = {
    {"NO Permission denied", FAULT_PARK},
    {"NO [NOPERM] Retry operation, if you may", FAULT_PARK},
    {"NO Mailbox does not exist", FAULT_PARK},
    {"NO [OVERQUOTA] Over quota", FAULT_PARK},
    {"BAD Retry operation", FAULT_PARK},
    {"NO [UNAVAILABLE] not now", FAULT_RETRY},
    {"NO [INUSE] Mailbox in use", FAULT_RETRY},
    {"NO [SERVERBUG] should not happen", FAULT_RETRY},
    {"NO Server(s) unavailable to complete operation", FAULT_RETRY},
    {"NO Mailbox is currently reserved", FAULT_RETRY},
    {"NO Mailbox is locked", FAULT_RETRY},
    {"NO Retry operation", FAULT_RETRY},
    {"NO System I/O error", FAULT_RETRY},
    {"NO operating system error", FAULT_RETRY},
    {"NO mail system storage has been exceeded", FAULT_RETRY},
};

/* A deletion that a moment's trouble with a disk stopped must not wait for an operator. */
START_TEST(what_may_pass_is_tried_again_and_the_rest_set_aside)
{
    g_autoptr(ImapCommand) command = answered(refusals[_i].answer);
    g_autoptr(GError) error = NULL;

    imap_set_refusal(&error, URI, "delete mailbox", command);
    ck_assert_int_eq(fault_of(error), refusals[_i].fault);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status");
    TCase *tests = tcase_create("status");

    tcase_add_loop_test(tests, what_may_pass_is_tried_again_and_the_rest_set_aside, 0, G_N_ELEMENTS(refusals));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
