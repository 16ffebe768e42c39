/* SPDX-License-Identifier: MIT
 *
 * border_world.c - see border_world.h.
 */
#include "border_world.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the world sees ---- */

struct seal *border_seal_of(struct border_world *w, uint32_t index)
{
    for (unsigned i = 0; i < w->seals; i++)
        if (w->seal[i].remote_index == index)
            return &w->seal[i];
    ck_assert_uint_lt(w->seals, SESSIONS);
    w->seal[w->seals] = (struct seal){index, UINT64_MAX};
    return &w->seal[w->seals++];
}

static bool on_wan(struct sim *sim, unsigned from, struct endpoint *to, uint8_t *data,
                   size_t *bytes)
{
    struct border_world *w = sim->context;
    if (from != HOME || data[0] != WIRE_DATA || *bytes < DATA_HEADER_BYTES)
        return true;
    struct seal *seal = border_seal_of(w, load_be32(data + 4));
    uint64_t counter = load_be64(data + 8);
    w->out_of_order += counter != seal->counter + 1;
    seal->counter = counter;
    for (unsigned n = 0; n < sim->nodes && n < NODES; n++)
        w->sent_to[n] += endpoint_equal(&sim->node[n].address, to);
    return true;
}

static void on_lan(struct sim *sim, unsigned node, const uint8_t *frame, size_t bytes)
{
    struct border_world *w = sim->context;
    uint8_t copy[FRAME_BYTES_MAX];
    struct packet packet;
    ck_assert_uint_le(bytes, sizeof copy);
    memcpy(copy, frame, bytes);
    if (!packet_parse(&packet, copy, bytes))
        return;
    if (loop_is_probe(&packet) && node == HOME && bytes == sizeof w->probe)
        memcpy(w->probe, frame, bytes);
    if (packet.protocol != IP_PROTOCOL_UDP || packet.destination_port != PORT)
        return;
    const uint8_t *ip = frame + ETHER_HEADER_BYTES, *udp = ip + IPV4_HEADER_BYTES;
    struct ip_address source = ip_v4(ip + 12), destination = ip_v4(ip + 16);
    w->bad_checksums +=
        !frame_upper_checksum_good(&source, &destination, IP_PROTOCOL_UDP, udp, load_be16(udp + 4));
    uint32_t number = load_be32(udp + UDP_HEADER_BYTES);
    ck_assert_uint_lt(number, NUMBERS);
    w->came[node][number]++;
}

/* ---- HOME's two threads ---- */

static void op_transmit(void *context, const struct datagram *datagrams, size_t count)
{
    struct border_world *w = context;
    const struct site_ops *ops = &w->sim.node[HOME].site->ops;
    ops->transmit(ops->context, datagrams, count);
    if (w->while_sending)
        w->while_sending(w);
}

static void op_deliver(void *context, const uint8_t *offload, const struct slice *slices,
                       size_t count)
{
    struct border_world *w = context;
    const struct site_ops *ops = &w->sim.node[HOME].site->ops;
    ops->deliver(ops->context, offload, slices, count);
}

static void op_wake_site(void *context)
{
    struct border_world *w = context;
    w->site_woken = true;
}

static void op_wake_egress(void *context)
{
    struct border_world *w = context;
    w->egress_woken = true;
}

struct site *border_home(struct border_world *w)
{
    return w->sim.node[HOME].site;
}

struct peer *border_peer_of(struct border_world *w, unsigned node)
{
    return site_find_peer(border_home(w), w->sim.node[node].name);
}

struct egress_peer *border_egress_peer_of(struct border_world *w, unsigned node)
{
    return &border_home(w)->egress.peer[peer_number(border_home(w), border_peer_of(w, node))];
}

void border_split(struct border_world *w)
{
    struct egress_ops ops = {w, op_transmit, op_deliver, op_wake_site, op_wake_egress};
    mailbox_init(&w->orders, w->memory[0], ORDERS_BYTES);
    mailbox_init(&w->notes, w->memory[1], NOTES_BYTES);
    w->egress = site_split(border_home(w), &ops, &w->orders, &w->notes);
}

void border_join(struct border_world *w)
{
    site_join(border_home(w), w->sim.now_us);
    w->egress = NULL;
}

void border_egress_turn(struct border_world *w)
{
    w->egress_woken = false;
    egress_take_orders(w->egress, w->sim.now_us);
    egress_flush(w->egress, w->sim.now_us);
}

void border_site_turn(struct border_world *w)
{
    w->site_woken = false;
    site_take_notes(border_home(w), w->sim.now_us);
    site_flush(border_home(w), w->sim.now_us);
}

/* Whoever was woken, or waited for this time, has its turn; nobody else. */
void border_take_turns(struct border_world *w)
{
    while (w->egress &&
           (w->egress_woken || w->site_woken || egress_deadline_us(w->egress) <= w->sim.now_us)) {
        if (w->egress_woken || egress_deadline_us(w->egress) <= w->sim.now_us)
            border_egress_turn(w);
        if (w->site_woken)
            border_site_turn(w);
    }
}

void border_run(struct border_world *w, uint64_t us)
{
    for (uint64_t end = w->sim.now_us + us; w->sim.now_us < end;) {
        border_take_turns(w);
        sim_run(&w->sim, STEP_US);
    }
    border_take_turns(w);
}

/* ---- the world ---- */

