/* SPDX-License-Identifier: MIT
 *
 * net.c - see net.h.
 */
#include "net.h"

#include "crypto/noise.h"
#include "frame/guard.h"
#include "frame/offload.h"
#include "frame/packet.h"
#include "frame/segment.h"
#include "frame/ttl.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum event_kind { EVENT_DATAGRAM, EVENT_FRAME, EVENT_HINT };

enum { EVENTS_MAX = 4000000, LAN_DELAY_US = 20, CABLE_DELAY_US = 50 };

struct sim_event {
    uint64_t at_us, sequence;
    enum event_kind kind;
    unsigned node;   /* receiver of a datagram or hint; LAN of a frame */
    unsigned sender; /* of a datagram, whose receiver is found where it arrives: see enter() */
    struct endpoint to;
    int skip_tap;         /* a frame that this node's TAP wrote does not come back to it */
    int cable;            /* a frame does not go back over the cable it came from */
    struct endpoint from; /* of a hint: where the datagram went */
    uint16_t mtu_bytes;   /* what a hint says */
    bool by_kernel;
    size_t bytes;
    uint8_t *data;
};

/* ---- chance ---- */

uint64_t sim_random(struct sim *sim)
{
    /* splitmix64 */
    uint64_t z = sim->rng += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool chance(struct sim *sim, unsigned permille)
{
    return sim_random(sim) % 1000 < permille;
}

static void fill_random(void *context, void *out, size_t bytes)
{
    struct sim_node *node = context;
    uint8_t *p = out;
    while (bytes-- > 0)
        *p++ = (uint8_t)sim_random(node->sim);
}

/* ---- the queue ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void push(struct sim *sim, struct sim_event event, const uint8_t *data)
{
    if (sim->queued == EVENTS_MAX) {
        fprintf(stderr, "simulation: the network melted (%d events waiting)\n", EVENTS_MAX);
        abort();
    }
    if (sim->queued == sim->room) {
        sim->room = sim->room ? 2 * sim->room : 1024;
        sim->queue = realloc(sim->queue, sim->room * sizeof *sim->queue);
        if (!sim->queue)
            abort();
    }
    event.sequence = sim->sequence++;
    event.data = malloc(event.bytes + 1);
    if (!event.data)
        abort();
    memcpy(event.data, data, event.bytes);
    size_t i = sim->queued++;
    while (i > 0 && before(&event, &sim->queue[(i - 1) / 2])) {
        sim->queue[i] = sim->queue[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    sim->queue[i] = event;
}

static struct sim_event pop(struct sim *sim)
{
    struct sim_event first = sim->queue[0], last = sim->queue[--sim->queued];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= sim->queued)
            break;
        if (child + 1 < sim->queued && before(&sim->queue[child + 1], &sim->queue[child]))
            child++;
        if (!before(&sim->queue[child], &last))
            break;
        sim->queue[i] = sim->queue[child];
        i = child;
    }
    sim->queue[i] = last;
    return first;
}

/* ---- LANs ---- */

static void frame_on_lan(struct sim *sim, unsigned node, int skip_tap, int cable,
                         const uint8_t *frame, size_t bytes, uint64_t delay_us)
{
    struct sim_event event = {.at_us = sim->now_us + delay_us,
                              .kind = EVENT_FRAME,
                              .node = node,
                              .skip_tap = skip_tap,
                              .cable = cable,
                              .bytes = bytes};
    push(sim, event, frame);
}

static void arrive_on_lan(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->node[event->node];
    if (sim->on_lan)
        sim->on_lan(sim, event->node, event->data, event->bytes);
    for (unsigned i = 0; i < sim->cables; i++) {
        bool at_a = sim->cable[i].a == event->node, at_b = sim->cable[i].b == event->node;
        if (!sim->cable[i].up || (int)i == event->cable || (!at_a && !at_b))
            continue;
        sim->lan_frames++;
        frame_on_lan(sim, at_a ? sim->cable[i].b : sim->cable[i].a, -1, (int)i, event->data,
                     event->bytes, CABLE_DELAY_US);
    }
    if (event->skip_tap != (int)event->node && node->site) {
        sim_frame(node, NULL, event->data, event->bytes);
        sim_flush(node);
    }
}

void sim_send(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    frame_on_lan(sim, node, -1, -1, frame, bytes, 0);
}

unsigned sim_cable(struct sim *sim, unsigned a, unsigned b)
{
    sim->cable[sim->cables].a = a;
    sim->cable[sim->cables].b = b;
    sim->cable[sim->cables].up = true;
    return sim->cables++;
}

/* ---- the WAN ---- */

static struct sim_node *node_at(struct sim *sim, const struct endpoint *address)
{
    for (unsigned i = 0; i < sim->nodes; i++)
        if (endpoint_equal(&sim->node[i].address, address))
            return &sim->node[i];
    return NULL;
}

static bool may_enter(const struct sim_node *node, const struct endpoint *from)
{
    if (!node->unreachable)
        return true;
    for (unsigned i = 0; i < node->opened_count; i++)
        if (endpoint_equal(&node->opened[i], from))
            return true;
    return false;
}

static void open_mapping(struct sim_node *node, const struct endpoint *to)
{
    for (unsigned i = 0; i < node->opened_count; i++)
        if (endpoint_equal(&node->opened[i], to))
            return;
    node->opened[node->opened_count++ % 16] = *to;
    if (node->opened_count > 16)
        node->opened_count = 16;
}

static size_t outer_packet_bytes(const struct endpoint *to, size_t bytes)
{
    return bytes + UDP_HEADER_BYTES +
           (to->address.family == IP_V6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES);
}

static void push_hint(struct sim *sim, const struct sim_node *node, const struct endpoint *to,
                      size_t mtu_bytes, bool by_kernel)
{
    struct sim_event event = {.at_us = sim->now_us + (by_kernel ? 0 : sim->wan.delay_us),
                              .kind = EVENT_HINT,
                              .node = (unsigned)(node - sim->node),
                              .from = *to,
                              .mtu_bytes = (uint16_t)mtu_bytes,
                              .by_kernel = by_kernel};
    push(sim, event, (const uint8_t *)"");
}

/* A datagram too large for the machine's interface, or for a link of the WAN, goes no further. */
static bool fits(struct sim *sim, struct sim_node *from, const struct endpoint *to, size_t bytes)
{
    size_t packet_bytes = outer_packet_bytes(to, bytes);
    size_t mtu_bytes = to->address.family == IP_V6 ? from->mtu_v6_bytes : from->mtu_v4_bytes;
    if (mtu_bytes == 0 || (sim->wan.mtu_bytes && sim->wan.mtu_bytes < mtu_bytes))
        mtu_bytes = sim->wan.mtu_bytes;
    bool refused = from->interface_mtu_bytes && packet_bytes > from->interface_mtu_bytes;
    if (!refused && (mtu_bytes == 0 || packet_bytes <= mtu_bytes))
        return true;
    from->too_large++;
    if (refused)
        push_hint(sim, from, to, from->interface_mtu_bytes, true);
    else if (sim->wan.icmp && !chance(sim, sim->wan.loss_permille))
        push_hint(sim, from, to, mtu_bytes, false);
    return false;
}

static void send_one(struct sim *sim, struct sim_node *from, const struct datagram *datagram)
{
    struct endpoint to = datagram->to;
    size_t bytes = datagram->bytes;
    uint8_t data[10000];
    memcpy(data, datagram->data, bytes);

    from->datagrams_sent++;
    if (bytes > from->largest_datagram)
        from->largest_datagram = bytes;
    struct endpoint source = from->address;
    open_mapping(from, &to);
    if (sim->leave && !sim->leave(sim, (unsigned)(from - sim->node), &source, &to))
        return;
    if (sim->on_wan && !sim->on_wan(sim, (unsigned)(from - sim->node), &to, data, &bytes))
        return;
    if (!fits(sim, from, &to, bytes))
        return;
    unsigned copies = chance(sim, sim->wan.loss_permille) ? 0 : 1;
    copies += chance(sim, sim->wan.repeat_permille);
    while (copies-- > 0) {
        struct sim_node *node = sim->enter ? from : node_at(sim, &to);
        uint64_t jitter = sim->wan.jitter_us ? sim_random(sim) % sim->wan.jitter_us : 0;
        if (!node)
            return;
        struct sim_event event = {.at_us = sim->now_us + sim->wan.delay_us + jitter,
                                  .kind = EVENT_DATAGRAM,
                                  .node = (unsigned)(node - sim->node),
                                  .sender = (unsigned)(from - sim->node),
                                  .from = source,
                                  .to = to,
                                  .bytes = bytes};
        push(sim, event, data);
    }
}

/* What stands before the receiver decides when the datagram is there: its holes open in time. */
static bool enters(struct sim *sim, struct sim_event *event)
{
    if (!sim->enter || event->to.address.family == IP_NONE)
        return true;
    int node = sim->enter(sim, event->sender, &event->from, &event->to);
    if (node < 0)
        return false;
    event->node = (unsigned)node;
    return true;
}

/* Does the next event of all belong to the same turn of this node? */
static bool turn_goes_on(const struct sim *sim, const struct sim_node *node)
{
    return node->by_turns && node->turn_count < SIM_TURN_MAX && sim->queued != 0 &&
           sim->queue[0].kind == EVENT_DATAGRAM && sim->queue[0].at_us == sim->now_us &&
           &sim->node[sim->queue[0].node] == node;
}

static void end_turn(struct sim_node *node)
{
    if (node->site)
        sim_flush(node);
    while (node->turn_count > 0)
        free(node->turn[--node->turn_count]);
}

static void arrive_datagram(struct sim *sim, struct sim_event *event)
{
    if (!enters(sim, event))
        return;
    struct sim_node *node = &sim->node[event->node];
    if (node->site && may_enter(node, &event->from))
        site_receive_datagram(node->site, &event->from, event->data, event->bytes, 0, sim->now_us);
    node->turn[node->turn_count++] = event->data;
    event->data = NULL;
    if (!turn_goes_on(sim, node))
        end_turn(node);
}

static void arrive_hint(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->node[event->node];
    if (!node->site)
        return;
    site_path_hint(node->site, &event->from, event->mtu_bytes, event->by_kernel, sim->now_us);
    sim_flush(node);
}

void sim_inject(struct sim *sim, unsigned node, const struct endpoint *from, const uint8_t *data,
                size_t bytes)
{
    struct sim_event event = {.at_us = sim->now_us + sim->wan.delay_us,
                              .kind = EVENT_DATAGRAM,
                              .node = node,
                              .from = *from,
                              .bytes = bytes};
    push(sim, event, data);
}

/* ---- the shell of a node ---- */

static void op_transmit(void *context, const struct datagram *datagrams, size_t count)
{
    struct sim_node *node = context;
    for (size_t i = 0; i < count; i++)
        send_one(node->sim, node, &datagrams[i]);
}

static void frame_from_tap(struct sim_node *node, const uint8_t *frame, size_t bytes)
{
    unsigned number = (unsigned)(node - node->sim->node);
    node->frames_delivered++;
    frame_on_lan(node->sim, number, (int)number, -1, frame, bytes, LAN_DELAY_US);
}

static bool tap_takes(const struct sim_node *node, const struct offload *offload)
{
    if (node->tap_no_large)
        return offload->gso == OFFLOAD_WHOLE && !offload->checksum_partial;
    return offload->gso != OFFLOAD_UDP || !node->tap_no_large_udp;
}

/* A TAP finishes checksums and cuts large frames before they leave by another port. */
static void as_the_kernel_does(struct sim_node *node, const uint8_t *header, uint8_t *frame,
                               size_t bytes)
{
    uint8_t segment[PACKET_FRAME_MAX_BYTES];
    struct segmenter segmenter;
    struct offload offload = {0};
    struct packet packet;

    if (header &&
        (!packet_parse(&packet, frame, bytes) || !offload_read(&offload, header, &packet)))
        abort();
    if (!tap_takes(node, &offload))
        abort();
    if (offload.gso == OFFLOAD_WHOLE) {
        node->partial_delivered += offload.checksum_partial;
        if (offload.checksum_partial)
            offload_finish_checksum(&packet);
        frame_from_tap(node, frame, bytes);
        return;
    }
    node->large_delivered++;
    if (!segment_begin(&segmenter, &packet, &offload, sizeof segment, false))
        abort();
    while ((bytes = segment_next(&segmenter, segment)) != 0)
        frame_from_tap(node, segment, bytes);
}

static void op_deliver(void *context, const uint8_t *offload, const struct slice *slices,
                       size_t count)
{
    uint8_t frame[PACKET_FRAME_MAX_BYTES];
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(frame + bytes, slices[i].bytes, slices[i].length);
        bytes += slices[i].length;
    }
    as_the_kernel_does(context, offload, frame, bytes);
}

