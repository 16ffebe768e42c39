/* SPDX-License-Identifier: MIT
 *
 * checksum.c - see checksum.h.
 */
#include "frame/checksum.h"

#include "bytes.h"

static uint32_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

uint16_t checksum_update16(uint16_t checksum, uint16_t old_word, uint16_t new_word)
{
    /* HC' = ~(~HC + ~m + m') */
    uint32_t sum = (uint32_t)(uint16_t)~checksum + (uint16_t)~old_word + new_word;
    return (uint16_t)~fold(sum);
}

static uint16_t fold64(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (uint16_t)fold((uint32_t)sum);
}

/* Adds whole words in the machine's own order, which only turns the sum's two octets round (RFC
 * 1071 s.2B): no word is turned by itself. Four sums at a time, wide enough to take every carry,
 * are what compilers make vectors of. */
static uint16_t sum_words(const uint8_t *bytes, size_t count)
{
    uint64_t sum[4] = {0};
    uint32_t word[4];
    for (; count >= sizeof word; bytes += sizeof word, count -= sizeof word) {
        memcpy(word, bytes, sizeof word);
        for (unsigned i = 0; i < 4; i++)
            sum[i] += word[i];
    }
    uint16_t own_order = fold64(sum[0] + sum[1] + sum[2] + sum[3]);
    uint8_t wire_order[2];
    memcpy(wire_order, &own_order, sizeof wire_order);
    return load_be16(wire_order);
}

uint32_t checksum_add(uint32_t sum, const uint8_t *bytes, size_t count)
{
    size_t rest = count % 16;
    uint64_t wide = (uint64_t)sum + sum_words(bytes, count - rest);
    for (bytes += count - rest; rest >= 2; bytes += 2, rest -= 2)
        wide += load_be16(bytes);
    if (rest > 0)
        wide += (uint64_t)bytes[0] << 8;
    return fold64(wide);
}

uint16_t checksum_finish(uint32_t sum)
{
    return (uint16_t)~fold(sum);
}

/* Offset of the checksum within the transport header; 0 when the protocol has none we know. */
static size_t field_offset(const struct packet *p)
{
    switch (p->protocol) {
    case IP_PROTOCOL_TCP:
        return 16;
    case IP_PROTOCOL_UDP:
        return 6;
    case IP_PROTOCOL_ICMPV6:
        return p->network == PACKET_IPV6 ? 2 : 0;
    default:
        return 0;
    }
}

/* UDP has a length of its own, which may leave out a trailer (RFC 768); TCP and ICMPv6 go to the
 * end of the packet. */
static size_t transport_bytes(const struct packet *p)
{
    size_t bytes = (size_t)p->network_end - p->transport_offset;
    if (p->protocol != IP_PROTOCOL_UDP)
        return bytes;
    size_t udp_bytes = load_be16(p->frame + p->transport_offset + 4);
    return udp_bytes < bytes ? udp_bytes : bytes;
}

uint16_t checksum_transport(const struct packet *p)
{
    size_t field = field_offset(p);
    if (field == 0 || p->transport_offset == 0)
        return 0;
    const uint8_t *transport = p->frame + p->transport_offset;
    size_t bytes = transport_bytes(p);
    if (bytes < field + 2)
        return 0;
    size_t address_bytes = p->network == PACKET_IPV4 ? 4 : 16;
    uint32_t sum = checksum_add(0, p->ip_source.octet, address_bytes);
    sum = checksum_add(sum, p->ip_destination.octet, address_bytes);
    sum += p->protocol;
    sum += (uint32_t)bytes;
    sum = checksum_add(sum, transport, field);
    sum = checksum_add(sum, transport + field + 2, bytes - field - 2);
    uint16_t checksum = checksum_finish(sum);
    return checksum == 0 && p->protocol == IP_PROTOCOL_UDP ? 0xffff : checksum;
}
