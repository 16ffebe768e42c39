/* SPDX-License-Identifier: MIT
 *
 * key_commands.c - genkey, pubkey and genpsk, as wg(8) has them; and check-config.
 */
#include "../keyfile.h"
#include "commands.h"
#include "crypto/noise.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_SIZE = 256 };

static int print_key(const uint8_t key[KEY_BYTES])
{
    char text[KEY_TEXT_SIZE];
    bool printed;

    key_to_text(text, key);
    printed = puts(text) >= 0 && fflush(stdout) == 0;
    sodium_memzero(text, sizeof text);
    if (printed)
        return 0;
    fprintf(stderr, "lansplice: cannot write the key: standard output is closed or full\n");
    return EXIT_FAILED;
}

/* @key: wiped */
static int print_secret(uint8_t key[KEY_BYTES])
{
    keyfile_warn_if_readable(STDOUT_FILENO, "key");
    int code = print_key(key);
    sodium_memzero(key, KEY_BYTES);
    return code;
}

int command_genkey(const struct cli_options *options)
{
    uint8_t key[KEY_BYTES];

    (void)options;
    key_generate(key);
    return print_secret(key);
}

int command_genpsk(const struct cli_options *options)
{
    uint8_t key[KEY_BYTES];

    (void)options;
    randombytes_buf(key, sizeof key);
    return print_secret(key);
}

static bool read_key(uint8_t key[KEY_BYTES])
{
    char text[INPUT_SIZE];
    size_t bytes = fread(text, 1, sizeof text - 1, stdin);
    bool good;

    while (bytes && (text[bytes - 1] == '\n' || text[bytes - 1] == '\r' || text[bytes - 1] == ' '))
        bytes--;
    text[bytes] = '\0';
    good = key_from_text(key, text);
    sodium_memzero(text, sizeof text);
    return good;
}

int command_pubkey(const struct cli_options *options)
{
    uint8_t private_key[KEY_BYTES], public_key[KEY_BYTES];
    bool good;

    (void)options;
    good = read_key(private_key) && noise_public_from_private(public_key, private_key);
    sodium_memzero(private_key, sizeof private_key);
    if (good)
        return print_key(public_key);
    fprintf(stderr, "lansplice: no private key: standard input: give the 44 characters that "
                    "'lansplice genkey' prints\n");
    return EXIT_FAILED;
}

int command_check_config(const struct cli_options *options)
{
    struct config *config = config_new();
    struct error error = {.text = "out of memory", .exit_code = EXIT_FAILED};
    bool good = config && config_load(config, options->config_path, &error);

    if (good)
        printf("%s is fine: site %s, %zu peer%s\n", config->path, config->name, config->peer_count,
               config->peer_count == 1 ? "" : "s");
    config_free(config);
    return good ? 0 : error_print(&error);
}