static void op_event(void *context, const struct site_event *event)
{
    struct sim_node *node = context;
    node->events[event->kind]++;
    if (event->peer)
        memcpy(node->last_event_peer, event->peer, strlen(event->peer) + 1);
    if (event->kind == EVENT_PEER_MOVED)
        node->kept = event->endpoint;
    if (event->kind == EVENT_LOOP_THROUGH_PEER)
        node->last_shut_here = event->shut_here;
}

static bool op_enrol(void *context, const struct site_enrolment *enrolment)
{
    struct sim_node *node = context;
    if (node->enrol_fails)
        return false;
    node->enrolled = *enrolment;
    node->enrolled.peer = NULL;
    node->enrolments++;
    return true;
}

/* ---- machines ---- */

void sim_begin(struct sim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof *sim);
    sim->rng = seed;
    sim->now_us = sim_random(sim) % UINT64_C(100000000);
    sim->wan.delay_us = 5000;
    sim->wan.mtu_bytes = 1500;
}

void sim_end(struct sim *sim)
{
    for (unsigned i = 0; i < sim->nodes; i++)
        sim_kill(sim, i);
    for (size_t i = 0; i < sim->queued; i++)
        free(sim->queue[i].data);
    free(sim->queue);
}

unsigned sim_add(struct sim *sim, const char *name)
{
    unsigned number = sim->nodes++;
    struct sim_node *node = &sim->node[number];
    node->sim = sim;
    memcpy(node->name, name, strlen(name) + 1);
    fill_random(node, node->private_key, sizeof node->private_key);
    noise_public_from_private(node->public_key, node->private_key);
    node->address = (struct endpoint){
        .address = ip_v4((const uint8_t[4]){203, 0, 113, (uint8_t)(number + 1)}), .port = 7788};
    node->order_on_disk = 1;
    return number;
}

