/* SPDX-License-Identifier: MIT
 *
 * loop.c - loop probes: the schedule, the frame, and what a returning one means; loop.h has the
 * rules and the table of conclusions that the functions below follow.
 */
#include "frame/loop.h"

#include "bytes.h"

#include <sodium.h>

enum {
    AT_SOURCE = 6,
    AT_ETHER_TYPE = 12,
    AT_MAGIC = 14,
    AT_ORIGIN = 18,
    AT_NONCE = 26,
    AT_SENT_TO = 34,
    AT_FLAGS = 36,
    AT_COUNT = 37,
    AT_TAG = 38,
    AT_STAMPS = 54,
    TAGGED_BYTES = AT_COUNT - AT_ORIGIN,
    MAGIC_BYTES = 4,
    LANS_EVERY_ROUNDS = 4,
};

static const struct mac PROBE_GROUP = {{0x03, 0x6c, 0x73, 0x6c, 0x70, 0x01}};
static const uint8_t MAGIC[MAGIC_BYTES] = {'L', 'S', 'P', '1'};

/* A received probe, checked in form only. */
struct probe {
    const uint8_t *frame;
    const uint8_t *origin;
    uint64_t round;
    uint16_t sent_to;
    uint8_t flags;
    uint8_t stamps;
};

/* What an own probe came by. */
struct trip {
    uint16_t sent_to, from;
    bool lans;         /* a stamp on or off a LAN */
    bool shut;         /* a stamp from where data is not passed */
    bool i_am_lowest;  /* of me and all members */
    bool lan_is_mine;  /* lowest of me and the members on a LAN */
    bool sent_to_less; /* the first member's id is less than the last one's */
};

/* ---- rate limits and the state of what can be shut ---- */

static bool rate_admits(struct loop_rate *rate, uint64_t each_us, uint64_t now_us)
{
    if (rate->idle_at_us < now_us)
        rate->idle_at_us = now_us;
    if (rate->idle_at_us - now_us > UINT64_C(1000000) - each_us)
        return false;
    rate->idle_at_us += each_us;
    return true;
}

static uint64_t shut_hold_us(const struct loop_shut *s, uint64_t now_us)
{
    if (!s->reopened || now_us - s->reopened_us >= LOOP_RECURS_US)
        return LOOP_HOLD_FIRST_US;
    return s->hold_us * 2 < LOOP_HOLD_MOST_US ? s->hold_us * 2 : LOOP_HOLD_MOST_US;
}

/* A loop was proved. Returns true when this shuts what was open. */
static bool shut_arm(struct loop_shut *s, uint16_t other, uint64_t now_us)
{
    s->proved_us = now_us;
    s->other = other;
    s->waived = false;
    if (s->shut)
        return false;
    s->hold_us = shut_hold_us(s, now_us);
    s->shut = true;
    return true;
}

static uint64_t shut_until_us(const struct loop_shut *s)
{
    return s->proved_us + LOOP_SILENCE_US + (s->waived ? 0 : s->hold_us);
}

static bool shut_reopen(struct loop_shut *s, uint64_t now_us)
{
    if (!s->shut || now_us < shut_until_us(s))
        return false;
    s->shut = false;
    s->reopened = true;
    s->reopened_us = now_us;
    return true;
}

static void shut_other_gone(struct loop_shut *s, uint16_t other)
{
    if (s->shut && s->other == other)
        s->waived = true;
}

/* ---- life and schedule ---- */

void loop_init(struct loop *l, const uint8_t site_id[8], bool hub, const uint8_t secret[32],
               const struct mac *tap_mac, uint64_t now_us)
{
    memset(l, 0, sizeof *l);
    memcpy(l->id, site_id, sizeof l->id);
    memcpy(l->secret, secret, sizeof l->secret);
    l->tap_mac = *tap_mac;
    l->hub = hub;
    l->round = 1;
    loop_link_changed(l, now_us);
}

void loop_set_tap_mac(struct loop *l, const struct mac *tap_mac)
{
    l->tap_mac = *tap_mac;
}

void loop_set_hub(struct loop *l, bool hub, uint64_t now_us)
{
    if (l->hub == hub)
        return;
    l->hub = hub;
    loop_link_changed(l, now_us);
}

void loop_hint(struct loop *l, uint64_t now_us)
{
    uint64_t soonest_us = now_us;
    if (l->has_sent && soonest_us < l->last_us + LOOP_HINT_US)
        soonest_us = l->last_us + LOOP_HINT_US;
    if (!l->has_sent || soonest_us < l->next_us)
        l->next_us = soonest_us;
}

void loop_link_changed(struct loop *l, uint64_t now_us)
{
    l->quick_until_us = now_us + LOOP_QUICK_FOR_US;
    loop_hint(l, now_us);
}

