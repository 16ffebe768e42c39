/* SPDX-License-Identifier: MIT
 *
 * stun.h - STUN messages (RFC 8489), as our STUN client and our TURN client (RFC 8656) need them.
 *
 * A message is a header of 20 bytes - type 2 (method and class interleaved), length 2 of what
 * follows, magic cookie 4, transaction 12 - and attributes: type 2, length 2, value, padding to a
 * multiple of four. Types below 0x8000 must be understood by whoever gets them.
 *
 * Writing: stun_begin(), any number of stun_add...(), then integrity, then fingerprint, then
 * stun_end(), which alone says whether all of it fitted.
 *
 * Reading: stun_parse() judges the whole message once: magic cookie, length, every attribute's
 * bounds, that nothing follows a FINGERPRINT and that it is right. What follows a MESSAGE-INTEGRITY
 * is not protected by it, and the stun_find() and stun_get_...() pass over it (RFC 8489 s.14.5).
 * Whether the integrity is right is asked separately: only who sent the request knows the key.
 *
 * It keeps no state: which transaction is whose is the caller's.
 */
#ifndef TUNNEL_STUN_H
#define TUNNEL_STUN_H

#include "address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STUN_HEADER_BYTES = 20,
    STUN_TRANSACTION_BYTES = 12,
    STUN_ATTRIBUTE_HEADER_BYTES = 4,
    STUN_INTEGRITY_BYTES = 20,
    STUN_MESSAGE_MAX_BYTES = 1280, /* one with integrity; and a buffer for any but TURN's data */
    STUN_PORT = 3478,
};

/* In the order of the class bits (RFC 8489 s.5). */
enum stun_class { STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR };

enum stun_method {
    STUN_BINDING = 1,
    STUN_ALLOCATE = 3,
    STUN_REFRESH = 4,
    STUN_SEND = 6,
    STUN_DATA = 7,
    STUN_CREATE_PERMISSION = 8,
    STUN_CHANNEL_BIND = 9,
};

/* RFC 8489 s.18.3, RFC 8656 s.18, RFC 5780 s.7. All those below 0x8000 are known to
 * stun_unknown_required(). */
enum stun_attribute {
    ATTRIBUTE_MAPPED_ADDRESS = 0x0001,
    ATTRIBUTE_USERNAME = 0x0006,
    ATTRIBUTE_MESSAGE_INTEGRITY = 0x0008,
    ATTRIBUTE_ERROR_CODE = 0x0009,
    ATTRIBUTE_UNKNOWN_ATTRIBUTES = 0x000a,
    ATTRIBUTE_CHANNEL_NUMBER = 0x000c,
    ATTRIBUTE_LIFETIME = 0x000d,
    ATTRIBUTE_XOR_PEER_ADDRESS = 0x0012,
    ATTRIBUTE_DATA = 0x0013,
    ATTRIBUTE_REALM = 0x0014,
    ATTRIBUTE_NONCE = 0x0015,
    ATTRIBUTE_XOR_RELAYED_ADDRESS = 0x0016,
    ATTRIBUTE_REQUESTED_ADDRESS_FAMILY = 0x0017,
    ATTRIBUTE_EVEN_PORT = 0x0018,
    ATTRIBUTE_REQUESTED_TRANSPORT = 0x0019,
    ATTRIBUTE_DONT_FRAGMENT = 0x001a,
    ATTRIBUTE_MESSAGE_INTEGRITY_SHA256 = 0x001c,
    ATTRIBUTE_PASSWORD_ALGORITHM = 0x001d,
    ATTRIBUTE_USERHASH = 0x001e,
    ATTRIBUTE_XOR_MAPPED_ADDRESS = 0x0020,
    ATTRIBUTE_RESERVATION_TOKEN = 0x0022,
    ATTRIBUTE_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
    ATTRIBUTE_ADDRESS_ERROR_CODE = 0x8001,
    ATTRIBUTE_PASSWORD_ALGORITHMS = 0x8002,
    ATTRIBUTE_SOFTWARE = 0x8022,
    ATTRIBUTE_ALTERNATE_SERVER = 0x8023,
    ATTRIBUTE_FINGERPRINT = 0x8028,
    ATTRIBUTE_RESPONSE_ORIGIN = 0x802b,
    ATTRIBUTE_OTHER_ADDRESS = 0x802c,
};