/* Replayed, or forged. */
static uint64_t refused(const struct border_world *w)
{
    uint64_t sum = 0;
    for (unsigned n = PARENTS; n < NODES; n++) {
        const struct site_counters *c = site_counters(w->sim.node[n].site);
        sum += c->replay_dropped + c->auth_failed;
    }
    return sum;
}

void border_start(struct border_world *w, bool hub)
{
    memset(w, 0, sizeof *w);
    unsetenv("LANSPLICE_SIM_THREADS");
    sim_begin(&w->sim, 1);
    w->sim.context = w;
    w->sim.on_lan = on_lan;
    w->sim.on_wan = on_wan;
    static const char *const names[NODES] = {"home", "parents", "aunt"};
    for (unsigned n = 0; n < NODES; n++) {
        sim_add(&w->sim, names[n]);
        struct site_config config = sim_config(&w->sim.node[n]);
        config.hub = hub && n == HOME;
        sim_start(&w->sim, n, &config);
    }
    for (unsigned n = PARENTS; n < NODES; n++) {
        sim_peer(&w->sim, HOME, n, true);
        sim_peer(&w->sim, n, HOME, true);
        ck_assert(sim_run_until_up(&w->sim, HOME, n, 5 * SECOND_US));
    }
    sim_run(&w->sim, SECOND_US);
    w->refused = refused(w); /* both began to call */
}

void border_finish(struct border_world *w)
{
    ck_assert_uint_eq(w->out_of_order, 0);
    ck_assert_uint_eq(w->bad_checksums, 0);
    ck_assert_uint_eq(refused(w), w->refused);
    if (w->egress)
        border_join(w);
    sim_end(&w->sim);
}

/* A UDP datagram with a number in it. MAC 02::n0 is a host of node n. */
size_t border_numbered(uint8_t *out, unsigned from, struct mac to, uint32_t number,
                       size_t payload_bytes)
{
    uint8_t payload[1400] = {0};
    struct frame_spec spec = {.source = frame_mac((uint16_t)(from << 4)),
                              .destination = to,
                              .ip_source = frame_ip("192.168.1.7"),
                              .ip_destination = frame_ip("192.168.1.8"),
                              .ttl = 64,
                              .source_port = PORT + 1,
                              .destination_port = PORT};
    store_be32(payload, number);
    return frame_udp(out, spec, payload, payload_bytes);
}

struct mac border_host_of(unsigned node)
{
    return frame_mac((uint16_t)(node << 4));
}

void border_from_lan(struct border_world *w, uint8_t *frame, size_t bytes)
{
    if (w->egress)
        egress_receive_frame(w->egress, NULL, frame, bytes, w->sim.now_us);
    else
        site_receive_frame(border_home(w), NULL, frame, bytes, w->sim.now_us);
}

void border_send_numbered(struct border_world *w, struct mac to, uint32_t number)
{
    uint8_t frame[FRAME_BYTES_MAX];
    border_from_lan(w, frame, border_numbered(frame, HOME, to, number, 100));
}

/* A host of @node speaks, so that HOME knows where it lives. */
void border_speak(struct border_world *w, unsigned node, struct mac to, uint32_t number,
                  size_t bytes)
{
    uint8_t frame[FRAME_BYTES_MAX];
    sim_send(&w->sim, node, frame, border_numbered(frame, node, to, number, bytes));
}

void border_flush(struct border_world *w)
{
    if (w->egress)
        egress_flush(w->egress, w->sim.now_us);
    else
        site_flush(border_home(w), w->sim.now_us);
}

unsigned border_came_once(const struct border_world *w, unsigned node, uint32_t from, uint32_t to)
{
    unsigned count = 0;
    for (uint32_t n = from; n < to; n++) {
        ck_assert_uint_le(w->came[node][n], 1);
        count += w->came[node][n];
    }
    return count;
}

uint64_t border_orders_lost(struct border_world *w)
{
    return site_counters(border_home(w))->orders_lost;
}

/* ---- a full mailbox of orders ---- */

struct site_config border_options(struct border_world *w)
{
    struct site_config config = sim_config(&w->sim.node[HOME]);
    config.hub = border_home(w)->config.hub;
    return config;
}

/* Orders that must arrive, until no more than @room_bytes of a body have room. */
void border_fill_orders(struct border_world *w, size_t room_bytes)
{
    struct site_config config = border_options(w);
    size_t before;
    do {
        before = mailbox_room(&w->orders);
        config.icmp_hint = !config.icmp_hint;
        site_set_options(border_home(w), &config);
        if (before == mailbox_room(&w->orders))
            break;
    } while (mailbox_room(&w->orders) > room_bytes);
}

void border_rekey(struct border_world *w, unsigned node)
{
    peer_initiate(border_home(w), border_peer_of(w, node));
    sim_run(&w->sim, SECOND_US / 20);
}

bool border_all_known(struct border_world *w, unsigned node)
{
    const struct peer *peer = border_peer_of(w, node);
    const struct egress_peer *known = border_egress_peer_of(w, node);
    return known->sealer.remote_index == peer->current->remote_index &&
           endpoint_equal(&known->path.to, &peer->endpoint) &&
           known->path.usable_bytes == path_mtu_usable_bytes(peer_mtu(peer)) &&
           known->path.up == peer->up &&
           border_home(w)->egress.rules.guard == border_home(w)->config.guard;
}
