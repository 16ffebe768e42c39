/* SPDX-License-Identifier: MIT
 *
 * cli.c - see cli.h. A command not built yet is not in the table, and so neither in --help.
 */
#include "cli.h"

#include "../log.h"
#include "../privileges.h"
#include "../start.h"
#include "commands.h"
#include "service.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Which options a command takes besides -c and -v; and whether its argument is a file's name, it
 * has nothing to do with the configuration, or asks the kernel what only CAP_NET_ADMIN is told. */
enum {
    TAKES_NAME = 1,
    TAKES_ENDPOINT = 2,
    TAKES_JSON = 4,
    TAKES_WATCH = 8,
    TAKES_CANCEL = 16,
    READS_FILE = 32,
    NEEDS_NO_SITE = 64,
    LOOKS_AT_NETWORK = 128,
};

struct command {
    const char *name, *synopsis, *help;
    int arguments_min, arguments_max;
    unsigned takes;
    int (*run)(const struct cli_options *options);
};

/* Who asks lansplice does not come here. */
static int refuse_run(const struct cli_options *options)
{
    struct error error;

    (void)options;
    error_set(&error, EXIT_USAGE, "this is not the daemon: say 'lansplice run'");
    return error_print(&error);
}

static const struct command commands[] = {
    {"init", "init [--name NAME]", "make this home's key and configuration", 0, 0, TAKES_NAME,
     command_init},
    {"invite", "invite NAME [--endpoint HOST:PORT]...",
     "make a token for another home, or --cancel it", 1, 1, TAKES_ENDPOINT | TAKES_CANCEL,
     command_invite},
    {"join", "join [FILE|-] [--name NAME]", "join the home that made a token", 0, 1,
     TAKES_NAME | READS_FILE, command_join},
    {"accept", "accept [FILE|-]",
     "take the reply that join printed, when neither home can be called", 0, 1, READS_FILE,
     command_accept},
    {"run", "run", "the daemon, in the foreground", 0, 0, NEEDS_NO_SITE, refuse_run},
    {"status", "status [--json] [--watch]", "what the daemon does", 0, 0, TAKES_JSON | TAKES_WATCH,
     command_status},
    {"doctor", "doctor [--json]", "what is wrong here, and what to do about it", 0, 0,
     TAKES_JSON | LOOKS_AT_NETWORK, command_doctor},
    {"check-config", "check-config", "check the configuration", 0, 0, 0, command_check_config},
    {"genkey", "genkey", "print a new private key", 0, 0, NEEDS_NO_SITE, command_genkey},
    {"pubkey", "pubkey", "print the public key of one read", 0, 0, NEEDS_NO_SITE, command_pubkey},
    {"genpsk", "genpsk", "print a new preshared key", 0, 0, NEEDS_NO_SITE, command_genpsk},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static int print_help(void)
{
    printf("usage: lansplice [-c FILE] [-v] COMMAND\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-38s %s\n", commands[i].synopsis, commands[i].help);
    printf("\n  -c, --config FILE   the configuration; " CONFIG_DEFAULT_PATH " if left out\n"
           "  -v, --verbose       log more\n"
           "  --version, --help\n\n"
           "Where root calls it and FILE's folder is another user's, it acts as that user.\n"
           "lansplice(8) and lansplice.conf(5) explain everything.\n");
    return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}

static int usage_error(const char *what, const char *value)
{
    struct error error;

    error_set(&error, EXIT_USAGE, "%s: %.200s: see 'lansplice --help'", what, value);
    return error_print(&error);
}

static int take_endpoint(struct cli_options *options, const char *endpoint)
{
    if (options->endpoint_count == CONFIG_ENDPOINTS_MAX)
        return usage_error("too many endpoints, at most 4", endpoint);
    options->endpoint[options->endpoint_count++] = endpoint;
    return 0;
}

enum {
    OPTION_NAME = 256,
    OPTION_ENDPOINT,
    OPTION_CANCEL,
    OPTION_JSON,
    OPTION_WATCH,
    OPTION_VERSION,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"verbose", no_argument, NULL, 'v'},
    {"name", required_argument, NULL, OPTION_NAME},
    {"endpoint", required_argument, NULL, OPTION_ENDPOINT},
    {"cancel", no_argument, NULL, OPTION_CANCEL},
    {"json", no_argument, NULL, OPTION_JSON},
    {"watch", no_argument, NULL, OPTION_WATCH},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

struct parsed {
    struct cli_options options;
    unsigned given; /* TAKES_... */
    bool version, help;
};

static int take_option(struct parsed *parsed, int option, char **argv)
{
    switch (option) {
    case 'c':
        parsed->options.config_path = optarg;
        return optarg[0] ? 0 : usage_error("no file named", "-c");
    case 'v':
        parsed->options.verbose = true;
        return 0;
    case OPTION_NAME:
        parsed->given |= TAKES_NAME;
        parsed->options.name = optarg;
        /* A name may begin with '-', but who types one meant an option. */
        return optarg[0] == '-' ? usage_error("option needs a value", "--name") : 0;
    case OPTION_ENDPOINT:
        parsed->given |= TAKES_ENDPOINT;
        return take_endpoint(&parsed->options, optarg);
    case OPTION_CANCEL:
        parsed->given |= TAKES_CANCEL;
        parsed->options.cancel = true;
        return 0;
    case OPTION_JSON:
        parsed->given |= TAKES_JSON;
        parsed->options.json = true;
        return 0;
    case OPTION_WATCH:
        parsed->given |= TAKES_WATCH;
        parsed->options.watch = true;
        return 0;
    case OPTION_VERSION:
        parsed->version = true;
        return 0;
    case OPTION_HELP:
        parsed->help = true;
        return 0;
    case ':':
        return usage_error("option needs a value", argv[optind - 1]);
    default:
        return usage_error("unknown option", argv[optind - 1]);
    }
}

static int parse_options(struct parsed *parsed, int argc, char **argv)
{
    int option, code;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":c:vh", long_options, NULL)) != -1) {
        code = take_option(parsed, option == 'h' ? OPTION_HELP : option, argv);
        if (code)
            return code;
    }
    return 0;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Return: 0, or the exit code of one who was told what is wrong. */
