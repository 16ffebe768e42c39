/* SPDX-License-Identifier: MIT
 *
 * micro_frame.c - what each step of a frame's way costs, in nanoseconds a frame: parsing, judging,
 * looking up, packing, passing between threads. A full datagram, and an mDNS question, which all of
 * them look at. The best of several rounds, with caches warm.
 */
#include "crypto/replay.h"
#include "frame/checksum.h"
#include "frame/fdb.h"
#include "frame/gateway.h"
#include "frame/guard.h"
#include "frame/hosts.h"
#include "frame/loop.h"
#include "frame/mss.h"
#include "frame/multicast.h"
#include "frame/storm.h"
#include "frame/ttl.h"
#include "mailbox.h"
#include "tunnel/chunk.h"
#include "tunnel/reassembly.h"

#include "../unit/frames.h"

#include <stdio.h>
#include <time.h>

enum { ROUNDS = 200, FRAMES = 4096, MACS = 256, PAYLOAD_BYTES = 1472 };

struct subject {
    const char *name;
    uint8_t bytes[FRAME_BYTES_MAX];
    size_t count;
    struct packet packet;
};

static struct subject subject[2];
static struct subject *now; /* the one being measured */
static struct fdb fdb;
static struct fdb_entry entry[1024];
static struct storm storm;
static struct hosts hosts;
static struct reassembly reassembly;
static struct replay replay;
static struct gateway_set gateways;
static struct mailbox box;
static _Alignas(MAILBOX_ALIGNMENT) uint8_t box_memory[32 << 10];
static uint64_t now_us = 1000000, counter;
static volatile uint64_t keep; /* so that nothing measured is left out */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct mac mac_of(unsigned n)
{
    return (struct mac){{2, 0, 0, 0, 0, (uint8_t)(n % MACS)}};
}

/* ---- the steps ---- */

static void parse(unsigned n)
{
    (void)n;
    keep += packet_parse(&now->packet, now->bytes, now->count);
}

static void find_probe(unsigned n)
{
    (void)n;
    keep += loop_is_probe(&now->packet);
}

static void guard(unsigned n)
{
    (void)n;
    keep += guard_check(&now->packet, GUARD_DHCP | GUARD_RA | GUARD_QUERIER | GUARD_STP,
                        GUARD_FROM_LAN);
}

static void classify_and_limit(unsigned n)
{
    enum multicast_class class = multicast_classify(&now->packet);
    keep += multicast_crosses(class, false) + storm_allows(&storm, class, now->count, now_us + n);
}

static void gateway(unsigned n)
{
    (void)n;
    keep += gateway_blocks(&now->packet, &gateways, &gateways, GUARD_FROM_PEER);
}

static void learn_host(unsigned n)
{
    hosts_learn(&hosts, &now->packet, now_us + n);
}

static void learn_mac(unsigned n)
{
    struct mac mac = mac_of(n);
    keep += fdb_learn(&fdb, &mac, 0, 1, now_us + n);
}

static void look_up_mac(unsigned n)
{
    struct mac mac = mac_of(n);
    keep += (uint64_t)fdb_lookup(&fdb, &mac, 0, now_us);
}

static void repair_ttl(unsigned n)
{
    (void)n;
    keep += ttl_repair(&now->packet, TTL_REPAIR_MDNS | TTL_REPAIR_SSDP);
}

static void clamp_mss(unsigned n)
{
    (void)n;
    keep += mss_clamp(&now->packet, 1400);
}

static void sum(unsigned n)
{
    (void)n;
    keep += checksum_transport(&now->packet);
}

static void pack_and_read(unsigned n)
{
    uint8_t payload[FRAME_BYTES_MAX];
    struct packer packer;
    struct chunk_reader reader;
    struct chunk chunk;
    (void)n;
    packer_init(&packer, payload, sizeof payload);
    packer_add(&packer, CHUNK_FRAME, false, now->bytes, now->count);
    chunk_reader_init(&reader, payload, packer.used);
    keep += chunk_next(&reader, &chunk);
}

static void reassemble(unsigned n)
{
    uint8_t *frame;
    size_t bytes, first = now->count / 2;
    uint16_t id = (uint16_t)n, total = (uint16_t)now->count;
    keep += reassembly_add(&reassembly, 1, id, 0, total, now->bytes, first, now_us, &frame, &bytes);
    keep += reassembly_add(&reassembly, 1, id, (uint16_t)first, total, now->bytes + first,
                           now->count - first, now_us, &frame, &bytes);
}

static void accept_counter(unsigned n)
{
    (void)n;
    keep += replay_would_accept(&replay, counter) + replay_accept(&replay, counter);
    counter++;
}

static void pass_to_thread(unsigned n)
{
    struct mailbox_message message;
    keep += mailbox_put(&box, n, NULL, 0, now->bytes, now->count);
    keep += mailbox_peek(&box, &message);
    mailbox_done(&box);
}

/* ---- all of them ---- */

static double best_ns(void (*step)(unsigned n))
{
    double best = 1e18;
    for (unsigned round = 0; round < ROUNDS; round++) {
        double begin = now_ns();
        for (unsigned n = 0; n < FRAMES; n++)
            step(n);
        double took = (now_ns() - begin) / FRAMES;
        best = took < best ? took : best;
    }
    return best;
}

static void build(void)
{
    static const uint8_t payload[PAYLOAD_BYTES];
    struct frame_spec full = {.ip_source = frame_ip("192.168.1.2"),
                              .ip_destination = frame_ip("192.168.1.3"),
                              .source_port = 443,
                              .destination_port = 50000,
                              .ttl = 64};
    struct frame_spec mdns = {.ip_source = frame_ip("192.168.1.2"),
                              .ip_destination = frame_ip("224.0.0.251"),
                              .source_port = 5353,
                              .destination_port = 5353,
                              .ttl = 255};
    subject[0].name = "full";
    subject[0].count = frame_udp(subject[0].bytes, full, payload, sizeof payload);
    subject[1].name = "mDNS";
    subject[1].count = frame_udp(subject[1].bytes, mdns, payload, 100);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*step)(unsigned n);
    } step[] = {
        {"parse", parse},
        {"is it a loop probe", find_probe},
        {"guard", guard},
        {"class and storm limit", classify_and_limit},
        {"gateway rule", gateway},
        {"learn the host", learn_host},
        {"learn the MAC", learn_mac},
        {"look up a MAC", look_up_mac},
        {"repair the TTL", repair_ttl},
        {"clamp the MSS", clamp_mss},
        {"transport checksum", sum},
        {"pack and read a chunk", pack_and_read},
        {"reassemble two pieces", reassemble},
        {"replay window", accept_counter},
        {"pass between threads", pass_to_thread},
    };
    static const uint8_t key[16] = {3, 1, 4, 1, 5, 9, 2, 6};

    build();
    fdb_init(&fdb, entry, sizeof entry / sizeof *entry, key, 1024);
    hosts_init(&hosts, key);
    storm_init(&storm, now_us);
    reassembly_reset(&reassembly);
    replay_reset(&replay);
    mailbox_init(&box, box_memory, sizeof box_memory);
    printf("%-24s %9s %9s   ns a frame\n", "", subject[0].name, subject[1].name);
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        printf("%-24s", step[i].name);
        for (now = subject; now < subject + 2; now++)
            printf(" %9.1f", best_ns(step[i].step));
        printf("\n");
    }
    return 0;
}
