/* suite.h - how every unit test ends its main. */
#pragma once

#include <check.h>
#include <stdlib.h>

/* Runs all test cases of the suite, which it takes over; gives the exit status. CK_VERBOSITY says how much is printed. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
