/* SPDX-License-Identifier: MIT
 *
 * config_values.c - one setter per option of config_options.h.
 *
 * A setter takes the text as the file has it and returns false when it is no legal value. An
 * option whose feature is not in this version takes its default only: nobody shall believe that
 * something works because it was accepted.
 */
#include "config_values.h"

#include "config_options.h"
#include "config_turn.h"
#include "copy.h"
#include "crypto/aead.h"
#include "files.h"
#include "frame/guard.h"
#include "frame/ttl.h"
#include "keyfile.h"
#include "map_rules.h"
#include "turn_key.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DHCP_FILES "/var/etc/dnsmasq.conf.* /etc/dnsmasq.conf /etc/dnsmasq.d/* /etc/dhcp/dhcpd.conf"

static bool parse_number(const char *text, uint32_t low, uint32_t high, uint32_t *out)
{
    uint64_t value = 0;

    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || value > UINT32_MAX)
            return false;
        value = value * 10 + (uint64_t)(*c - '0');
    }
    *out = (uint32_t)value;
    return *text && value >= low && value <= high;
}

static bool parse_switch(const char *value, bool *out)
{
    *out = strcmp(value, "on") == 0 || strcmp(value, "yes") == 0;
    return *out || strcmp(value, "off") == 0 || strcmp(value, "no") == 0;
}

/* The next blank-separated word into @word, "" at the end. Return: where to go on. */
static const char *next_word(const char *text, char *word, size_t capacity)
{
    size_t bytes;

    text += strspn(text, " \t,");
    bytes = strcspn(text, " \t,");
    if (bytes >= capacity)
        bytes = capacity - 1;
    memcpy(word, text, bytes);
    word[bytes] = '\0';
    return text + bytes;
}

struct flag {
    const char *name;
    unsigned bit;
};

/* A list of flags, at least one; or "off". */
static bool parse_flags(const char *value, const struct flag *flags, size_t count, unsigned *out)
{
    char word[24];

    *out = 0;
    if (strcmp(value, "off") == 0)
        return true;
    for (value = next_word(value, word, sizeof word); word[0];
         value = next_word(value, word, sizeof word)) {
        size_t i = 0;

        while (i < count && strcmp(word, flags[i].name) != 0)
            i++;
        if (i == count)
            return false;
        *out |= flags[i].bit;
    }
    return *out != 0;
}

/* What the kernel takes for an interface's name (dev_valid_name()); '%' would be a pattern to it.
 */