void sim_use_v6(struct sim *sim, unsigned number)
{
    const uint8_t octets[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)(number + 1)};
    sim->node[number].address.address = ip_v6(octets);
}

struct site_config sim_config(const struct sim_node *node)
{
    struct site_config config = {
        .guard = GUARD_DHCP | GUARD_RA | GUARD_GATEWAY | GUARD_HOSTS | GUARD_QUERIER | GUARD_STP,
        .ttl_repair = TTL_REPAIR_MDNS | TTL_REPAIR_SSDP,
        .ipv6_on_link = true,
        .suite = {SUITE_AES256GCM, SUITE_CHACHA20POLY1305},
        .suite_count = 2,
    };
    memcpy(config.name, node->name, sizeof config.name);
    memcpy(config.private_key, node->private_key, sizeof config.private_key);
    return config;
}

void sim_start(struct sim *sim, unsigned number, const struct site_config *config)
{
    struct sim_node *node = &sim->node[number];
    struct site_config defaults = sim_config(node);
    struct site_ops ops = {node, op_transmit, op_deliver, op_event, op_enrol, fill_random};
    struct egress_ops egress = {.context = node, .transmit = op_transmit, .deliver = op_deliver};
    struct site_lan lan = {.tap_mac = {{0xfe, 0, 0, 0, 0, (uint8_t)number}},
                           .tap_takes_large = !node->tap_no_large,
                           .tap_takes_large_udp = !node->tap_no_large_udp};

    node->site = calloc(1, site_bytes());
    uint64_t first = node->order_on_disk;
    node->order_on_disk += 1 << 20; /* written ahead */
    if (!node->site || !site_init(node->site, config ? config : &defaults, &ops, first,
                                  node->order_on_disk, sim->now_us))
        abort();
    site_set_lan(node->site, &lan, sim->now_us);
    sim_split(node, &egress);
}