void loop_peer_gone(struct loop *l, uint16_t port)
{
    if (port >= LOOP_PEERS_MAX)
        return;
    struct loop_link *gone = &l->link[port];
    gone->echoes = gone->told = false;
    if (gone->shut.shut) {
        /* Should the loop be there again when it returns, that is a recurrence. */
        gone->shut.shut = false;
        gone->shut.reopened = true;
        gone->shut.reopened_us = gone->shut.proved_us;
    }
    shut_other_gone(&l->port, port);
    for (size_t i = 0; i < LOOP_PEERS_MAX; i++)
        shut_other_gone(&l->link[i].shut, port);
}

bool loop_due(const struct loop *l, uint64_t now_us)
{
    return now_us >= l->next_us;
}

uint64_t loop_deadline_us(const struct loop *l)
{
    uint64_t at_us = l->next_us;
    if (l->port.shut && shut_until_us(&l->port) < at_us)
        at_us = shut_until_us(&l->port);
    for (size_t i = 0; i < LOOP_PEERS_MAX; i++)
        if (l->link[i].shut.shut && shut_until_us(&l->link[i].shut) < at_us)
            at_us = shut_until_us(&l->link[i].shut);
    return at_us;
}

void loop_sent(struct loop *l, uint64_t now_us)
{
    l->has_sent = true;
    l->last_us = now_us;
    l->round++;
    l->next_us = now_us + (now_us < l->quick_until_us ? LOOP_QUICK_US : LOOP_SLOW_US);
}

void loop_tick(struct loop *l, uint64_t now_us, struct loop_event *event)
{
    *event = (struct loop_event){.kind = LOOP_NONE};
    if (shut_reopen(&l->port, now_us)) {
        *event = (struct loop_event){.kind = LOOP_REOPENED, .port = LOOP_LAN, .shut_here = true};
        return;
    }
    for (size_t i = 0; i < LOOP_PEERS_MAX; i++)
        if (shut_reopen(&l->link[i].shut, now_us)) {
            *event =
                (struct loop_event){.kind = LOOP_REOPENED, .port = (uint16_t)i, .shut_here = true};
            return;
        }
}

bool loop_site_shut(const struct loop *l)
{
    return l->port.shut;
}

bool loop_peer_shut(const struct loop *l, uint16_t port)
{
    return port < LOOP_PEERS_MAX && l->link[port].shut.shut;
}

/* ---- the frame ---- */

static void make_tag(const struct loop *l, const uint8_t *frame, uint8_t tag[LOOP_TAG_BYTES])
{
    crypto_generichash(tag, LOOP_TAG_BYTES, frame + AT_ORIGIN, TAGGED_BYTES, l->secret,
                       sizeof l->secret);
}

/* Probes to peers go on into their LANs only now and then: they wake every device there. */
static bool round_is_for_lans(const struct loop *l, uint64_t now_us)
{
    if (now_us < l->quick_until_us || l->round % LANS_EVERY_ROUNDS == 0)
        return true;
    for (size_t i = 0; i < LOOP_PEERS_MAX; i++)
        if (l->link[i].shut.shut || l->link[i].echoes)
            return true;
    return false;
}

size_t loop_build(struct loop *l, uint16_t sent_to, uint8_t *out, size_t capacity, uint64_t now_us)
{
    if (capacity < LOOP_PROBE_BYTES || (sent_to != LOOP_LAN && sent_to >= LOOP_PEERS_MAX))
        return 0;
    bool lans = sent_to == LOOP_LAN || round_is_for_lans(l, now_us);

    memset(out, 0, LOOP_PROBE_BYTES);
    memcpy(out, PROBE_GROUP.octet, sizeof PROBE_GROUP.octet);
    memcpy(out + AT_SOURCE, l->tap_mac.octet, sizeof l->tap_mac.octet);
    store_be16(out + AT_ETHER_TYPE, ETHER_TYPE_LOOP);
    memcpy(out + AT_MAGIC, MAGIC, sizeof MAGIC);
    memcpy(out + AT_ORIGIN, l->id, sizeof l->id);
    store_be64(out + AT_NONCE, l->round);
    store_be16(out + AT_SENT_TO, sent_to);
    out[AT_FLAGS] = lans ? LOOP_FLAG_LANS : 0;
    make_tag(l, out, out + AT_TAG);

    l->round_us[l->round % LOOP_ROUNDS] = now_us;
    return LOOP_PROBE_BYTES;
}

bool loop_is_probe(const struct packet *p)
{
    return p->ether_type == ETHER_TYPE_LOOP && p->vlan_tags == 0 &&
           mac_equal(&p->destination, &PROBE_GROUP) && p->frame_bytes >= AT_MAGIC + MAGIC_BYTES &&
           memcmp(p->frame + AT_MAGIC, MAGIC, MAGIC_BYTES) == 0;
}

