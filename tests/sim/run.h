/* SPDX-License-Identifier: MIT
 *
 * run.h - the main() that the simulations share: one suite, each case in its own process.
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include <check.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>

enum { SIM_CASE_SECONDS = 240 };

static inline int sim_run_suite(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    if (sodium_init() < 0)
        return EXIT_FAILURE;
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 1 << 17); /* a site's memory comes zeroed, and little is touched */
#endif
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    tcase_set_timeout(tcase, SIM_CASE_SECONDS);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define SIM_MAIN(name, ...)                                                                        \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return sim_run_suite(name, tests, sizeof tests / sizeof *tests);                           \
    }

#endif
