/* SPDX-License-Identifier: MIT
 *
 * endpoint.c - see endpoint.h.
 */
#include "tunnel/endpoint.h"

#include "bytes.h"

size_t endpoint_encode(const struct endpoint *endpoint, uint8_t out[ENDPOINT_BYTES_MAX])
{
    size_t bytes = endpoint->via == VIA_DIRECT ? ip_address_bytes(endpoint->address.family) : 0;
    out[0] = bytes != 0 ? endpoint->address.family : 0;
    if (bytes == 0)
        return 1;
    memcpy(out + 1, endpoint->address.octet, bytes);
    store_be16(out + 1 + bytes, endpoint->port);
    return 1 + bytes + 2;
}

size_t endpoint_decode(struct endpoint *endpoint, const uint8_t *data, size_t bytes)
{
    *endpoint = (struct endpoint){0};
    if (bytes == 0)
        return 0;
    if (data[0] == 0)
        return 1;
    size_t length = ip_address_bytes(data[0]);
    if (length == 0 || bytes < 1 + length + 2)
        return 0;
    endpoint->address.family = data[0];
    memcpy(endpoint->address.octet, data + 1, length);
    endpoint->port = load_be16(data + 1 + length);
    return 1 + length + 2;
}
