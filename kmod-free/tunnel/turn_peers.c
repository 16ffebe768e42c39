/* SPDX-License-Identifier: MIT
 *
 * turn_peers.c - see turn.h: who is reached through the allocation, and how their datagrams are
 * wrapped and unwrapped.
 */
#include "tunnel/turn_private.h"

#include "bytes.h"

#define INSTALLED_US  (300 * TURN_SECOND_US) /* RFC 8656 s.9.2; a channel lives longer */
#define RENEW_US      (240 * TURN_SECOND_US)
#define IDLE_US       (30 * TURN_SECOND_US)
#define REFUSED_US    (60 * TURN_SECOND_US)
#define RETRANSMIT_US (TURN_SECOND_US / 2)

enum {
    CHANNEL_FIRST = 0x4000, /* RFC 8656 s.12 */
    CHANNEL_COUNT = 0x1000,
    ERROR_BAD_REQUEST = 400,
    ERROR_UNAUTHENTICATED = 401,
    ERROR_MISMATCH = 437,
    ERROR_STALE_NONCE = 438,
};

/* ---- the table ---- */

static bool is_installed(const struct turn_peer *p, uint64_t now_us)
{
    return (p->state == TURN_PEER_PERMITTED || p->state == TURN_PEER_BOUND) && now_us < p->until_us;
}

static bool may_send_to_us(const struct turn_peer *p, uint64_t now_us)
{
    return p->ask.out || is_installed(p, now_us);
}

static struct turn_peer *find(struct turn *turn, const struct endpoint *at)
{
    for (struct turn_peer *p = turn->peer; p < turn->peer + TURN_PEERS_MAX; p++)
        if (p->state != TURN_PEER_FREE && endpoint_equal(&p->at, at))
            return p;
    return NULL;
}

/* A permission is for an address, whatever the port: behind a NAT it may be another than we know.
 */
static struct turn_peer *find_permitted(struct turn *turn, const struct endpoint *at,
                                        uint64_t now_us)
{
    for (struct turn_peer *p = turn->peer; p < turn->peer + TURN_PEERS_MAX; p++)
        if (ip_equal(&p->at.address, &at->address) && may_send_to_us(p, now_us))
            return p;
    return NULL;
}

/* Return: a place for a new peer; NULL when all are in use */
static struct turn_peer *find_place(struct turn *turn, uint64_t now_us)
{
    struct turn_peer *oldest = turn->peer;

    for (struct turn_peer *p = turn->peer; p < turn->peer + TURN_PEERS_MAX; p++) {
        if (p->state == TURN_PEER_FREE)
            return p;
        if (p->used_us < oldest->used_us)
            oldest = p;
    }
    return now_us >= oldest->used_us + IDLE_US ? oldest : NULL;
}

/* Numbers go round: one that may still be bound to another peer comes late. */
static uint16_t next_channel(struct turn *turn)
{
    turn->next_channel = (uint16_t)((turn->next_channel + 1) % CHANNEL_COUNT);
    return (uint16_t)(CHANNEL_FIRST + turn->next_channel);
}

static void ask(struct turn *turn, struct turn_peer *p, uint64_t now_us)
{
    turn_ask(turn, &p->ask, now_us);
}

/* Return: the peer's entry, its request under way if it is not installed; NULL: no place */
static struct turn_peer *take(struct turn *turn, const struct endpoint *at, uint64_t now_us)
{
    struct turn_peer *p = find(turn, at);

    if (p == NULL) {
        if ((p = find_place(turn, now_us)) == NULL)
            return NULL;
        *p = (struct turn_peer){.at = *at, .channel = next_channel(turn)};
        p->state = TURN_PEER_ASKED;
    }
    if (p->state == TURN_PEER_REFUSED && now_us < p->until_us)
        return p;
    if (!is_installed(p, now_us)) {
        p->state = TURN_PEER_ASKED;
        if (!p->ask.out)
            ask(turn, p, now_us);
    }
    p->used_us = now_us;
    return p;
}

/* ---- requests ---- */

/* In use since it was installed. */
static bool wants_renewal(const struct turn_peer *p)
{
    return !p->ask.out && (p->state == TURN_PEER_PERMITTED || p->state == TURN_PEER_BOUND) &&
           p->used_us + RENEW_US > p->renew_us;
}

static void write_request(struct turn *turn, struct turn_peer *p, uint64_t now_us,
                          struct turn_request *out)
{
    struct stun_writer writer;

    turn_begin_request(&writer, out, p->no_channel ? STUN_CREATE_PERMISSION : STUN_CHANNEL_BIND,
                       &p->ask);
    if (!p->no_channel)
        stun_add_u32(&writer, ATTRIBUTE_CHANNEL_NUMBER, (uint32_t)p->channel << 16);
    stun_add_xor_address(&writer, ATTRIBUTE_XOR_PEER_ADDRESS, &p->at);
    turn_end_request(turn, &writer, out, &p->ask, RETRANSMIT_US, now_us);
}

bool turn_peers_due(struct turn *turn, uint64_t now_us, struct turn_request *out)
{
    for (struct turn_peer *p = turn->peer; p < turn->peer + TURN_PEERS_MAX; p++) {
        if (p->ask.out && now_us >= p->ask.began_us + TURN_PATIENCE_US) {
            p->ask.out = false; /* asked again when it is sent to again */
            p->state = TURN_PEER_ASKED;
        }
        if (wants_renewal(p) && now_us >= p->renew_us)
            ask(turn, p, now_us);
        if (!turn_ask_due(&p->ask, now_us))
            continue;
        write_request(turn, p, now_us, out);
        return true;
    }
    return false;
}