static bool interface_name_valid(const char *name)
{
    size_t bytes = strlen(name);

    return bytes > 0 && bytes < CONFIG_INTERFACE_SIZE && !strpbrk(name, "/:% \t") &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool set_name(struct config_target *target, const char *value)
{
    if (!site_name_valid(value))
        return false;
    copy_text(target->config->name, sizeof target->config->name, value);
    return true;
}

static bool set_private_key(struct config_target *target, const char *value)
{
    struct config *config = target->config;

    if (!value[0] ||
        !files_join_path(config->key_path, sizeof config->key_path, target->directory, value))
        return false;
    if (!keyfile_read(config->private_key, config->key_path, target->where,
                      "is missing: put back a copy of it; with another key, from 'lansplice "
                      "genkey', this is another home, which the others must invite anew",
                      target->error))
        return false;
    if (crypto_scalarmult_base(config->public_key, config->private_key) == 0)
        return true;
    error_set(target->error, EXIT_USAGE, "bad key file: %s: %s: make one with 'lansplice genkey'",
              target->where, config->key_path);
    return false;
}

static bool set_port(struct config_target *target, const char *value)
{
    uint32_t port = CONFIG_PORT;

    target->config->port_auto = strcmp(value, "auto") == 0;
    if (!target->config->port_auto && !parse_number(value, 1, UINT16_MAX, &port))
        return false;
    target->config->port = (uint16_t)port;
    return true;
}

static bool set_bridge(struct config_target *target, const char *value)
{
    if (value[0] && !interface_name_valid(value))
        return false;
    copy_text(target->config->bridge, sizeof target->config->bridge, value);
    return true;
}

static bool set_tap(struct config_target *target, const char *value)
{
    if (!interface_name_valid(value))
        return false;
    copy_text(target->config->tap, sizeof target->config->tap, value);
    return true;
}

static bool set_control(struct config_target *target, const char *value)
{
    struct config *config = target->config;

    return value[0] &&
           files_join_path(config->control, sizeof config->control, target->directory, value);
}

static bool set_ttl_repair(struct config_target *target, const char *value)
{
    static const struct flag flags[] = {{"mdns", TTL_REPAIR_MDNS}, {"ssdp", TTL_REPAIR_SSDP}};

    return parse_flags(value, flags, sizeof flags / sizeof *flags, &target->config->ttl_repair);
}

static bool set_guard(struct config_target *target, const char *value)
{
    static const struct flag flags[] = {
        {"dhcp", GUARD_DHCP},   {"ra", GUARD_RA},           {"gateway", GUARD_GATEWAY},
        {"hosts", GUARD_HOSTS}, {"querier", GUARD_QUERIER}, {"stp", GUARD_STP},
    };

    return parse_flags(value, flags, sizeof flags / sizeof *flags, &target->config->guard);
}

static bool set_multicast(struct config_target *target, const char *value)
{
    target->config->multicast_all = strcmp(value, "all") == 0;
    return target->config->multicast_all || strcmp(value, "discovery") == 0;
}

static bool set_ra_routes(struct config_target *target, const char *value)
{
    return parse_switch(value, &target->config->ra_routes);
}

static bool set_ipv6_on_link(struct config_target *target, const char *value)
{
    return parse_switch(value, &target->config->ipv6_on_link);
}

static bool set_relay_for_peers(struct config_target *target, const char *value)
{
    return parse_switch(value, &target->config->relay_for_peers);
}

static bool set_hub(struct config_target *target, const char *value)
{
    return parse_switch(value, &target->config->hub);
}

static bool set_icmp_hint(struct config_target *target, const char *value)
{
    return parse_switch(value, &target->config->icmp_hint);
}

static bool set_max_datagram(struct config_target *target, const char *value)
{
    uint32_t bytes = 0;

    if (strcmp(value, "auto") != 0 &&
        !parse_number(value, OUTER_PACKET_MIN_BYTES, OUTER_PACKET_MAX_BYTES, &bytes))
        return false;
    target->config->max_datagram_bytes = (uint16_t)bytes;
    return true;
}

/* The quickest first; AEGIS-256 is for those who ask for it. */
static void set_ciphers_auto(struct config *config)
{
    static const enum suite best[] = {SUITE_AEGIS128L, SUITE_AES256GCM, SUITE_CHACHA20POLY1305};

    config->suite_count = 0;
    for (size_t i = 0; i < sizeof best / sizeof *best; i++)
        if (aead_available(best[i]))
            config->suite[config->suite_count++] = (uint8_t)best[i];
}

static enum suite suite_of(const char *name)
{
    for (unsigned i = 1; i <= SITE_SUITES_MAX; i++)
        if (strcmp(aead_name((enum suite)i), name) == 0)
            return (enum suite)i;
    return SUITE_NONE;
}

static bool add_cipher(struct config_target *target, const char *word)
{
    struct config *config = target->config;
    enum suite suite = suite_of(word);

    if (suite == SUITE_NONE || memchr(config->suite, (int)suite, config->suite_count))
        return false;
    if (aead_tag_bytes(suite) == 0) {
        error_set(target->error, EXIT_USAGE,
                  "cipher not available: %s = %s: needs libsodium >= 1.0.19, this is %s: use "
                  "aes256gcm chacha20poly1305",
                  target->where, word, sodium_version_string());
        return false;
    }
    config->suite[config->suite_count++] = (uint8_t)suite;
    return true;
}

static bool any_cipher_available(const struct config *config)
{
    for (unsigned i = 0; i < config->suite_count; i++)
        if (aead_available((enum suite)config->suite[i]))
            return true;
    return false;
}

static bool set_ciphers(struct config_target *target, const char *value)
{
    struct config *config = target->config;
    const char *rest = value;
    char word[24];

    if (strcmp(value, "auto") == 0) {
        set_ciphers_auto(config);
        return true;
    }
    config->suite_count = 0;
    for (rest = next_word(rest, word, sizeof word); word[0];
         rest = next_word(rest, word, sizeof word))
        if (!add_cipher(target, word))
            return false;
    if (config->suite_count > 0 && !any_cipher_available(config)) {
        error_set(target->error, EXIT_USAGE,
                  "cipher not available: %s = %s: this processor has no AES instructions: add "
                  "chacha20poly1305",
                  target->where, value);
        return false;
    }
    return config->suite_count > 0;
}

/* Nothing is none; the port may be left out. */
static bool set_stun(struct config_target *target, const char *value)
{
    unsigned s = 0;

    while (s < CONFIG_STUN_MAX && target->config->stun[s][0])
        s++;
    return !value[0] ||
           (s < CONFIG_STUN_MAX && config_turn_take_host(target->config->stun[s], value));
}

static bool set_turn(struct config_target *target, const char *value)
{
    if (!value[0])
        return true;
    if (turn_key_available())
        return config_turn_add(target->config, value);
    error_set(target->error, EXIT_USAGE,
              "not in this build: %s = %s: it was made without mbedtls: leave the option out",
              target->where, value);
    return false;
}

static bool set_turn_secret(struct config_target *target, const char *value)
{
    struct config *config = target->config;
    char text[VIA_TURNS * (TURN_PASSWORD_SIZE + 2)];

    if (!value[0])
        return true;
    if (!files_join_path(config->turn_secret_path, sizeof config->turn_secret_path,
                         target->directory, value) ||
        !keyfile_read_text(text, sizeof text, config->turn_secret_path, target->where,
                           target->error))
        return false;
    const char *problem = config_turn_take_secrets(config, text);
    sodium_memzero(text, sizeof text);
    if (problem == NULL)
        return true;
    error_set(target->error, EXIT_USAGE, "bad file: %s: %s %s", target->where,
              config->turn_secret_path, problem);
    return false;
}

/* It runs with our rights: who may write it must be us. */
static bool set_program(struct config_target *target, const char *value,
                        char path[CONFIG_PATH_SIZE])
{
    struct stat file;
    const char *wrong = NULL;

    if (!value[0])
        return true;
    if (!files_join_path(path, CONFIG_PATH_SIZE, target->directory, value))
        return false;
    if (stat(path, &file) < 0)
        wrong = "it cannot be found: correct the path";
    else if (!S_ISREG(file.st_mode) || access(path, X_OK) < 0)
        wrong = "it cannot be run: make it executable: chmod +x";
    else if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0 || !files_are_ours(path))
        wrong = "others can write it: chown root and chmod go-w it";
    if (wrong)
        error_set(target->error, EXIT_USAGE, "bad program: %s: %s: %s", target->where, path, wrong);
    return !wrong;
}

