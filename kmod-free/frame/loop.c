/* SPDX-License-Identifier: MIT
 *
 * loop.c - loop probes: the schedule, the frame, and what a returning one means; loop.h has the
 * rules and the table of conclusions that the functions below follow.
 */
#include "frame/loop.h"

#include "bytes.h"
#include "rate.h"

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
    bool lans;                  /* a stamp on or off a LAN */
    bool shut;                  /* a stamp from where data is not passed */
    bool first_shut, last_shut; /* the first, the last stamp is one */
    bool i_am_lowest;           /* of me and all members */
    bool lan_is_mine;           /* lowest of me and the members on a LAN */
    bool sent_to_less;          /* the first member's id is less than the last one's */
};

/* ---- rate limits and the state of what can be shut ---- */

/* What comes from one side: so many in a second, and no more than a second's at once. */
static bool admits(uint64_t *whole_us, uint64_t each_us, uint64_t now_us)
{
    return rate_admits(whole_us, each_us, (unsigned)(UINT64_C(1000000) / each_us), now_us);
}

static struct loop_limits *limits_of(struct loop *l, uint16_t from)
{
    return from == LOOP_LAN ? &l->lan_limits : &l->link[from].limits;
}

static uint64_t earlier(uint64_t a_us, uint64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
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
    bool was_open = !s->shut;
    if (was_open)
        s->hold_us = shut_hold_us(s, now_us);
    s->shut = true;
    s->other = other;
    s->proved_us = now_us;
    s->open_us = now_us + LOOP_SILENCE_US + s->hold_us;
    return was_open;
}

/* Whether probes are to tell that it is shut: no more when it is about to open. */
static bool shut_tells(const struct loop_shut *s, uint64_t now_us)
{
    return s->shut && now_us + LOOP_LISTEN_US < s->open_us;
}

static bool shut_reopen(struct loop_shut *s, uint64_t now_us)
{
    if (!s->shut || now_us < s->open_us)
        return false;
    s->shut = false;
    s->reopened = true;
    s->reopened_us = now_us;
    return true;
}

