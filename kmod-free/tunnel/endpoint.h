/* SPDX-License-Identifier: MIT
 *
 * endpoint.h - an endpoint inside a message: family 1 (4 or 6), address 4 or 16, port 2.
 *
 * A family of 0, alone, is one that is not told: it is reached by a relay, or not known.
 */
#ifndef TUNNEL_ENDPOINT_H
#define TUNNEL_ENDPOINT_H

#include "address.h"

#include <stddef.h>

enum { ENDPOINT_BYTES_MAX = 1 + 16 + 2 };

/** endpoint_encode() - Write one; returns how many bytes */
size_t endpoint_encode(const struct endpoint *endpoint, uint8_t out[ENDPOINT_BYTES_MAX]);

/**
 * endpoint_decode() - Read one from the beginning of @data
 * @endpoint: Family IP_NONE when it is not told
 *
 * Return: how many bytes it has; 0 when it is malformed
 */
size_t endpoint_decode(struct endpoint *endpoint, const uint8_t *data, size_t bytes);

#endif
