/* SPDX-License-Identifier: MIT
 *
 * turn_key.c - see turn_key.h. The calls used are those that mbedtls 2.28 and 3 share.
 */
#include "turn_key.h"

#include <sodium.h>
#include <string.h>

#ifdef NO_TURN

bool turn_key_available(void)
{
    return false;
}

void turn_key(const char *user, const uint8_t *realm, size_t realm_bytes, const char *password,
              uint8_t out[TURN_KEY_BYTES])
{
    (void)user;
    (void)realm;
    (void)realm_bytes;
    (void)password;
    memset(out, 0, TURN_KEY_BYTES);
}

void turn_key_hmac(const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t bytes,
                   uint8_t out[STUN_INTEGRITY_BYTES])
{
    (void)key;
    (void)key_bytes;
    (void)data;
    (void)bytes;
    memset(out, 0, STUN_INTEGRITY_BYTES);
}

#else

#include <mbedtls/md.h>

static const mbedtls_md_info_t *md5(void)
{
    return mbedtls_md_info_from_type(MBEDTLS_MD_MD5);
}

static const mbedtls_md_info_t *sha1(void)
{
    return mbedtls_md_info_from_type(MBEDTLS_MD_SHA1);
}

bool turn_key_available(void)
{
    return md5() != NULL && sha1() != NULL;
}

static uint8_t *put(uint8_t *out, const void *data, size_t bytes)
{
    memcpy(out, data, bytes);
    return out + bytes;
}

void turn_key(const char *user, const uint8_t *realm, size_t realm_bytes, const char *password,
              uint8_t out[TURN_KEY_BYTES])
{
    uint8_t text[TURN_USER_SIZE + TURN_REALM_MAX + 1 + TURN_PASSWORD_SIZE];
    uint8_t *end = put(text, user, strlen(user));

    end = put(end, ":", 1);
    end = put(end, realm, realm_bytes);
    end = put(end, ":", 1);
    end = put(end, password, strlen(password));
    if (mbedtls_md(md5(), text, (size_t)(end - text), out) != 0)
        memset(out, 0, TURN_KEY_BYTES);
    sodium_memzero(text, sizeof text);
}

void turn_key_hmac(const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t bytes,
                   uint8_t out[STUN_INTEGRITY_BYTES])
{
    if (mbedtls_md_hmac(sha1(), key, key_bytes, data, bytes, out) != 0)
        memset(out, 0, STUN_INTEGRITY_BYTES);
}

#endif