/* No hold-down, then. */
static void shut_other_gone(struct loop_shut *s, uint16_t other, uint64_t now_us)
{
    if (!s->shut || s->other != other)
        return;
    uint64_t silent_us = s->proved_us + LOOP_SILENCE_US;
    uint64_t listened_us = now_us + LOOP_LISTEN_US;
    s->open_us = earlier(s->open_us, silent_us > listened_us ? silent_us : listened_us);
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

void loop_peer_gone(struct loop *l, uint16_t port, uint64_t now_us)
{
    if (port >= LOOP_PEERS_MAX)
        return;
    struct loop_link *gone = &l->link[port];
    gone->echoes = gone->far_shut = gone->told = false;
    if (gone->shut.shut) {
        /* Should the loop be there again when it returns, that is a recurrence. */
        gone->shut.shut = false;
        gone->shut.reopened = true;
        gone->shut.reopened_us = gone->shut.proved_us;
    }
    shut_other_gone(&l->port, port, now_us);
    for (size_t i = 0; i < LOOP_PEERS_MAX; i++)
        shut_other_gone(&l->link[i].shut, port, now_us);
}

static bool is_echoing(const struct loop_link *link, uint64_t now_us)
{
    return link->echoes && now_us - link->echo_last_us <= LOOP_FRESH_US;
}

/* What no probe proved lately may be gone, or the probes were lost: from then on there are quick
 * rounds, so that what opens does so rightly. */
static void find_overdue(struct loop *l)
{
    l->overdue_us = l->port.shut ? l->port.proved_us + LOOP_OVERDUE_US : UINT64_MAX;
    for (size_t i = 0; i < LOOP_PEERS_MAX; i++) {
        const struct loop_link *link = &l->link[i];
        if (link->shut.shut)
            l->overdue_us = earlier(l->overdue_us, link->shut.proved_us + LOOP_OVERDUE_US);
        if (link->echoes && l->last_us <= link->echo_last_us + LOOP_FRESH_US)
            l->overdue_us = earlier(l->overdue_us, link->echo_last_us + LOOP_OVERDUE_US);
    }
}

static uint64_t next_round_us(const struct loop *l)
{
    uint64_t quick_us = l->last_us + LOOP_QUICK_US;
    if (!l->has_sent)
        return l->next_us;
    return earlier(l->next_us, l->overdue_us > quick_us ? l->overdue_us : quick_us);
}

bool loop_due(const struct loop *l, uint64_t now_us)
{
    return now_us >= next_round_us(l);
}

uint64_t loop_deadline_us(const struct loop *l)
{
    uint64_t at_us = next_round_us(l);
    if (l->port.shut)
        at_us = earlier(at_us, l->port.open_us);
    for (size_t i = 0; i < LOOP_PEERS_MAX; i++)
        if (l->link[i].shut.shut)
            at_us = earlier(at_us, l->link[i].shut.open_us);
    return at_us;
}

void loop_sent(struct loop *l, uint64_t now_us)
{
    l->has_sent = true;
    l->last_us = now_us;
    l->round++;
    l->next_us = now_us + (now_us < l->quick_until_us ? LOOP_QUICK_US : LOOP_SLOW_US);
    find_overdue(l);
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
static bool is_for_lans(const struct loop *l, uint16_t sent_to, uint64_t now_us)
{
    if (sent_to == LOOP_LAN || is_echoing(&l->link[sent_to], now_us))
        return true;
    if (now_us < l->quick_until_us || l->round % LANS_EVERY_ROUNDS == 0)
        return true;
    for (size_t i = 0; i < LOOP_PEERS_MAX; i++)
        if (l->link[i].shut.shut)
            return true;
    return false;
}

size_t loop_build(struct loop *l, uint16_t sent_to, uint8_t *out, size_t capacity, uint64_t now_us)
{
    if (capacity < LOOP_PROBE_BYTES || (sent_to != LOOP_LAN && sent_to >= LOOP_PEERS_MAX))
        return 0;
    bool lans = is_for_lans(l, sent_to, now_us);

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

size_t loop_used_bytes(const uint8_t frame[LOOP_PROBE_BYTES])
{
    return (size_t)(stamp_at(frame, frame[AT_COUNT]) - frame);
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
    if (probe->stamps == 0)
        return trip;
    const uint8_t *first = stamp_at(probe->frame, 0);
    const uint8_t *last = stamp_at(probe->frame, probe->stamps - 1u);
    trip.sent_to_less = memcmp(first, last, LOOP_ID_BYTES) < 0;
    trip.first_shut = (first[LOOP_ID_BYTES] & LOOP_STAMP_SHUT) != 0;
    trip.last_shut = (last[LOOP_ID_BYTES] & LOOP_STAMP_SHUT) != 0;
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

static void note_echo(struct loop *l, struct loop_link *link, bool far_shut, uint64_t now_us)
{
    if (!is_echoing(link, now_us)) {
        link->echoes = true;
        link->far_shut = false;
        link->echo_first_us = now_us;
        loop_link_changed(l, now_us);
    }
    link->echo_last_us = now_us;
    if (far_shut) {
        link->far_shut = true;
        link->far_shut_us = now_us;
    }
}

static bool is_far_shut(const struct loop_link *link, uint64_t now_us)
{
    return link->far_shut && now_us - link->far_shut_us <= LOOP_FRESH_US;
}

/* Only the site that both homes peer with sees that their LANs are one, unless those two see it by
 * another way: then a port on this way will soon be shut, and there is nothing to do here as long
 * as that is so. Once it is told to be open, there is no time to lose. */
static bool echo_lasts(struct loop *l, const struct trip *trip, uint64_t now_us)
{
    struct loop_link *to = &l->link[trip->sent_to], *from = &l->link[trip->from];
    note_echo(l, to, trip->first_shut, now_us);
    note_echo(l, from, trip->last_shut, now_us);
    return !trip->shut && now_us - to->echo_first_us >= LOOP_ECHO_US &&
           now_us - from->echo_first_us >= LOOP_ECHO_US;
}

/* Which of two links to shut: one that carries nothing anyway, else that to the lower id. */
static bool sent_to_yields(const struct loop *l, const struct trip *trip, uint64_t now_us)
{
    const struct loop_link *to = &l->link[trip->sent_to], *from = &l->link[trip->from];
    if (to->shut.shut != from->shut.shut)
        return to->shut.shut;
    if (is_far_shut(to, now_us) != is_far_shut(from, now_us))
        return is_far_shut(to, now_us);
    return trip->sent_to_less;
}

static void judge_overlay(struct loop *l, const struct trip *trip, struct loop_event *event,
                          uint64_t now_us)
{
    if (l->hub && (trip->lans || !trip->i_am_lowest))
        return;
    if (trip->lans && !echo_lasts(l, trip, now_us))
        return;
    bool sent_to = sent_to_yields(l, trip, now_us);
    uint16_t yields = sent_to ? trip->sent_to : trip->from;
    uint16_t stays = sent_to ? trip->from : trip->sent_to;
    if (shut_arm(&l->link[yields].shut, stays, now_us))
        *event = (struct loop_event){.kind = LOOP_OVERLAY, .port = yields, .shut_here = true};
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
    if (is_fresh(l, probe->round, now_us) &&
        admits(&limits_of(l, from)->own_us, LOOP_OWN_EACH_US, now_us) && is_authentic(l, probe)) {
        judge(l, probe, from, event, now_us);
        find_overdue(l);
    }
}

/* ---- others' probes ---- */

/* Whether the origin's probes were not heard on the reader's LAN lately. When all places are taken
 * nothing is news. */
static bool is_news(struct loop *l, const uint8_t *origin, const uint8_t *reader, uint64_t now_us)
{
    struct loop_heard *room = NULL;
    for (struct loop_heard *heard = l->heard; heard < l->heard + LOOP_HEARD; heard++) {
        bool lately = heard->used && now_us - heard->last_us <= LOOP_NEWS_US;
        if (lately && memcmp(heard->origin, origin, LOOP_ID_BYTES) == 0 &&
            memcmp(heard->reader, reader, LOOP_ID_BYTES) == 0) {
            heard->last_us = now_us;
            return false;
        }
        if (!lately)
            room = heard;
    }
    if (!room)
        return false;
    *room = (struct loop_heard){.last_us = now_us, .used = true};
    memcpy(room->origin, origin, LOOP_ID_BYTES);
    memcpy(room->reader, reader, LOOP_ID_BYTES);
    return true;
}

/* A probe on a LAN was written there by another site than the reader: their LANs are one, perhaps
 * since now. Nobody then waits for the next slow round, nor relies on a single probe. */
static void look_for_news(struct loop *l, const struct probe *probe, uint16_t from, uint64_t now_us)
{
    const uint8_t *reader = l->id;
    if (from != LOOP_LAN) {
        if (probe->stamps == 0)
            return;
        reader = stamp_at(probe->frame, probe->stamps - 1u);
        if ((reader[LOOP_ID_BYTES] & LOOP_STAMP_OFF_LAN) == 0)
            return;
    }
    if (is_news(l, probe->origin, reader, now_us))
        loop_link_changed(l, now_us);
}

/* Write the stamped probe for the peers to @out and, for the LAN, stamp the frame in place. */
static enum loop_verdict pass_on(struct loop *l, uint8_t *frame, const struct probe *probe,
                                 uint16_t from, uint8_t *out, size_t *out_bytes, bool *to_lan,
                                 uint64_t now_us)
{
    bool off_lan = from == LOOP_LAN;
    unsigned shut = shut_tells(&l->port, now_us) ? LOOP_STAMP_SHUT : 0;
    unsigned link_shut = !off_lan && shut_tells(&l->link[from].shut, now_us) ? LOOP_STAMP_SHUT : 0;

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
        bears_my_stamp(l, &probe) ||
        !admits(&limits_of(l, from)->passed_us, LOOP_PASSED_EACH_US, now_us))
        return LOOP_CONSUME;
    look_for_news(l, &probe, from, now_us);
    return pass_on(l, p->frame, &probe, from, out, out_bytes, to_lan, now_us);
}

void loop_address(const struct loop *l, const uint8_t stamped[LOOP_PROBE_BYTES], uint16_t port,
                  uint8_t out[LOOP_PROBE_BYTES], uint64_t now_us)
{
    memcpy(out, stamped, LOOP_PROBE_BYTES);
    if (port < LOOP_PEERS_MAX && shut_tells(&l->link[port].shut, now_us))
        out[AT_STAMPS + (out[AT_COUNT] - (size_t)1) * LOOP_STAMP_BYTES + LOOP_ID_BYTES] |=
            LOOP_STAMP_SHUT;
}
