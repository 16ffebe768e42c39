/* SPDX-License-Identifier: MIT
 *
 * config_turn.h - the options `turn` and `turn-secret`, and what `stun` has in common with them.
 */
#ifndef DAEMON_CONFIG_TURN_H
#define DAEMON_CONFIG_TURN_H

#include "config.h"

/**
 * config_turn_take_host() - a STUN or TURN server, "host[:port]"; without a port it is STUN's
 *
 * Return: false when it is no host, or the name of SRV records, or does not fit; @out is then of no
 * use
 */
bool config_turn_take_host(char out[CONFIG_ENDPOINT_SIZE], const char *host);

/** config_turn_add() - one `turn`: "turn:user@host[:port]". false: it is none, or one too many */
bool config_turn_add(struct config *config, const char *value);

/**
 * config_turn_take_secrets() - the content of the file of `turn-secret`, a password in each line
 *
 * Return: what is wrong with it, or NULL
 */
const char *config_turn_take_secrets(struct config *config, const char *text);

/** config_turn_check() - is there a password for each server? EXIT_USAGE; @path: of the file */
bool config_turn_check(const struct config *config, const char *path, struct error *error);

/** config_turn_password() - of the server @n */
const char *config_turn_password(const struct config *config, size_t n);

#endif