static const uint8_t *stamp_at(const uint8_t *frame, unsigned n)
{
    return frame + AT_STAMPS + (size_t)n * LOOP_STAMP_BYTES;
}

static void add_stamp(const struct loop *l, uint8_t *frame, unsigned stamp)
{
    uint8_t *at = frame + AT_STAMPS + (size_t)frame[AT_COUNT] * LOOP_STAMP_BYTES;
    memcpy(at, l->id, LOOP_ID_BYTES);
    at[LOOP_ID_BYTES] = (uint8_t)stamp;
    frame[AT_COUNT]++;
}

static bool read_probe(struct probe *probe, const struct packet *p)
{
    if (p->frame_bytes < LOOP_PROBE_BYTES || p->frame[AT_COUNT] > LOOP_STAMPS_MAX)
        return false;
    *probe = (struct probe){
        .frame = p->frame,
        .origin = p->frame + AT_ORIGIN,
        .round = load_be64(p->frame + AT_NONCE),
        .sent_to = load_be16(p->frame + AT_SENT_TO),
        .flags = p->frame[AT_FLAGS],
        .stamps = p->frame[AT_COUNT],
    };
    return true;
}

/* A peer cannot speak for another: what it sends is its own, or bears its stamp last. */
static bool is_by(const struct probe *probe, const uint8_t from_id[LOOP_ID_BYTES])
{
    const uint8_t *by =
        probe->stamps == 0 ? probe->origin : stamp_at(probe->frame, probe->stamps - 1u);
    return from_id && memcmp(by, from_id, LOOP_ID_BYTES) == 0;
}

static bool bears_my_stamp(const struct loop *l, const struct probe *probe)
{
    for (unsigned i = 0; i < probe->stamps; i++)
        if (memcmp(stamp_at(probe->frame, i), l->id, LOOP_ID_BYTES) == 0)
            return true;
    return false;
}

/* ---- own probes ---- */

static bool is_fresh(const struct loop *l, uint64_t round, uint64_t now_us)
{
    if (round == 0 || round > l->round || l->round - round >= LOOP_ROUNDS)
        return false;
    return now_us - l->round_us[round % LOOP_ROUNDS] <= LOOP_FRESH_US;
}

static bool is_authentic(const struct loop *l, const struct probe *probe)
{
    uint8_t tag[LOOP_TAG_BYTES];
    make_tag(l, probe->frame, tag);
    return sodium_memcmp(tag, probe->frame + AT_TAG, sizeof tag) == 0;
}

static struct trip read_trip(const struct loop *l, const struct probe *probe, uint16_t from)
{
    struct trip trip = {
        .sent_to = probe->sent_to, .from = from, .i_am_lowest = true, .lan_is_mine = true};
    for (unsigned i = 0; i < probe->stamps; i++) {
        const uint8_t *stamp = stamp_at(probe->frame, i);
        unsigned how = stamp[LOOP_ID_BYTES];
        bool on_lan = (how & (LOOP_STAMP_OFF_LAN | LOOP_STAMP_ONTO_LAN)) != 0;
        bool lower = memcmp(stamp, l->id, LOOP_ID_BYTES) < 0;
        trip.lans |= on_lan;
        trip.shut |= (how & LOOP_STAMP_SHUT) != 0;
        trip.i_am_lowest &= !lower;
        trip.lan_is_mine &= !(on_lan && lower);
    }
    if (probe->stamps != 0)
        trip.sent_to_less = memcmp(stamp_at(probe->frame, 0),
                                   stamp_at(probe->frame, probe->stamps - 1u), LOOP_ID_BYTES) < 0;
    return trip;
}

static void shut_port(struct loop *l, enum loop_event_kind kind, uint16_t other,
                      struct loop_event *event, uint64_t now_us)
{
    if (shut_arm(&l->port, other, now_us))
        *event = (struct loop_event){.kind = kind, .port = other, .shut_here = true};
}

/* The port is at one end of the loop, peer @port at the other. */
static void judge_through_peer(struct loop *l, const struct trip *trip, uint16_t port,
                               struct loop_event *event, uint64_t now_us)
{
    struct loop_link *link = &l->link[port];
    if (!trip->lans)
        return;
    if (trip->lan_is_mine) {
        shut_port(l, LOOP_THROUGH_PEER, port, event, now_us);
    } else if (!link->told || now_us - link->told_us >= LOOP_TELL_US) {
        link->told = true;
        link->told_us = now_us;
        *event = (struct loop_event){.kind = LOOP_THROUGH_PEER, .port = port};
    }
}

/* Only the site that both homes peer with sees that their LANs are one, unless those two see it by
 * another way: then a port on this way will soon be shut, and there is nothing to do here. */
