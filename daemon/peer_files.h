/* SPDX-License-Identifier: MIT
 *
 * peer_files.h - peers.d/NAME.conf and NAME.psk: a peer as join and enrolment write it.
 */
#ifndef DAEMON_PEER_FILES_H
#define DAEMON_PEER_FILES_H

#include "config.h"

/** peer_files_write_psk() - peers.d/NAME.psk, mode 0600; replaces one that is there */
bool peer_files_write_psk(const struct config *config, const char *name,
                          const uint8_t psk[PSK_BYTES], struct error *error);

/**
 * peer_files_write_conf() - peers.d/NAME.conf, naming NAME.psk; replaces one that is there
 * @endpoints: where the peer can be called, checked; may be NULL when @count is 0
 */
bool peer_files_write_conf(const struct config *config, const char *name,
                           const uint8_t key[PUBLIC_KEY_BYTES],
                           const char (*endpoints)[CONFIG_ENDPOINT_SIZE], size_t count,
                           struct error *error);

/** peer_files_exist() - whether there is a peers.d/NAME.conf on the disk now */
bool peer_files_exist(const struct config *config, const char *name);

/**
 * peer_files_check() - may a peer of that name and key be written
 * @config: loaded from disk just now
 *
 * Return: false when its name stands in a file that is not ours to write, or its key is our own
 * or another peer's: the next start would then refuse the whole configuration
 */
bool peer_files_check(const struct config *config, const char *name,
                      const uint8_t key[PUBLIC_KEY_BYTES], struct error *error);

#endif