static int check_usage(const struct parsed *parsed, const struct command *command)
{
    const struct cli_options *options = &parsed->options;

    if (parsed->given & ~command->takes)
        return usage_error("an option that this command does not take", command->name);
    if (options->argument_count < command->arguments_min)
        return usage_error("too few arguments", command->synopsis);
    if (options->argument_count > command->arguments_max)
        return usage_error("too many arguments", command->synopsis);
    return 0;
}

/* Root reads what it was given as root; for the rest it acts as the configuration's owner. A file
 * that cannot be opened is told of when it is wanted. */
static int prepare(struct cli_options *options, unsigned takes)
{
    struct error error;

    if ((takes & READS_FILE) && options->argument_count > 0 &&
        strcmp(options->argument[0], "-") != 0)
        options->input = fopen(options->argument[0], "re");
    if (!(takes & NEEDS_NO_SITE) &&
        !privileges_follow_owner(options->config_path, (takes & LOOKS_AT_NETWORK) != 0, &error))
        return error_print(&error);
    if (!(takes & NEEDS_NO_SITE) && !service_has_written(options->config_path, &error))
        return error_print(&error);
    return 0;
}

/* Said before anything repeats the argument; the token itself is not printed once more. */
static int refuse_token(void)
{
    fprintf(stderr,
            "lansplice: a token must not be an argument: it is now in your shell's history, "
            "where others may find it: have a new one made, then run 'lansplice join' and "
            "paste it\n");
    return EXIT_USAGE;
}

int cli_main(int argc, char **argv)
{
    struct parsed parsed = {.options.config_path = start_config_path()};
    const struct command *command;
    int code = parse_options(&parsed, argc, argv);

    if (code)
        return code;
    for (int i = optind; i < argc; i++)
        if (strncmp(argv[i], "lansplice1:", 11) == 0)
            return refuse_token();
    if (parsed.help)
        return print_help();
    if (parsed.version)
        return printf("lansplice %s\n", LANSPLICE_VERSION) < 0 || fflush(stdout) != 0;
    log_level_from_environment();
    if (parsed.options.verbose)
        log_set_level(LOG_LEVEL_DEBUG);
    if (optind == argc)
        return usage_error("no command", "say what to do");
    command = find_command(argv[optind]);
    if (!command)
        return usage_error("unknown command", argv[optind]);
    parsed.options.argument_count = argc - optind - 1;
    parsed.options.argument = argv + optind + 1;
    code = check_usage(&parsed, command);
    if (!code)
        code = prepare(&parsed.options, command->takes);
    return code ? code : command->run(&parsed.options);
}
