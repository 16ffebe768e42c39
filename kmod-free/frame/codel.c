/* SPDX-License-Identifier: MIT
 *
 * codel.c - see codel.h. Where RFC 8289's pseudo-code (section 5) takes packets out of a queue
 * until one may go on, here is one call for each.
 */
#include "frame/codel.h"

#include "bytes.h"
#include "frame/checksum.h"

#include <string.h>

enum { /* offsets in the headers */
       IPV4_FRAGMENT = 6,
       IPV4_PROTOCOL = 9,
       IPV4_CHECKSUM = 10,
       IPV4_ADDRESSES = 12,
       IPV6_NEXT_HEADER = 6,
       IPV6_ADDRESSES = 8,
       PORTS_BYTES = 4,
};

enum {
    IPV4_FRAGMENT_MASK = 0x3fff, /* more fragments, and the offset */
    ECN_CE = 3,
    BUCKET_SHIFT = 64 - 6,
    REENTRY_INTERVALS = 16, /* RFC 8289 s.5.5 */
};
_Static_assert(CODEL_FLOWS == 1 << (64 - BUCKET_SHIFT), "a bucket's number has as many bits");

void codel_init(struct codel *codel, const uint8_t key[CODEL_KEY_BYTES])
{
    memset(codel, 0, sizeof *codel);
    codel->low = 1; /* of no flow yet */
    for (size_t i = 0; i < CODEL_WORDS; i++)
        codel->key[i] = load_be64(key + 8 * i);
    codel_set_rtt(codel, 0);
}

void codel_set_rtt(struct codel *codel, uint64_t rtt_us)
{
    const uint32_t longest_us = CODEL_INTERVAL_MAX_US / CODEL_INTERVAL_RTTS;
    uint32_t interval_us =
        CODEL_INTERVAL_RTTS * (rtt_us < longest_us ? (uint32_t)rtt_us : longest_us);

    if (interval_us < CODEL_INTERVAL_MIN_US)
        interval_us = CODEL_INTERVAL_MIN_US;
    codel->interval_us = interval_us;
    codel->target_us = interval_us / CODEL_TARGET_PART;
}

/* ---- Which flow ---- */

/* Return: the IP header, whole but for options, or NULL when the frame is not to be judged */
static const uint8_t *find_ip(const uint8_t *frame, size_t bytes, uint16_t *type)
{
    size_t offset = ETHER_HEADER_BYTES;

    if (bytes < ETHER_HEADER_BYTES || (frame[0] & 1) != 0)
        return NULL;
    *type = load_be16(frame + offset - 2);
    for (int tags = 0; tags < 2 && (*type == ETHER_TYPE_VLAN || *type == ETHER_TYPE_QINQ); tags++) {
        offset += VLAN_TAG_BYTES;
        if (bytes < offset)
            return NULL;
        *type = load_be16(frame + offset - 2);
    }
    if ((*type == ETHER_TYPE_IPV4 && bytes >= offset + IPV4_HEADER_BYTES) ||
        (*type == ETHER_TYPE_IPV6 && bytes >= offset + IPV6_HEADER_BYTES))
        return frame + offset;
    return NULL;
}

/* Strongly universal for whoever does not know the key (multilinear, upper bits). */
static uint64_t mix(const struct codel *codel, unsigned first, const uint8_t *words, unsigned count)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < count; i++)
        sum += codel->key[first + i] * load_be32(words + (size_t)4 * i);
    return sum;
}

/* The transport header's ports; none in a fragment, which has to go the way of the others. */
static uint64_t mix_ports(const struct codel *codel, uint8_t protocol, const uint8_t *transport,
                          const uint8_t *end)
{
    bool has_ports = protocol == IP_PROTOCOL_TCP || protocol == IP_PROTOCOL_UDP;

    if (!has_ports || end - transport < PORTS_BYTES)
        return 0;
    return mix(codel, 1, transport, 1);
}

/* The key's words: protocol, ports, addresses. */
static struct codel_flow *find_flow(struct codel *codel, const uint8_t *ip, uint16_t type,
                                    const uint8_t *end)
{
    uint8_t protocol;
    uint64_t sum;

    if (type == ETHER_TYPE_IPV4) {
        protocol = ip[IPV4_PROTOCOL];
        sum = mix(codel, 2, ip + IPV4_ADDRESSES, 2);
        size_t header_bytes = (size_t)(ip[0] & 0xf) * 4;
        if ((load_be16(ip + IPV4_FRAGMENT) & IPV4_FRAGMENT_MASK) == 0 &&
            header_bytes <= (size_t)(end - ip))
            sum += mix_ports(codel, protocol, ip + header_bytes, end);
    } else {
        protocol = ip[IPV6_NEXT_HEADER];
        sum = mix(codel, 2, ip + IPV6_ADDRESSES, 8);
        sum += mix_ports(codel, protocol, ip + IPV6_HEADER_BYTES, end);
    }
    sum += codel->key[0] * protocol;
    return &codel->flow[sum >> BUCKET_SHIFT];
}

/* ---- Its part of the queue ---- */

