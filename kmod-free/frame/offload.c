/* SPDX-License-Identifier: MIT
 *
 * offload.c - see offload.h.
 */
#include "frame/offload.h"

#include "bytes.h"
#include "frame/checksum.h"

enum {
    FLAGS = 0, /* offsets in the header */
    GSO_TYPE = 1,
    HEADERS_BYTES = 2,
    SEGMENT_BYTES = 4,
    CHECKSUM_START = 6,
    CHECKSUM_OFFSET = 8,

    FLAG_NEEDS_CHECKSUM = 1, /* VIRTIO_NET_HDR_F_... */
    FLAG_DATA_VALID = 2,

    GSO_NONE = 0, /* VIRTIO_NET_HDR_GSO_... */
    GSO_TCP_V4 = 1,
    GSO_TCP_V6 = 4,
    GSO_UDP_L4 = 5,
    GSO_ECN = 0x80,

    TCP_DATA_OFFSET = 12, /* offsets in the transport headers */
    TCP_CHECKSUM = 16,
    UDP_CHECKSUM = 6,
};

static uint16_t load_le16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[1] << 8 | p[0]);
}

static void store_le16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static size_t checksum_field(const struct packet *p)
{
    return p->protocol == IP_PROTOCOL_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
}

bool offload_possible(const struct packet *packet)
{
    return packet->transport_offset != 0 && !packet->fragment &&
           (packet->protocol == IP_PROTOCOL_TCP || packet->protocol == IP_PROTOCOL_UDP);
}

size_t offload_headers_bytes(const struct packet *packet)
{
    if (!offload_possible(packet))
        return 0;
    const uint8_t *transport = packet->frame + packet->transport_offset;
    size_t bytes = packet->protocol == IP_PROTOCOL_TCP
                       ? (size_t)4 * (transport[TCP_DATA_OFFSET] >> 4)
                       : UDP_HEADER_BYTES;
    return packet->transport_offset + bytes;
}

uint16_t offload_pseudo_checksum(const struct packet *packet, size_t transport_bytes)
{
    size_t address_bytes = packet->network == PACKET_IPV4 ? 4 : 16;
    uint32_t sum = packet->protocol + (uint32_t)transport_bytes;
    sum = checksum_add(sum, packet->ip_source.octet, address_bytes);
    return (uint16_t)checksum_add(sum, packet->ip_destination.octet, address_bytes);
}

/* ---- finishing ---- */

/* The sum from @start to the packet's end, complemented, into the field, which holds what else
 * counts. As the kernel does, 0 becomes 0xffff: the same number, and UDP's 0 means 'none'. */
static void finish_at(uint8_t *frame, size_t start, size_t field, size_t end)
{
    uint16_t checksum = checksum_finish(checksum_add(0, frame + start, end - start));
    store_be16(frame + field, checksum == 0 ? 0xffff : checksum);
}

void offload_finish_checksum(const struct packet *packet)
{
    size_t start = packet->transport_offset;
    if (offload_possible(packet))
        finish_at(packet->frame, start, start + checksum_field(packet), packet->network_end);
}

/* ---- reading ---- */

/* The type a large frame of this packet's kind must have; GSO_NONE when it cannot be one. */
static uint8_t gso_type_of(const struct packet *p)
{
    if (!offload_possible(p))
        return GSO_NONE;
    if (p->protocol == IP_PROTOCOL_UDP)
        return GSO_UDP_L4;
    return p->network == PACKET_IPV4 ? GSO_TCP_V4 : GSO_TCP_V6;
}

static bool read_gso(struct offload *out, const uint8_t *header, const struct packet *packet)
{
    uint8_t type = header[GSO_TYPE];
    if (type == GSO_NONE)
        return true;
    out->ecn = (type & GSO_ECN) != 0;
    type &= (uint8_t)~GSO_ECN;
    out->gso = packet->protocol == IP_PROTOCOL_TCP ? OFFLOAD_TCP : OFFLOAD_UDP;
    out->segment_bytes = load_le16(header + SEGMENT_BYTES);
    return type != GSO_NONE && type == gso_type_of(packet) && out->segment_bytes != 0 &&
           (out->gso == OFFLOAD_TCP || !out->ecn);
}

/* A TAP that takes checksums off a host takes any that is summed alike, not only TCP's and UDP's:
 * NETIF_F_HW_CSUM. */
static bool finish_elsewhere(const struct packet *p, size_t start, size_t field)
{
    size_t end = p->network_end != 0 ? p->network_end : p->frame_bytes;
    if (start < ETHER_HEADER_BYTES || field + 2 > end)
        return false;
    finish_at(p->frame, start, field, end);
    return true;
}

static bool read_checksum(struct offload *out, const uint8_t *header, const struct packet *packet)
{
    if ((header[FLAGS] & FLAG_NEEDS_CHECKSUM) == 0)
        return true;
    size_t start = load_le16(header + CHECKSUM_START), offset = load_le16(header + CHECKSUM_OFFSET);
    out->checksum_valid = false;
    out->checksum_partial = offload_possible(packet) && start == packet->transport_offset &&
                            offset == checksum_field(packet);
    if (out->checksum_partial)
        return true;
    return out->gso == OFFLOAD_WHOLE && finish_elsewhere(packet, start, start + offset);
}

bool offload_read(struct offload *out, const uint8_t header[OFFLOAD_HEADER_BYTES],
                  const struct packet *packet)
{
    *out = (struct offload){.checksum_valid = (header[FLAGS] & FLAG_DATA_VALID) != 0};
    return read_gso(out, header, packet) && read_checksum(out, header, packet);
}

/* ---- writing ---- */

static void write_checksum(uint8_t *header, const struct offload *offload,
                           const struct packet *packet)
{
    if (offload->checksum_partial) {
        header[FLAGS] = FLAG_NEEDS_CHECKSUM;
        store_le16(header + CHECKSUM_START, packet->transport_offset);
        store_le16(header + CHECKSUM_OFFSET, checksum_field(packet));
    } else if (offload->checksum_valid) {
        header[FLAGS] = FLAG_DATA_VALID;
    }
}

void offload_write(uint8_t header[OFFLOAD_HEADER_BYTES], const struct offload *offload,
                   const struct packet *packet)
{
    memset(header, 0, OFFLOAD_HEADER_BYTES);
    if (!offload_possible(packet))
        return;
    write_checksum(header, offload, packet);
    if (offload->gso == OFFLOAD_WHOLE)
        return;
    header[GSO_TYPE] = gso_type_of(packet) | (offload->ecn ? GSO_ECN : 0);
    store_le16(header + HEADERS_BYTES, offload_headers_bytes(packet));
    store_le16(header + SEGMENT_BYTES, offload->segment_bytes);
}
