/* SPDX-License-Identifier: MIT
 *
 * turn_key.h - the two old hash functions that TURN's credentials are made with (RFC 8489 s.9.2.2,
 * s.14.5) and libsodium rightly lacks. mbedtls has them; a build without it (make TURN=0) has no
 * TURN.
 */
#ifndef TURN_KEY_H
#define TURN_KEY_H

#include "tunnel/turn.h"

/** turn_key_available() - Whether this build, and the library it runs with, can do both */
bool turn_key_available(void);

/** turn_key() - MD5(user ":" realm ":" password); see struct turn_ops */
void turn_key(const char *user, const uint8_t *realm, size_t realm_bytes, const char *password,
              uint8_t out[TURN_KEY_BYTES]);

/** turn_key_hmac() - HMAC-SHA1, a stun_hmac_fn */
void turn_key_hmac(const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t bytes,
                   uint8_t out[STUN_INTEGRITY_BYTES]);

#endif
