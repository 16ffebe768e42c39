/* SPDX-License-Identifier: MIT
 *
 * handshake.h - what the two handshake datagrams say, and their making and reading.
 *
 * The outside (types, indices, mac1/mac2) is wire.h's, the cryptography is crypto/noise.h's. This
 * module joins them: it fills a datagram from a struct hello and reads one back. It keeps no
 * state; whom to believe and when to answer is the site's business (site/handshaking.c).
 *
 * Initiation payload, padded with zeros to INITIATION_PAYLOAD_BYTES:
 *   0 version   1 flags (HELLO_TOKEN)   2 order number 8   10 features 4   14 suite count, suites
 *   then token id 16 if HELLO_TOKEN, then site info length 2 and site info
 * Response payload:
 *   0 version   1 suite   2 features 4   6 site info length 2 and site info
 */
#ifndef TUNNEL_HANDSHAKE_H
#define TUNNEL_HANDSHAKE_H

#include "crypto/noise.h"
#include "tunnel/site_info.h"
#include "wire.h"

enum { HELLO_SUITES_MAX = 8 };

struct hello {
    uint8_t version;
    bool has_token, has_site;
    uint64_t order;                               /* initiation only */
    uint32_t features;                            /* FEATURE_*, or-ed */
    uint8_t suite_count, suite[HELLO_SUITES_MAX]; /* a response has one: the choice */
    uint8_t token_id[TOKEN_ID_BYTES];             /* initiation only */
    struct site_info site;
};

/**
 * hello_encode_initiation() - Write an initiation's payload, as it is before it is sealed
 * @hello: At most HELLO_SUITES_MAX suites. A site info that is not valid is left out
 * @out:   INITIATION_PAYLOAD_BYTES; what is not written is the caller's padding
 * Return: bytes written
 */
size_t hello_encode_initiation(const struct hello *hello, uint8_t *out);

/**
 * hello_decode_initiation() - Read an initiation's payload, opened
 * @payload: From a peer that is perhaps not known yet: any bytes, any length
 * Return: false when it is cut off or says what cannot be; padding and unknown flags are ignored
 */
bool hello_decode_initiation(const uint8_t *payload, size_t bytes, struct hello *hello);

/** hello_encode_response() - The same of a response; @out: RESPONSE_PAYLOAD_MAX_BYTES */
size_t hello_encode_response(const struct hello *hello, uint8_t *out);

/** hello_decode_response() - The same of a response */
bool hello_decode_response(const uint8_t *payload, size_t bytes, struct hello *hello);

/* Bound into every handshake, so that another protocol or version never shares a transcript. */
extern const char HANDSHAKE_PROLOGUE[];

/** handshake_begin() - Noise state of a new handshake, either role; keys->e_private is fresh */
void handshake_begin(struct noise *noise, bool initiator, const struct noise_keys *keys);

/**
 * handshake_write_initiation() - Make an initiation but for its macs
 * @out:  INITIATION_BYTES
 * Return: false when the remote key is unusable; @noise is wiped then
 */
bool handshake_write_initiation(struct noise *noise, const struct hello *hello,
                                uint32_t sender_index, uint8_t *out);

/** handshake_read_initiation() - Of INITIATION_BYTES; false when it is not genuine */
bool handshake_read_initiation(struct noise *noise, const uint8_t *datagram, struct hello *hello);

/**
 * handshake_write_response() - Make a response but for its macs
 * @out:  INITIATION_BYTES of room
 * Return: bytes of the datagram, macs included; 0 on failure
 */
size_t handshake_write_response(struct noise *noise, const struct hello *hello,
                                uint32_t sender_index, uint32_t receiver_index, uint8_t *out);

/** handshake_read_response() - false when it is not genuine; @noise is wiped then */
bool handshake_read_response(struct noise *noise, const uint8_t *datagram, size_t bytes,
                             struct hello *hello);

#endif
