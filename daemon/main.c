/* SPDX-License-Identifier: MIT
 *
 * main.c - lansplice: `lansplice run` is the daemon. All else that can be asked of it is done by
 * lansplice-tools (tools/), which lies beside it: what always runs is small in flash and memory.
 */
#include "log.h"
#include "privileges.h"
#include "run.h"
#include "start.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RUN_WORDS_MAX = 16 };

static const char tools[] = "/lansplice-tools";

/* Whether this is `run`, and right: what is strange in it the other program can tell, too. It gets
 * the words as they were: getopt_long() changes their order, each C library's at another time. */
static bool is_run(int argc, char *const argv[], const char **config_path, bool *verbose)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    char *words[RUN_WORDS_MAX + 1];
    int option;

    if (argc > RUN_WORDS_MAX)
        return false;
    memcpy(words, argv, ((size_t)argc + 1) * sizeof *words);
    opterr = 0;
    while ((option = getopt_long(argc, words, ":c:v", options, NULL)) != -1) {
        if (option == 'c' && optarg[0])
            *config_path = optarg;
        else if (option == 'v')
            *verbose = true;
        else
            return false;
    }
    return optind + 1 == argc && strcmp(words[optind], "run") == 0;
}

static int run_daemon(const char *config_path, bool verbose)
{
    struct error error;

    if (!start_program(&error) || !privileges_follow_owner(config_path, true, &error))
        return error_print(&error);
    log_level_from_environment();
    if (verbose)
        log_set_level(LOG_LEVEL_DEBUG);
    return command_run(config_path);
}

static int run_tools(char **argv)
{
    char mine[PATH_MAX] = "", path[PATH_MAX + sizeof tools];
    struct error error;

    if (readlink("/proc/self/exe", mine, sizeof mine - 1) > 0) {
        snprintf(path, sizeof path, "%s%s", dirname(mine), tools);
        execv(path, argv);
    }
    error_set(&error, EXIT_FAILED, "cannot run %s: %s: it belongs beside lansplice, in its folder",
              mine[0] ? path : tools + 1, strerror(errno));
    return error_print(&error);
}

int main(int argc, char **argv)
{
    const char *config_path = start_config_path();
    bool verbose = false;

    if (is_run(argc, argv, &config_path, &verbose))
        return run_daemon(config_path, verbose);
    return run_tools(argv);
}