static bool set_rendezvous_command(struct config_target *target, const char *value)
{
    return set_program(target, value, target->config->rendezvous_command);
}

static bool set_event_command(struct config_target *target, const char *value)
{
    return set_program(target, value, target->config->event_command);
}

static bool set_public_key(struct config_target *target, const char *value)
{
    return key_from_text(target->peer->public_key, value) &&
           !sodium_is_zero(target->peer->public_key, PUBLIC_KEY_BYTES);
}

static bool set_preshared_key(struct config_target *target, const char *value)
{
    struct config_peer *peer = target->peer;

    return value[0] &&
           files_join_path(peer->psk_path, sizeof peer->psk_path, target->directory, value) &&
           keyfile_read(peer->psk, peer->psk_path, target->where,
                        "is missing: copy it from the other home, or remove the peer at both and "
                        "invite anew",
                        target->error);
}

static bool set_endpoint(struct config_target *target, const char *value)
{
    struct config_peer *peer = target->peer;

    if (strlen(value) >= CONFIG_ENDPOINT_SIZE || !endpoint_text_valid(value) ||
        peer->endpoint_count == CONFIG_ENDPOINTS_MAX)
        return false;
    copy_text(peer->endpoint[peer->endpoint_count++], CONFIG_ENDPOINT_SIZE, value);
    return true;
}

