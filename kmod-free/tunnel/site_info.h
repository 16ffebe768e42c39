/* SPDX-License-Identifier: MIT
 *
 * site_info.h - what one home tells another about itself, once each has proved who it is: its
 * name, whether it passes frames on, the prefixes of its LAN and its gateways.
 *
 * The coding is a row of type (1 byte), length (2, big-endian), value (enum site_info_type). A
 * reader skips types it does not know, so that later versions may say more, and refuses the whole
 * when a type it knows is not exactly right. It is at most SITE_INFO_MAX_BYTES long, so that it
 * always fits the encrypted payload of a handshake.
 *
 * A peer is proved but not trusted: nothing in a decoded struct needs checking again.
 */
#ifndef TUNNEL_SITE_INFO_H
#define TUNNEL_SITE_INFO_H

#include "address.h"
#include "frame/gateway.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SITE_NAME_MAX = 32, SITE_PREFIXES_MAX = 16 };

enum site_info_type {
    SITE_INFO_NAME = 1,  /* 1-32 of [a-z0-9-]; once, must be there */
    SITE_INFO_FLAGS = 2, /* 1 byte, at most once; bit 0 hub, bit 1 relays; others: send 0, ignore */
    SITE_INFO_PREFIX = 3,  /* family 1 (4, 6), length in bits 1, address 4 or 16, host bits 0 */
    SITE_INFO_GATEWAY = 4, /* family 1, address 4 or 16, MAC 6 (zero: not known) */
};

enum {
    SITE_INFO_HEADER_BYTES = 3,
    SITE_INFO_MAX_BYTES = SITE_INFO_HEADER_BYTES * (2 + SITE_PREFIXES_MAX + GATEWAYS_MAX) +
                          SITE_NAME_MAX + 1 + SITE_PREFIXES_MAX * 18 + GATEWAYS_MAX * 23,
};

struct site_info {
    char name[SITE_NAME_MAX + 1];
    bool hub;    /* passes frames between its peers */
    bool relays; /* passes datagrams on between its peers, as many as they like */
    uint8_t prefix_count;
    struct ip_prefix prefix[SITE_PREFIXES_MAX];
    struct gateway_set gateways;
};

/**
 * site_name_valid() - is this a name a site or peer may have: [a-z0-9-]{1,32}
 * @name: NUL-terminated
 */
bool site_name_valid(const char *name);

/**
 * site_info_encode() - write the coding
 * @info: what to say; every field must be valid, as site_info_decode() would find it
 * @out: where to
 * @capacity: bytes there are at @out
 *
 * Return: bytes written, at most SITE_INFO_MAX_BYTES; 0 when it does not fit or @info is not valid.
 */
size_t site_info_encode(const struct site_info *info, uint8_t *out, size_t capacity);

/**
 * site_info_decode() - read the coding
 * @info: the result; all zero when false is returned
 * @bytes: the coding
 * @count: its length in bytes
 *
 * Return: false when it is cut off, has no name, says a thing twice, counts more than fits, or
 * holds a name, prefix or address that cannot be.
 */
bool site_info_decode(struct site_info *info, const uint8_t *bytes, size_t count);

/**
 * site_info_equal() - do both say the same, in the same order
 */
bool site_info_equal(const struct site_info *a, const struct site_info *b);

#endif