/* Both windows are over when nothing was judged for an interval. */
static void move_window(struct codel *codel, uint64_t now_us)
{
    if (now_us < codel->window_end_us)
        return;
    bool next = now_us - codel->window_end_us < codel->interval_us;
    codel->window += next ? 1 : 2;
    codel->heaviest_before = next ? codel->heaviest : 0;
    codel->heaviest = 0;
    codel->window_end_us = now_us + codel->interval_us;
}

static uint64_t greater(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Return: whether few of its bytes are in the queue, now that this frame has left it */
static bool is_sparse(struct codel *codel, struct codel_flow *flow, uint32_t bytes,
                      uint32_t waited_us)
{
    if (flow->window != codel->window) {
        flow->bytes_before = flow->window + 1 == codel->window ? flow->bytes : 0;
        flow->bytes = 0;
        flow->window = codel->window;
    }
    flow->bytes += bytes;
    if (flow->bytes > codel->heaviest)
        codel->heaviest = flow->bytes;
    uint64_t most = greater(flow->bytes, flow->bytes_before);
    return most * waited_us <= (uint64_t)CODEL_SPARSE_BYTES * codel->interval_us ||
           most * CODEL_LIGHT_PART < greater(codel->heaviest, codel->heaviest_before);
}

/* ---- RFC 8289 ---- */

/* Rounded down; no function of libm here. */
static uint32_t square_root(uint64_t x)
{
    uint64_t root = 0;

    for (uint64_t bit = (uint64_t)1 << 31; bit != 0; bit >>= 1)
        if ((root | bit) * (root | bit) <= x)
            root |= bit;
    return (uint32_t)root;
}

/* @t_us + interval / sqrt(count) */
static uint64_t control_law(const struct codel *codel, uint64_t t_us, uint32_t count)
{
    return t_us + square_root((uint64_t)codel->interval_us * codel->interval_us / count);
}

/* Return: whether no datagram waited less than the target for an interval */
static bool stands_long(struct codel *codel, uint64_t now_us)
{
    if (codel->above_low != codel->low) {
        codel->above_low = codel->low;
        codel->first_above_us = now_us + codel->interval_us;
    }
    return now_us >= codel->first_above_us;
}

/* A pace that was right a short time ago is a better start than the slowest. */
static void begin_dropping(const struct codel *codel, struct codel_flow *flow, uint64_t now_us)
{
    uint32_t delta = flow->count - flow->last_count;
    bool recent = now_us < flow->drop_next_us + REENTRY_INTERVALS * (uint64_t)codel->interval_us;

    flow->dropping = true;
    flow->count = delta > 1 && recent ? delta : 1;
    flow->drop_next_us = control_law(codel, now_us, flow->count);
    flow->last_count = flow->count;
}

static bool law_drops(const struct codel *codel, struct codel_flow *flow, bool ok_to_drop,
                      uint64_t now_us)
{
    if (!ok_to_drop) {
        flow->dropping = false;
        return false;
    }
    if (!flow->dropping) {
        begin_dropping(codel, flow, now_us);
        return true;
    }
    if (now_us < flow->drop_next_us)
        return false;
    if (flow->count < CODEL_COUNT_MAX)
        flow->count++;
    flow->drop_next_us = control_law(codel, flow->drop_next_us, flow->count);
    return true;
}

static uint8_t ecn(const uint8_t *ip, uint16_t type)
{
    return (type == ETHER_TYPE_IPV4 ? ip[1] : ip[1] >> 4) & ECN_CE;
}

enum codel_verdict codel_judge(struct codel *codel, const uint8_t *frame, size_t bytes,
                               uint32_t waited_us, uint64_t now_us)
{
    uint16_t type;
    const uint8_t *ip = find_ip(frame, bytes, &type);

    if (ip == NULL)
        return CODEL_PASS;
    struct codel_flow *flow = find_flow(codel, ip, type, frame + bytes);
    move_window(codel, now_us);
    bool sparse = is_sparse(codel, flow, (uint32_t)bytes, waited_us);
    bool ok_to_drop = stands_long(codel, now_us) && !sparse;
    if (flow->low != codel->low)
        flow->dropping = false;
    flow->low = codel->low;
    if (bytes <= CODEL_SMALL_BYTES || !law_drops(codel, flow, ok_to_drop, now_us))
        return CODEL_PASS;
    return ecn(ip, type) != 0 ? CODEL_MARK : CODEL_DROP;
}

void codel_mark(uint8_t *frame, size_t bytes)
{
    uint16_t type;
    const uint8_t *found = find_ip(frame, bytes, &type);

    if (found == NULL)
        return;
    uint8_t *ip = frame + (found - frame);
    uint16_t old = load_be16(ip);
    if (type == ETHER_TYPE_IPV6) {
        ip[1] |= ECN_CE << 4;
        return;
    }
    ip[1] |= ECN_CE;
    store_be16(ip + IPV4_CHECKSUM,
               checksum_update16(load_be16(ip + IPV4_CHECKSUM), old, load_be16(ip)));
}