uint64_t turn_peers_deadline_us(const struct turn *turn)
{
    uint64_t due_us = UINT64_MAX;

    for (const struct turn_peer *p = turn->peer; p < turn->peer + TURN_PEERS_MAX; p++) {
        uint64_t at_us =
            wants_renewal(p) ? p->renew_us : turn_ask_deadline_us(&p->ask, TURN_PATIENCE_US);
        if (at_us < due_us)
            due_us = at_us;
    }
    return due_us;
}

struct turn_peer *turn_peers_find_ask(struct turn *turn, const uint8_t *transaction)
{
    for (struct turn_peer *p = turn->peer; p < turn->peer + TURN_PEERS_MAX; p++)
        if (p->ask.out && memcmp(p->ask.id, transaction, sizeof p->ask.id) == 0)
            return p;
    return NULL;
}

static void on_installed(struct turn_peer *p, uint64_t now_us)
{
    p->state = p->no_channel ? TURN_PEER_PERMITTED : TURN_PEER_BOUND;
    p->until_us = now_us + INSTALLED_US;
    p->renew_us = now_us + RENEW_US;
}

void turn_peers_answer(struct turn *turn, struct turn_peer *p, const struct stun_message *answer,
                       unsigned code, uint64_t now_us)
{
    p->ask.out = false;
    if (code == 0) {
        on_installed(p, now_us);
    } else if (code == ERROR_MISMATCH) {
        turn_lost(turn, now_us);
    } else if (code == ERROR_BAD_REQUEST && !p->no_channel) {
        p->no_channel = true;
        p->state = TURN_PEER_ASKED;
        ask(turn, p, now_us);
    } else if ((code != ERROR_STALE_NONCE && code != ERROR_UNAUTHENTICATED) ||
               !turn_take_nonce(turn, answer, &p->ask, now_us)) {
        p->state = TURN_PEER_REFUSED;
        p->until_us = now_us + REFUSED_US;
        if (!turn->ask.out) /* coturn says 400 also when it has no allocation of ours */
            turn_ask(turn, &turn->ask, now_us);
    }
}

/* ---- datagrams ---- */

static size_t wrap_channel(uint16_t channel, const uint8_t *datagram, size_t bytes, uint8_t *out,
                           size_t capacity)
{
    if (bytes > UINT16_MAX || capacity < TURN_CHANNEL_HEADER_BYTES + bytes)
        return 0;
    store_be16(out, channel);
    store_be16(out + 2, (uint16_t)bytes);
    memcpy(out + TURN_CHANNEL_HEADER_BYTES, datagram, bytes);
    return TURN_CHANNEL_HEADER_BYTES + bytes;
}

static size_t wrap_send(struct turn *turn, const struct endpoint *at, const uint8_t *datagram,
                        size_t bytes, uint8_t *out, size_t capacity)
{
    struct stun_writer writer;
    uint8_t id[STUN_TRANSACTION_BYTES];

    turn->ops.random(turn->ops.context, id, sizeof id);
    stun_begin(&writer, out, capacity, STUN_SEND, STUN_INDICATION, id);
    stun_add_xor_address(&writer, ATTRIBUTE_XOR_PEER_ADDRESS, at);
    stun_add(&writer, ATTRIBUTE_DATA, datagram, bytes);
    return stun_end(&writer);
}

size_t turn_wrap(struct turn *turn, const struct endpoint *to, const uint8_t *datagram,
                 size_t bytes, uint8_t *out, size_t capacity, uint64_t now_us)
{
    struct endpoint at = {.address = to->address, .port = to->port};

    if (turn->state != TURN_ALLOCATED || at.address.family != turn->relayed.address.family)
        return 0;
    const struct turn_peer *p = take(turn, &at, now_us);
    if (p == NULL || p->state == TURN_PEER_REFUSED)
        return 0;
    if (!turn->unanswered)
        turn->unanswered_since_us = now_us;
    turn->unanswered = true;
    if (p->state == TURN_PEER_BOUND)
        return wrap_channel(p->channel, datagram, bytes, out, capacity);
    return wrap_send(turn, &at, datagram, bytes, out, capacity);
}

/* What follows the length is padding (RFC 8656 s.12.5). */
bool turn_peers_receive_channel(struct turn *turn, uint8_t *datagram, size_t bytes, uint64_t now_us,
                                struct turn_delivery *out)
{
    uint16_t channel = load_be16(datagram);
    size_t length = load_be16(datagram + 2);

    if (length > bytes - TURN_CHANNEL_HEADER_BYTES)
        return false;
    for (struct turn_peer *p = turn->peer; p < turn->peer + TURN_PEERS_MAX; p++) {
        if (p->channel != channel || !may_send_to_us(p, now_us))
            continue;
        p->used_us = now_us;
        *out = (struct turn_delivery){p->at, datagram + TURN_CHANNEL_HEADER_BYTES, length};
        return true;
    }
    return false;
}

bool turn_peers_receive_data(struct turn *turn, const struct stun_message *message,
                             uint8_t *datagram, uint64_t now_us, struct turn_delivery *out)
{
    const uint8_t *data;
    struct turn_peer *p;

    *out = (struct turn_delivery){0};
    if (!stun_get_address(message, ATTRIBUTE_XOR_PEER_ADDRESS, &out->peer) ||
        !stun_find(message, ATTRIBUTE_DATA, &data, &out->bytes) ||
        (p = find_permitted(turn, &out->peer, now_us)) == NULL)
        return false;
    p->used_us = now_us;
    out->data = datagram + (data - datagram);
    return true;
}
