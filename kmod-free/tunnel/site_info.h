/* SPDX-License-Identifier: MIT
 *
 * site_info.h - what a site says of itself to a proven peer: name, LAN prefixes, gateways.
 *
 * Coded as a row of {type 1, length 2, value}; a reader skips types it does not know, so that
 * later versions may add some:
 *   1 name        1-32 of [a-z0-9-]
 *   2 flags       1 byte; bit 0: passes frames between its peers (hub)
 *   3 prefix      family 1 (4 or 6), length in bits 1, address 4 or 16; repeated
 *   4 gateway     family 1, address 4 or 16, MAC 6 (zero: not known); repeated
 */
#ifndef TUNNEL_SITE_INFO_H
#define TUNNEL_SITE_INFO_H

#include "address.h"
#include "frame/gateway.h"

#include <stddef.h>

enum {
    SITE_NAME_MAX = 32,
    SITE_PREFIXES_MAX = 16,
    /* Name, flags, prefixes and gateways, all at their longest. */
    SITE_INFO_MAX_BYTES =
        (3 + SITE_NAME_MAX) + (3 + 1) + SITE_PREFIXES_MAX * (3 + 18) + GATEWAYS_MAX * (3 + 23),
};

struct site_info {
    char name[SITE_NAME_MAX + 1]; /* "": not known */
    bool hub;
    uint8_t prefix_count;
    struct ip_prefix prefix[SITE_PREFIXES_MAX];
    struct gateway_set gateways;
};

/** site_name_valid() - Names of sites and peers: [a-z0-9-]{1,32} */
bool site_name_valid(const char *name);

/** site_info_encode() - Return: bytes written, at most SITE_INFO_MAX_BYTES; 0 when it does not fit
 */
size_t site_info_encode(const struct site_info *info, uint8_t *out, size_t capacity);

/** site_info_decode() - Everything is checked; false when it is malformed, *info is unusable then.
 *  Prefixes and gateways beyond the maximum are left out, not an error. */
bool site_info_decode(struct site_info *info, const uint8_t *bytes, size_t count);

bool site_info_equal(const struct site_info *a, const struct site_info *b);

#endif
