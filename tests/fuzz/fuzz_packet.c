/* SPDX-License-Identifier: MIT
 *
 * fuzz_packet.c - any frame: what packet.h promises about the offsets holds, nothing is changed,
 * and bytes behind the packet's own end do not matter.
 */
#include "frame/checksum.h"
#include "frame/packet.h"

#include <stdlib.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

static uint8_t *copy_of(const uint8_t *bytes, size_t count)
{
    uint8_t *copy = malloc(count ? count : 1);
    require(copy != NULL);
    if (count > 0)
        memcpy(copy, bytes, count);
    return copy;
}

static size_t network_bytes(const struct packet *p)
{
    switch (p->network) {
    case PACKET_ARP:
        return 28;
    case PACKET_IPV4:
        return (size_t)4 * (p->frame[p->network_offset] & 0xf);
    case PACKET_IPV6:
        return 40;
    default:
        return 0;
    }
}

static size_t transport_bytes(const struct packet *p)
{
    switch (p->protocol) {
    case IP_PROTOCOL_UDP:
        return 8;
    case IP_PROTOCOL_TCP:
        return (size_t)4 * (p->frame[p->transport_offset + 12] >> 4);
    default:
        return 4;
    }
}

static void require_promises(const struct packet *p)
{
    require(p->vlan_tags <= 2 && p->vlan_id <= 0xfff);
    require(p->network_offset == 14u + 4u * p->vlan_tags);
    require(!p->later_fragment || p->fragment);
    if (p->network == PACKET_OTHER) {
        require(p->network_end == 0 && p->transport_offset == 0 && p->protocol == 0);
        return;
    }
    require(p->network_end <= p->frame_bytes);
    require(p->network_offset + network_bytes(p) <= p->network_end);
    if (p->transport_offset == 0) {
        require(p->source_port == 0 && p->destination_port == 0);
        return;
    }
    require(!p->malformed && !p->later_fragment);
    require(p->transport_offset >= p->network_offset + network_bytes(p));
    require(p->transport_offset + transport_bytes(p) <= p->network_end);
    checksum_transport(p);
}

/* A frame cut where its packet ends parses alike. */
static void require_padding_ignored(const struct packet *p)
{
    if (p->network == PACKET_OTHER)
        return;
    uint8_t *cut = copy_of(p->frame, p->network_end);
    struct packet again;
    require(packet_parse(&again, cut, p->network_end));
    require(again.network == p->network && again.malformed == p->malformed);
    require(again.network_end == p->network_end && again.protocol == p->protocol);
    require(again.transport_offset == p->transport_offset && again.fragment == p->fragment);
    free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    struct packet p;
    uint8_t *frame = copy_of(input, count);
    bool parsed = packet_parse(&p, frame, count);
    require(parsed == (count >= ETHER_HEADER_BYTES && count <= PACKET_FRAME_MAX_BYTES));
    if (parsed) {
        require_promises(&p);
        require_padding_ignored(&p);
        require(memcmp(frame, input, count) == 0);
    }
    free(frame);
    return 0;
}