void sim_kill(struct sim *sim, unsigned number)
{
    struct sim_node *node = &sim->node[number];
    if (!node->site)
        return;
    site_wipe(node->site);
    free(node->site);
    sim_unsplit(node);
    node->site = NULL;
    node->opened_count = 0;
    (void)sim;
}

void sim_peer(struct sim *sim, unsigned number, unsigned other, bool call)
{
    struct sim_node *node = &sim->node[number], *peer = &sim->node[other];
    struct peer_config config = {.has_key = true, .keepalive_us = 20000000};
    struct endpoint endpoints[2];
    size_t count = 0;

    memcpy(config.name, peer->name, sizeof config.name);
    memcpy(config.public_key, peer->public_key, sizeof config.public_key);
    site_set_peer(node->site, &config, sim->now_us);
    if (node->kept.address.family != IP_NONE)
        endpoints[count++] = node->kept;
    if (call)
        endpoints[count++] = peer->address;
    site_set_endpoints(node->site, peer->name, endpoints, count, sim->now_us);
}

void sim_move(struct sim *sim, unsigned number)
{
    struct sim_node *node = &sim->node[number];
    node->address.port = (uint16_t)(1024 + sim_random(sim) % 60000);
    node->opened_count = 0;
}

/* ---- time ---- */