/* HMAC-SHA1 (RFC 2104), which libsodium lacks: who uses integrity brings it. */
typedef void stun_hmac_fn(const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t bytes,
                          uint8_t out[STUN_INTEGRITY_BYTES]);

struct stun_writer {
    uint8_t *data;
    size_t capacity, bytes;
    bool overflow; /* something did not fit; nothing was written past it */
};

/* A message that stun_parse() took. The pointers lead into the datagram. */
struct stun_message {
    enum stun_method method; /* any value of 12 bits */
    enum stun_class class_;
    const uint8_t *transaction; /* STUN_TRANSACTION_BYTES */
    const uint8_t *data;
    size_t bytes;
};

/**
 * stun_begin() - Begin a message
 * @out:          Room of @capacity bytes, kept until stun_end()
 * @transaction:  96 random bits, new for each request and indication (RFC 8489 s.5)
 */
void stun_begin(struct stun_writer *writer, uint8_t *out, size_t capacity, enum stun_method method,
                enum stun_class class_, const uint8_t transaction[STUN_TRANSACTION_BYTES]);

/** stun_add() - Append an attribute, padded with zeros; @value may be NULL if @bytes is 0 */
void stun_add(struct stun_writer *writer, uint16_t type, const void *value, size_t bytes);

/** stun_add_u32() - Append an attribute of one number */
void stun_add_u32(struct stun_writer *writer, uint16_t type, uint32_t value);

/** stun_add_xor_address() - Append an XOR-...-ADDRESS (RFC 8489 s.14.2), IPv4 or IPv6 */
void stun_add_xor_address(struct stun_writer *writer, uint16_t type,
                          const struct endpoint *endpoint);

/** stun_add_integrity() - Append MESSAGE-INTEGRITY over all so far (RFC 8489 s.14.5) */
void stun_add_integrity(struct stun_writer *writer, const uint8_t *key, size_t key_bytes,
                        stun_hmac_fn *hmac);

/** stun_add_fingerprint() - Append FINGERPRINT, which must be the last (RFC 8489 s.14.7) */
void stun_add_fingerprint(struct stun_writer *writer);

/** stun_end() - Return: the message's bytes, or 0 when it did not fit */
size_t stun_end(const struct stun_writer *writer);

/**
 * stun_parse() - Judge a datagram and describe it
 *
 * Return: false when it is no STUN message of RFC 8489, or a damaged one, whatever is in it
 */
bool stun_parse(struct stun_message *message, const uint8_t *datagram, size_t bytes);

/**
 * stun_find() - The first attribute of that type
 *
 * Past a MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT are seen, past a
 * MESSAGE-INTEGRITY-SHA256 only FINGERPRINT.
 *
 * @value:  Set into the datagram, not aligned
 */
bool stun_find(const struct stun_message *message, uint16_t type, const uint8_t **value,
               size_t *bytes);

/** stun_get_address() - An attribute that is an address, XOR-ed when @type is an XOR-...-ADDRESS */
bool stun_get_address(const struct stun_message *message, uint16_t type, struct endpoint *out);

/** stun_get_address_of() - The first such attribute of that family; @out is written to in any case
 */
bool stun_get_address_of(const struct stun_message *message, uint16_t type, enum ip_family family,
                         struct endpoint *out);

/**
 * stun_get_error() - ERROR-CODE (RFC 8489 s.14.8)
 * @code:    300-699
 * @reason:  Any bytes, not terminated: for a log only after they were made printable
 */
bool stun_get_error(const struct stun_message *message, unsigned *code, const char **reason,
                    size_t *reason_bytes);

/**
 * stun_integrity_ok() - Is there a MESSAGE-INTEGRITY, and is it right?
 *
 * In constant time. A message of more than STUN_MESSAGE_MAX_BYTES up to there is not believed.
 */
bool stun_integrity_ok(const struct stun_message *message, const uint8_t *key, size_t key_bytes,
                       stun_hmac_fn *hmac);

/**
 * stun_unknown_required() - Attributes below 0x8000 that are not in enum stun_attribute
 * @out:  Their types, the first @capacity of them
 *
 * A response with any of them has to be taken as a failed transaction (RFC 8489 s.6.3.3).
 * Return: how many there are, @out or not
 */
size_t stun_unknown_required(const struct stun_message *message, uint16_t *out, size_t capacity);

#endif
