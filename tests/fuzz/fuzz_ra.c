/* SPDX-License-Identifier: MIT
 *
 * fuzz_ra.c - any frame cut down to its routes: what is left is a valid RA of lifetime 0 with a
 * route in it, holds no option but those kept, and is left alone the second time. The same octets
 * as prefixes: what is built is whole and never larger than one packet.
 */
#include "cursor.h"
#include "frame/checksum.h"
#include "frame/ra.h"

#include <stdlib.h>

enum { RA_BYTES = 16, LARGEST = 70 + 32 * RA_ON_LINK_PREFIXES_MAX };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static const struct gateway_set HOME = {
    .count = 1,
    .gateway = {{{IP_V6, {0xfe, 0x80, [15] = 1}}, {{2, 0, 0, 0, 0, 1}}}},
};

static void require_restricted(const struct packet *p)
{
    require(p->network == PACKET_IPV6 && p->network_end == p->frame_bytes);
    const uint8_t *ra = p->frame + p->transport_offset;
    require(ra[0] == 134 && ra[6] == 0 && ra[7] == 0);
    require(load_be16(ra + 2) == checksum_transport(p));
    struct cursor c = cursor_over(ra + RA_BYTES, p->frame_bytes - p->transport_offset - RA_BYTES);
    unsigned routes = 0;
    const uint8_t *option;
    while (cursor_left(&c) > 0) {
        require(cursor_left(&c) >= 8 && cursor_take(&c, 8u * c.at[1], &option));
        require(option[0] == 1 || option[0] == 24 || (option[0] == 3 && (option[3] & 0x40) == 0));
        routes += option[0] == 24;
    }
    require(routes > 0);
}

static void try_restrict(const uint8_t *input, size_t count)
{
    struct packet p, again;
    uint8_t *frame = malloc(count), *out = malloc(count), *twice = malloc(count);
    require(frame && out && twice);
    memcpy(frame, input, count);
    if (packet_parse(&p, frame, count)) {
        size_t bytes = ra_restrict(&p, &HOME, out, count);
        require(bytes <= count && memcmp(frame, input, count) == 0);
        if (bytes > 0) {
            require(packet_parse(&again, out, bytes));
            require_restricted(&again);
            require(ra_restrict(&again, &HOME, twice, count) == bytes);
            require(memcmp(out, twice, bytes) == 0);
        }
    }
    free(frame);
    free(out);
    free(twice);
}

/* 18 octets make a prefix: family, length, address. */
static void try_on_link(const uint8_t *input, size_t count, size_t capacity)
{
    struct ip_prefix prefix[64];
    size_t prefixes = 0;
    for (; prefixes < 64 && count >= 18; input += 18, count -= 18, prefixes++) {
        prefix[prefixes] = (struct ip_prefix){.length_bits = input[1]};
        prefix[prefixes].address.family = input[0] & 1 ? IP_V4 : IP_V6;
        memcpy(prefix[prefixes].address.octet, input + 2, 16);
    }
    struct packet p;
    struct mac tap = {{0xfe, 1, 2, 3, 4, 5}};
    uint8_t *out = malloc(capacity ? capacity : 1);
    require(out != NULL);
    size_t bytes = ra_on_link(out, capacity, &tap, prefix, prefixes, 1800);
    require(bytes <= capacity && bytes <= LARGEST);
    if (bytes > 0)
        require(packet_parse(&p, out, bytes) && !p.malformed &&
                load_be16(out + p.transport_offset + 2) == checksum_transport(&p));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    if (count < 1)
        return 0;
    try_restrict(input, count);
    try_on_link(input + 1, count - 1, 8u * input[0]);
    return 0;
}
