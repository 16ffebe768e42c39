/* SPDX-License-Identifier: MIT
 *
 * state_probe.c - drive daemon/state.c from a test, and die on the way.
 *
 *   state_probe CONF enrol PEER KEYHEX PSKHEX   the inviter's steps 1-3
 *   state_probe CONF confirm PEER               its step 4
 *   state_probe CONF joined PEER PSKHEX         the joiner's steps
 *   state_probe CONF peers                      one line for each peer the core would be given
 *   state_probe CONF order                      reserve: "NEXT LIMIT"
 *   state_probe CONF endpoints [PEER ADDRESS PORT]...   store them if any, then print what is kept
 *
 * DIE_BEFORE=N ends the process, as kill -9 would, before the Nth change of a folder (a rename,
 * link or unlink: what becomes visible). The linker's --wrap puts these functions in between.
 */
#include "../../daemon/state.h"
#include "../../daemon/text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIED = 99, NOW_US = 1000000 };

int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __real_unlinkat(int folder, const char *name, int flags);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_unlinkat(int folder, const char *name, int flags);

static void count_down(void)
{
    static int steps;
    const char *die_before = getenv("DIE_BEFORE");

    if (die_before && ++steps == atoi(die_before))
        _exit(DIED);
}

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    count_down();
    return __real_renameat(from_folder, from, to_folder, to);
}

int __wrap_unlinkat(int folder, const char *name, int flags)
{
    count_down();
    return __real_unlinkat(folder, name, flags);
}

static void read_hex(uint8_t out[32], const char *text)
{
    sodium_hex2bin(out, 32, text, strlen(text), NULL, NULL, NULL);
}

static void print_hex(const char *label, const uint8_t *bytes, size_t count)
{
    char text[65];

    printf(" %s=%s", label, sodium_bin2hex(text, sizeof text, bytes, count));
}

static bool enrol(const struct config *config, int argc, char **argv, struct error *error)
{
    struct site_enrolment enrolment = {.peer = argv[3]};

    enrolment.joining = strcmp(argv[2], "joined") == 0;
    enrolment.confirmed = strcmp(argv[2], "confirm") == 0;
    if (argc > 5)
        read_hex(enrolment.public_key, argv[4]);
    if (argc > 4)
        read_hex(enrolment.psk, argv[argc - 1]);
    return state_enrol(config, &enrolment, error);
}

static bool print_peers(const struct config *config, struct error *error)
{
    static struct peer_config peers[SITE_PEERS_MAX];
    size_t count;

    if (!state_load_peers(config, peers, &count, NOW_US, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct peer_config *peer = &peers[i];

        printf("%s %s", peer->name,
               !peer->has_key    ? "invited"
               : peer->joining   ? "joining"
               : peer->has_token ? "bound"
                                 : "enrolled");
        if (peer->has_key)
            print_hex("key", peer->public_key, PUBLIC_KEY_BYTES);
        print_hex("psk", peer->psk, PSK_BYTES);
        if (peer->has_token) {
            print_hex("id", peer->token_id, TOKEN_ID_BYTES);
            print_hex("token_psk", peer->token_psk, PSK_BYTES);
        }
        if (!peer->has_key)
            printf(" left_ms=%" PRIu64, (peer->token_until_us - NOW_US) / 1000);
        printf("\n");
    }
    return true;
}

static bool order(const struct config *config, struct error *error)
{
    char directory[CONFIG_PATH_SIZE];
    uint64_t next, limit;

    if (!state_directory(config, directory, error) ||
        !state_reserve_order(directory, &next, &limit, error))
        return false;
    printf("%" PRIu64 " %" PRIu64 "\n", next, limit);
    return true;
}

static bool endpoints(const struct config *config, int argc, char **argv, struct error *error)
{
    struct state_endpoint list[SITE_PEERS_MAX] = {0};
    char directory[CONFIG_PATH_SIZE], text[TEXT_ENDPOINT_SIZE];
    size_t count = 0;

    for (int i = 3; i + 2 < argc; i += 3, count++) {
        bool v6 = strchr(argv[i + 1], ':') != NULL;

        strcpy(list[count].peer, argv[i]);
        list[count].endpoint.address.family = v6 ? IP_V6 : IP_V4;
        inet_pton(v6 ? AF_INET6 : AF_INET, argv[i + 1], list[count].endpoint.address.octet);
        list[count].endpoint.port = (uint16_t)atoi(argv[i + 2]);
    }
    if (!state_directory(config, directory, error) ||
        (argc > 3 && !state_store_endpoints(directory, list, count, error)))
        return false;
    count = state_load_endpoints(directory, list, SITE_PEERS_MAX);
    for (size_t i = 0; i < count; i++)
        printf("%s %s\n", list[i].peer, text_endpoint(&list[i].endpoint, text));
    return true;
}

int main(int argc, char **argv)
{
    struct config *config;
    struct error error;
    bool good;

    if (argc < 3 || sodium_init() < 0 || !(config = config_new()))
        return EXIT_USAGE;
    good = config_load(config, argv[1], &error);
    if (good && strcmp(argv[2], "peers") == 0)
        good = print_peers(config, &error);
    else if (good && strcmp(argv[2], "order") == 0)
        good = order(config, &error);
    else if (good && strcmp(argv[2], "endpoints") == 0)
        good = endpoints(config, argc, argv, &error);
    else if (good && argc > 3)
        good = enrol(config, argc, argv, &error);
    config_free(config);
    return good ? 0 : error_print(&error);
}
