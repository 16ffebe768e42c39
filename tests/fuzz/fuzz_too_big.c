/* SPDX-License-Identifier: MIT
 *
 * fuzz_too_big.c - any frame and MTU: an ICMP error is a good packet, no larger than it may be,
 * that quotes what it answers, answers no error and is not answered; the fragments fit, and are the
 * packet they were cut from.
 */
#include "frame/checksum.h"
#include "frame/too_big.h"

#include "bytes.h"

#include <stdlib.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

static size_t ip_bytes(const struct packet *p)
{
    return (size_t)p->network_end - p->network_offset;
}

static bool ipv4_header_good(const struct packet *p)
{
    const uint8_t *ip = p->frame + p->network_offset;
    return checksum_finish(checksum_add(0, ip, (size_t)4 * (ip[0] & 0xf))) == 0;
}

static bool icmp_good(const struct packet *p)
{
    const uint8_t *icmp = p->frame + p->transport_offset;
    if (p->network == PACKET_IPV6)
        return load_be16(icmp + 2) == checksum_transport(p);
    size_t bytes = (size_t)p->network_end - p->transport_offset;
    return ipv4_header_good(p) && checksum_finish(checksum_add(0, icmp, bytes)) == 0;
}

/* ICMP's errors, by number (RFC 792, RFC 4443, RFC 4861's redirect). */
static bool is_error(const struct packet *p)
{
    if (p->transport_offset == 0)
        return false;
    uint8_t type = p->frame[p->transport_offset];
    if (p->network == PACKET_IPV6)
        return p->protocol == IP_PROTOCOL_ICMPV6 && (type < 128 || type == ND_REDIRECT);
    return p->protocol == IP_PROTOCOL_ICMP &&
           (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

static void require_answer(const struct packet *p, uint16_t mtu_bytes, uint8_t *out, size_t bytes)
{
    struct packet answer;
    uint8_t again[TOO_BIG_FRAME_BYTES];
    size_t largest = p->network == PACKET_IPV4 ? 576 : 1280;
    require(packet_parse(&answer, out, bytes) && answer.network_end == bytes);
    require(answer.network == p->network && answer.network_offset == p->network_offset);
    require(!answer.malformed && answer.transport_offset != 0 && icmp_good(&answer));
    require(ip_bytes(&answer) <= largest && ip_bytes(p) > mtu_bytes && !is_error(p));
    require(mac_equal(&answer.source, &p->destination) && !mac_is_group(&p->destination));
    require(mac_equal(&answer.destination, &p->source) && !mac_is_group(&p->source));
    require(ip_equal(&answer.ip_source, &p->ip_destination));
    require(ip_equal(&answer.ip_destination, &p->ip_source));
    const uint8_t *icmp = out + answer.transport_offset;
    size_t quote_bytes = bytes - answer.transport_offset - 8;
    require(load_be16(icmp + 6) == mtu_bytes && is_error(&answer));
    require(memcmp(icmp + 8, p->frame + p->network_offset, quote_bytes) == 0);
    require(quote_bytes == ip_bytes(p) || ip_bytes(&answer) == largest);
    require(too_big_icmp(&answer, p->network == PACKET_IPV4 ? 68 : 1280, again) == 0);
}

static void try_icmp(const struct packet *p, uint16_t mtu_bytes)
{
    uint8_t *out = malloc(TOO_BIG_FRAME_BYTES);
    require(out != NULL);
    size_t bytes = too_big_icmp(p, mtu_bytes, out);
    require(bytes <= TOO_BIG_FRAME_BYTES);
    if (bytes > 0)
        require_answer(p, mtu_bytes, out, bytes);
    free(out);
}

/* @covered: payload octets before it; returns how many it has. */
static size_t require_piece(const struct packet *p, uint16_t mtu_bytes, uint8_t *out, size_t bytes,
                            size_t covered)
{
    struct packet piece;
    struct too_big_cutter cutter;
    const uint8_t *ip = p->frame + p->network_offset;
    size_t header_bytes = (size_t)4 * (ip[0] & 0xf), payload_bytes = ip_bytes(p) - header_bytes;
    require(packet_parse(&piece, out, bytes) && piece.network_end == bytes);
    require(piece.network == PACKET_IPV4 && ipv4_header_good(&piece) && piece.fragment);
    require(ip_bytes(&piece) <= mtu_bytes && ip_bytes(&piece) > header_bytes);
    require(memcmp(out, p->frame, p->network_offset) == 0);
    const uint8_t *made = out + piece.network_offset;
    size_t count = ip_bytes(&piece) - header_bytes;
    bool last = covered + count == payload_bytes;
    require(made[0] == ip[0] && made[1] == ip[1] && memcmp(made + 4, ip + 4, 2) == 0);
    require(memcmp(made + 8, ip + 8, 2) == 0 && memcmp(made + 12, ip + 12, 8) == 0);
    require(covered > 0 || memcmp(made + 20, ip + 20, header_bytes - 20) == 0);
    require(load_be16(made + 6) == ((load_be16(ip + 6) + covered / 8) | (last ? 0u : 0x2000u)));
    require((last || count % 8 == 0) && covered + count <= payload_bytes);
    require(memcmp(made + header_bytes, ip + header_bytes + covered, count) == 0);
    require(!too_big_cut(&cutter, &piece, mtu_bytes));
    return count;
}

static void try_cut(const struct packet *p, uint16_t mtu_bytes)
{
    struct too_big_cutter cutter;
    size_t capacity = (size_t)p->network_offset + mtu_bytes, covered = 0, bytes;
    uint8_t *out = malloc(capacity);
    require(out != NULL);
    bool cut = too_big_cut(&cutter, p, mtu_bytes);
    while ((bytes = too_big_next(&cutter, out, capacity)) > 0)
        covered += require_piece(p, mtu_bytes, out, bytes, covered);
    require(cut == (covered > 0));
    if (cut)
        require(covered == ip_bytes(p) - (size_t)4 * (p->frame[p->network_offset] & 0xf));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

/* Two octets are the MTU; when the third's lowest bit is set the IPv4 header checksum is made good,
 * which no mutation would find. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    if (count < 3)
        return 0;
    uint16_t mtu_bytes = load_be16(input);
    bool mend = input[2] & 1;
    input += 3;
    count -= 3;
    uint8_t *frame = malloc(count ? count : 1), *kept = malloc(count ? count : 1);
    struct packet p;
    require(frame && kept);
    if (count > 0)
        memcpy(frame, input, count);
    if (packet_parse(&p, frame, count)) {
        if (mend && p.network == PACKET_IPV4) {
            uint8_t *ip = frame + p.network_offset;
            store_be16(ip + 10, 0);
            uint32_t sum = checksum_add(0, ip, (size_t)4 * (ip[0] & 0xf));
            store_be16(ip + 10, checksum_finish(sum));
        }
        memcpy(kept, frame, count);
        try_icmp(&p, mtu_bytes);
        try_cut(&p, mtu_bytes);
        require(memcmp(frame, kept, count) == 0);
    }
    free(frame);
    free(kept);
    return 0;
}