static bool set_keepalive(struct config_target *target, const char *value)
{
    uint32_t seconds = 0;

    if (strcmp(value, "off") != 0 && !parse_number(value, 0, UINT16_MAX, &seconds))
        return false;
    target->peer->keepalive_s = (uint16_t)seconds;
    return true;
}

#ifdef TESTING
static bool set_rekey_after(struct config_target *target, const char *value)
{
    return parse_number(value, 1, 1000000000, &target->config->rekey_after_ms);
}

static bool set_reject_after(struct config_target *target, const char *value)
{
    return parse_number(value, 1, 1000000000, &target->config->reject_after_ms);
}

static bool set_raise_after(struct config_target *target, const char *value)
{
    return parse_number(value, 1, 1000000000, &target->config->raise_after_ms);
}

static bool set_token_lifetime(struct config_target *target, const char *value)
{
    return parse_number(value, 1, 1000000000, &target->config->token_lifetime_ms);
}

static bool set_without(struct config_target *target, const char *value)
{
    static const struct flag flags[] = {
        {"vnet", WITHOUT_VNET},           {"offload", WITHOUT_OFFLOAD}, {"uso", WITHOUT_USO},
        {"segment", WITHOUT_SEGMENT},     {"gro", WITHOUT_GRO},         {"worker", WITHOUT_WORKER},
        {"timestamp", WITHOUT_TIMESTAMP},
    };

    return parse_flags(value, flags, sizeof flags / sizeof *flags, &target->config->without);
}

static bool set_map_rules(struct config_target *target, const char *value)
{
    return value[0] == '/' &&
           copy_text(target->config->map_rules, sizeof target->config->map_rules, value);
}

static bool set_dhcp_files(struct config_target *target, const char *value)
{
    return copy_text(target->config->dhcp_files, sizeof target->config->dhcp_files, value);
}
#endif

void config_set_defaults(struct config *config)
{
    config->port = CONFIG_PORT;
    copy_text(config->tap, sizeof config->tap, "lansplice0");
    /* Only root can make a file in /run itself. */
    copy_text(config->control, sizeof config->control,
              geteuid() == 0 ? "/run/lansplice.sock" : "/run/lansplice/lansplice.sock");
    config->ttl_repair = TTL_REPAIR_MDNS | TTL_REPAIR_SSDP;
    config->guard = GUARD_DHCP | GUARD_RA | GUARD_GATEWAY | GUARD_HOSTS | GUARD_QUERIER | GUARD_STP;
    config->ipv6_on_link = true;
    config->token_lifetime_ms = CONFIG_TOKEN_LIFETIME_S * 1000;
    copy_text(config->map_rules, sizeof config->map_rules, MAP_RULES_PATTERN);
    copy_text(config->dhcp_files, sizeof config->dhcp_files, DHCP_FILES);
    set_ciphers_auto(config);
}

#define OPTION(name, set, repeatable, legal) {name, set, repeatable, legal},

const struct config_option *config_options(enum config_section section, size_t *count)
{
    static const struct config_option site[] = {SITE_OPTIONS(OPTION)};
    static const struct config_option peer[] = {PEER_OPTIONS(OPTION)};

    switch (section) {
    case CONFIG_SITE:
        *count = sizeof site / sizeof *site;
        return site;
    case CONFIG_PEER:
        *count = sizeof peer / sizeof *peer;
        return peer;
    case CONFIG_TEST: {
#ifdef TESTING
        static const struct config_option test[] = {TEST_OPTIONS(OPTION)};

        *count = sizeof test / sizeof *test;
        return test;
#endif
    }
    case CONFIG_NONE:
        break;
    }
    *count = 0;
    return NULL;
}
