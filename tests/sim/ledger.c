/* SPDX-License-Identifier: MIT
 *
 * ledger.c - see ledger.h. Frame: Ethernet header with EtherType 0x88b6 (IEEE 802 local
 * experimental 2), origin 1, destination 1, number 4, whole length 2, pattern.
 */
#include "ledger.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum { TEST_ETHER_TYPE = 0x88b6, PATTERN_OFFSET = 22 };

static uint8_t pattern(uint32_t number, size_t i)
{
    return (uint8_t)(number * 31u + i * 7u + (i >> 8));
}

static bool genuine(const uint8_t *frame, size_t bytes, uint32_t number)
{
    if (load_be16(frame + 20) != bytes)
        return false;
    for (size_t i = PATTERN_OFFSET; i < bytes; i++)
        if (frame[i] != pattern(number, i))
            return false;
    return true;
}

static void on_lan(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    struct ledger *l = sim->context;
    if (bytes < PATTERN_OFFSET || load_be16(frame + 12) != TEST_ETHER_TYPE) {
        l->strangers++;
        return;
    }
    unsigned origin = frame[14], to = frame[15];
    uint32_t number = load_be32(frame + 16);
    if (origin >= SIM_NODES_MAX || origin == node || (to != node && to != LEDGER_EVERYONE))
        return;
    struct ledger_flow *flow = &l->flow[origin][node];
    if (number >= LEDGER_FRAMES_MAX || !genuine(frame, bytes, number)) {
        flow->spoiled++;
        return;
    }
    uint8_t bit = (uint8_t)(1u << (number % 8));
    if (flow->seen[number / 8] & bit)
        flow->repeated++;
    else
        flow->arrived++;
    flow->seen[number / 8] |= bit;
    if (flow->first_after_mark_us == UINT64_MAX)
        flow->first_after_mark_us = sim->now_us;
}

struct ledger *ledger_new(struct sim *sim)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->sim = sim;
    sim->context = l;
    sim->on_lan = on_lan;
    return l;
}

static struct mac host_mac(unsigned node)
{
    return (struct mac){{2, 0, 0, 0, 1, (uint8_t)node}};
}

void ledger_send(struct ledger *l, unsigned from, unsigned to, size_t bytes)
{
    uint8_t frame[10000];
    struct mac source = host_mac(from), destination = host_mac(to);
    uint32_t number = l->next[from]++;

    if (number >= LEDGER_FRAMES_MAX || bytes > sizeof frame || bytes < PATTERN_OFFSET)
        abort();
    memset(frame, 0xff, 6);
    if (to != LEDGER_EVERYONE)
        memcpy(frame, destination.octet, 6);
    memcpy(frame + 6, source.octet, 6);
    store_be16(frame + 12, TEST_ETHER_TYPE);
    frame[14] = (uint8_t)from;
    frame[15] = (uint8_t)to;
    store_be32(frame + 16, number);
    store_be16(frame + 20, (uint16_t)bytes);
    for (size_t i = PATTERN_OFFSET; i < bytes; i++)
        frame[i] = pattern(number, i);
    for (unsigned n = 0; n < l->sim->nodes; n++)
        if (n != from && (to == n || to == LEDGER_EVERYONE))
            l->flow[from][n].sent++;
    sim_send(l->sim, from, frame, bytes);
}

void ledger_greet(struct ledger *l)
{
    for (unsigned n = 0; n < l->sim->nodes; n++)
        ledger_send(l, n, LEDGER_EVERYONE, LEDGER_FRAME_MIN_BYTES);
    sim_run(l->sim, 100000);
}

void ledger_mark(struct ledger *l, unsigned from, unsigned to)
{
    l->flow[from][to].mark_us = l->sim->now_us;
    l->flow[from][to].first_after_mark_us = UINT64_MAX;
}

uint64_t ledger_back_after_us(const struct ledger *l, unsigned from, unsigned to)
{
    const struct ledger_flow *flow = &l->flow[from][to];
    if (flow->first_after_mark_us == UINT64_MAX)
        return UINT64_MAX;
    return flow->first_after_mark_us - flow->mark_us;
}