static bool echo_lasts(struct loop *l, struct loop_link *link, bool shut, uint64_t now_us)
{
    if (shut) {
        link->echoes = false;
        return false;
    }
    if (!link->echoes || now_us - link->echo_last_us > LOOP_FRESH_US) {
        link->echoes = true;
        link->echo_first_us = now_us;
        loop_link_changed(l, now_us);
    }
    link->echo_last_us = now_us;
    return now_us - link->echo_first_us >= LOOP_ECHO_US;
}

static void judge_overlay(struct loop *l, const struct trip *trip, struct loop_event *event,
                          uint64_t now_us)
{
    uint16_t lower = trip->sent_to_less ? trip->sent_to : trip->from;
    uint16_t higher = trip->sent_to_less ? trip->from : trip->sent_to;
    if (l->hub && (trip->lans || !trip->i_am_lowest))
        return;
    if (trip->lans && !echo_lasts(l, &l->link[lower], trip->shut, now_us))
        return;
    if (shut_arm(&l->link[lower].shut, higher, now_us))
        *event = (struct loop_event){.kind = LOOP_OVERLAY, .port = lower, .shut_here = true};
}

static void judge(struct loop *l, const struct probe *probe, uint16_t from,
                  struct loop_event *event, uint64_t now_us)
{
    struct trip trip = read_trip(l, probe, from);
    bool out_by_lan = trip.sent_to == LOOP_LAN, back_by_lan = from == LOOP_LAN;
    if (out_by_lan && back_by_lan) {
        if (probe->stamps == 0)
            shut_port(l, LOOP_ON_LAN, LOOP_LAN, event, now_us);
    } else if (out_by_lan || back_by_lan) {
        judge_through_peer(l, &trip, out_by_lan ? from : trip.sent_to, event, now_us);
    } else if (trip.sent_to != from) {
        judge_overlay(l, &trip, event, now_us);
    }
}

static void receive_own(struct loop *l, const struct probe *probe, uint16_t from,
                        struct loop_event *event, uint64_t now_us)
{
    /* Cheapest first: in a storm there are many of these. */
    if (is_fresh(l, probe->round, now_us) && rate_admits(&l->own, LOOP_OWN_EACH_US, now_us) &&
        is_authentic(l, probe))
        judge(l, probe, from, event, now_us);
}

/* ---- others' probes ---- */

/* Write the stamped probe for the peers to @out and, for the LAN, stamp the frame in place. */
static enum loop_verdict pass_on(struct loop *l, uint8_t *frame, const struct probe *probe,
                                 uint16_t from, uint8_t *out, size_t *out_bytes, bool *to_lan)
{
    bool off_lan = from == LOOP_LAN;
    unsigned shut = l->port.shut ? LOOP_STAMP_SHUT : 0;
    unsigned link_shut = loop_peer_shut(l, from) ? LOOP_STAMP_SHUT : 0;

    if (off_lan || l->hub) {
        memcpy(out, frame, LOOP_PROBE_BYTES);
        add_stamp(l, out, off_lan ? LOOP_STAMP_OFF_LAN | shut : LOOP_STAMP_HUB | link_shut);
        *out_bytes = LOOP_PROBE_BYTES;
    }
    if (!off_lan && (probe->flags & LOOP_FLAG_LANS) != 0) {
        add_stamp(l, frame, LOOP_STAMP_ONTO_LAN | shut | link_shut);
        *to_lan = true;
    }
    return *out_bytes != 0 || *to_lan ? LOOP_FORWARD : LOOP_CONSUME;
}

enum loop_verdict loop_receive(struct loop *l, struct packet *p, uint16_t from,
                               const uint8_t from_id[8], uint8_t *out, size_t capacity,
                               size_t *out_bytes, bool *to_lan, struct loop_event *event,
                               uint64_t now_us)
{
    struct probe probe;
    *out_bytes = 0;
    *to_lan = false;
    *event = (struct loop_event){.kind = LOOP_NONE};
    if (!read_probe(&probe, p) || (from != LOOP_LAN && from >= LOOP_PEERS_MAX))
        return LOOP_CONSUME;
    if (from != LOOP_LAN && !is_by(&probe, from_id))
        return LOOP_CONSUME;
    if (memcmp(probe.origin, l->id, LOOP_ID_BYTES) == 0) {
        receive_own(l, &probe, from, event, now_us);
        return LOOP_CONSUME;
    }
    if (capacity < LOOP_PROBE_BYTES || probe.stamps == LOOP_STAMPS_MAX ||
        bears_my_stamp(l, &probe) || !rate_admits(&l->passed, LOOP_PASSED_EACH_US, now_us))
        return LOOP_CONSUME;
    return pass_on(l, p->frame, &probe, from, out, out_bytes, to_lan);
}
