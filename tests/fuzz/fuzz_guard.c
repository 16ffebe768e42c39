/* SPDX-License-Identifier: MIT
 *
 * fuzz_guard.c - any row of frames through the guard: classes, words, gateways, hosts, storms.
 *
 * Input: one octet of words and direction, then frames, each behind a 16-bit length. What is
 * required: nothing changes a frame; a word dropped is one that is on; the gateway rule is the
 * same seen from both ends; a host is never in its own way.
 */
#include "cursor.h"
#include "frame/gateway.h"
#include "frame/guard.h"
#include "frame/hosts.h"
#include "frame/multicast.h"
#include "frame/neighbor.h"
#include "frame/storm.h"

#include <stdlib.h>

enum { ALL_WORDS = 63 };

static const struct gateway_set HOME = {
    .count = 2,
    .gateway = {{{IP_V4, {192, 168, 1, 1}}, {{2, 0, 0, 0, 0, 1}}},
                {{IP_V6, {0xfe, 0x80, [15] = 1}}, {{2, 0, 0, 0, 0, 1}}}},
};

struct state {
    unsigned words;
    uint64_t now_us;
    struct gateway_learner learner;
    struct storm storm;
};
static struct hosts hosts;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void try_words(const struct packet *p, unsigned words)
{
    for (unsigned d = GUARD_FROM_LAN; d <= GUARD_FROM_PEER; d++) {
        unsigned word = guard_check(p, words, (enum guard_direction)d);
        require((word & ~words) == 0 && (word & (word - 1)) == 0);
        require(word == 0 || guard_check(p, ALL_WORDS, (enum guard_direction)d) != 0);
        require(word == 0 || guard_check(p, word, (enum guard_direction)d) == word);
    }
}

static void try_gateways(struct state *s, const struct packet *p)
{
    struct neighbor n;
    struct gateway_set learned;
    gateway_learn(&s->learner, p, s->now_us);
    gateway_learned(&s->learner, s->now_us, &learned);
    require(learned.count <= GATEWAYS_MAX);
    for (size_t i = 0; i < learned.count; i++)
        require(!ip_is_unspecified(&learned.gateway[i].address));
    bool blocked = gateway_blocks(p, &learned, &HOME, GUARD_FROM_LAN);
    require(blocked == gateway_blocks(p, &HOME, &learned, GUARD_FROM_PEER));
    require(!blocked || neighbor_parse(p, &n));
}

static void try_hosts(struct state *s, const struct packet *p)
{
    struct hosts_clash clash;
    static const struct mac own_mac = {{2, 0, 0, 0, 0, 9}};
    struct ip_address own = HOME.gateway[0].address;
    hosts_blocks(&hosts, p, &own, 1, &own_mac, s->now_us, &clash);
    hosts_learn(&hosts, p, s->now_us);
    struct neighbor n;
    if (neighbor_parse(p, &n) && !n.probe && !mac_is_group(&n.mac) && !mac_is_zero(&n.mac))
        require(!hosts_blocks(&hosts, p, NULL, 0, &own_mac, s->now_us, &clash));
}

static void try_class(struct state *s, const struct packet *p)
{
    enum multicast_class class = multicast_classify(p);
    require(class < CLASS_COUNT);
    require((class == CLASS_UNICAST) == !mac_is_group(&p->destination));
    storm_allows(&s->storm, class, p->frame_bytes, s->now_us);
    if (class == CLASS_GROUP_OTHER)
        storm_allows_group(&s->storm, &p->ip_destination, p->frame_bytes, s->now_us);
    storm_allows_unknown(&s->storm, p->frame_bytes, s->now_us);
}

/* The frame stands in memory of its own size, so that a read beyond it is seen. */
static void try_frame(struct state *s, const uint8_t *bytes, size_t count)
{
    struct packet p;
    uint8_t *frame = malloc(count ? count : 1);
    require(frame != NULL);
    memcpy(frame, bytes, count);
    if (packet_parse(&p, frame, count)) {
        try_words(&p, s->words);
        try_gateways(s, &p);
        try_hosts(s, &p);
        try_class(s, &p);
        require(memcmp(frame, bytes, count) == 0);
    }
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    static const uint8_t hash_key[HOSTS_HASH_KEY_BYTES] = {1};
    struct cursor c = cursor_over(input, count);
    struct state s = {.now_us = 1000};
    uint8_t words;
    uint16_t bytes;
    const uint8_t *frame;
    if (!cursor_u8(&c, &words))
        return 0;
    s.words = words & ALL_WORDS;
    memset(&hosts, 0, sizeof hosts);
    hosts_init(&hosts, hash_key);
    storm_init(&s.storm, s.now_us);
    while (cursor_u16(&c, &bytes) && cursor_take(&c, bytes, &frame)) {
        try_frame(&s, frame, bytes);
        s.now_us += 1000000;
    }
    return 0;
}