static uint64_t next_deadline(struct sim *sim, unsigned *which)
{
    uint64_t at = UINT64_MAX;
    for (unsigned i = 0; i < sim->nodes; i++) {
        if (!sim->node[i].site)
            continue;
        uint64_t deadline = sim_deadline_us(&sim->node[i]);
        if (deadline < at) {
            at = deadline;
            *which = i;
        }
    }
    return at;
}

static void check_progress(struct sim *sim, struct sim_node *node)
{
    /* A site that asks to be woken again and again at one instant would spin a processor. */
    if (sim_deadline_us(node) > sim->now_us) {
        node->ticks_at_us = 0;
    } else if (++node->ticks_at_us > 100) {
        fprintf(stderr, "simulation: %s spins at %llu us\n", node->name,
                (unsigned long long)sim->now_us);
        abort();
    }
}

void sim_run(struct sim *sim, uint64_t us)
{
    uint64_t end = sim->now_us + us;
    for (;;) {
        unsigned which = 0;
        uint64_t tick = next_deadline(sim, &which);
        uint64_t event = sim->queued ? sim->queue[0].at_us : UINT64_MAX;
        if ((tick < event ? tick : event) > end)
            break;
        if (event <= tick) {
            struct sim_event e = pop(sim);
            sim->now_us = e.at_us;
            if (e.kind == EVENT_DATAGRAM)
                arrive_datagram(sim, &e);
            else if (e.kind == EVENT_HINT)
                arrive_hint(sim, &e);
            else
                arrive_on_lan(sim, &e);
            free(e.data);
        } else {
            if (tick > sim->now_us)
                sim->now_us = tick;
            if (site_deadline_us(sim->node[which].site) <= sim->now_us)
                site_tick(sim->node[which].site, sim->now_us);
            sim_flush(&sim->node[which]);
            check_progress(sim, &sim->node[which]);
        }
    }
    sim->now_us = end;
}

bool sim_is_up(struct sim *sim, unsigned number, unsigned other)
{
    struct site *site = sim->node[number].site;
    struct peer_status status;
    for (size_t i = 0; site && i < site_peer_count(site); i++) {
        site_peer_status(site, i, sim->now_us, &status);
        if (strcmp(status.name, sim->node[other].name) == 0)
            return status.state == PEER_UP;
    }
    return false;
}

bool sim_run_until_up(struct sim *sim, unsigned a, unsigned b, uint64_t us)
{
    uint64_t end = sim->now_us + us;
    while (sim->now_us < end) {
        if (sim_is_up(sim, a, b) && sim_is_up(sim, b, a))
            return true;
        sim_run(sim, 1000);
    }
    return false;
}
