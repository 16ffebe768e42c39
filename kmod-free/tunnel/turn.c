/* SPDX-License-Identifier: MIT
 *
 * turn.c - see turn.h: the allocation, its requests and what the server answers. turn_peers.c has
 * the peers.
 */
#include "tunnel/turn_private.h"

#include "bytes.h"

#include <string.h>

#define RETRY_US         (60 * TURN_SECOND_US)
#define RETRY_MAX_US     (600 * TURN_SECOND_US)
#define RETRANSMIT_US    (TURN_SECOND_US / 2)
#define RELEASE_AGAIN_US (TURN_SECOND_US / 10)
#define RELEASE_WAIT_US  (2 * RELEASE_AGAIN_US)
#define SILENCE_US       (20 * TURN_SECOND_US)
#define UNANSWERED_US    (3 * TURN_SECOND_US)

enum {
    STALE_MAX = 3,
    LIFETIME_S = 600, /* RFC 8656 s.3.2 */
    LIFETIME_MIN_S = 60,
    LIFETIME_MAX_S = 3600,
    PROTOCOL_UDP = 17,
    FAMILY_V6 = 2,
};

enum {
    ERROR_TRY_ALTERNATE = 300,
    ERROR_UNAUTHENTICATED = 401,
    ERROR_FORBIDDEN = 403,
    ERROR_UNKNOWN_ATTRIBUTE = 420,
    ERROR_MISMATCH = 437,
    ERROR_STALE_NONCE = 438,
    ERROR_FAMILY = 440,
    ERROR_WRONG_CREDENTIALS = 441,
    ERROR_TRANSPORT = 442,
    ERROR_QUOTA = 486,
    ERROR_CAPACITY = 508,
};

/* ---- transactions ---- */

static void renew(struct turn *turn, struct turn_transaction *ask, uint64_t now_us)
{
    turn->ops.random(turn->ops.context, ask->id, sizeof ask->id);
    ask->out = true;
    ask->sends = 0;
    ask->next_us = now_us;
}

void turn_ask(struct turn *turn, struct turn_transaction *ask, uint64_t now_us)
{
    ask->stale = 0;
    ask->began_us = now_us;
    renew(turn, ask, now_us);
}

bool turn_ask_due(const struct turn_transaction *ask, uint64_t now_us)
{
    return ask->out && now_us >= ask->next_us;
}

uint64_t turn_ask_deadline_us(const struct turn_transaction *ask, uint64_t patience_us)
{
    uint64_t end_us = ask->began_us + patience_us;

    if (!ask->out)
        return UINT64_MAX;
    return ask->next_us < end_us ? ask->next_us : end_us;
}

void turn_begin_request(struct stun_writer *writer, struct turn_request *out,
                        enum stun_method method, const struct turn_transaction *ask)
{
    stun_begin(writer, out->data, sizeof out->data, method, STUN_REQUEST, ask->id);
}

void turn_end_request(const struct turn *turn, struct stun_writer *writer, struct turn_request *out,
                      struct turn_transaction *ask, uint64_t wait_us, uint64_t now_us)
{
    if (turn->has_key) {
        stun_add(writer, ATTRIBUTE_USERNAME, turn->user, strlen(turn->user));
        stun_add(writer, ATTRIBUTE_REALM, turn->realm, turn->realm_bytes);
        stun_add(writer, ATTRIBUTE_NONCE, turn->nonce, turn->nonce_bytes);
        stun_add_integrity(writer, turn->key, sizeof turn->key, turn->ops.hmac);
    }
    out->bytes = stun_end(writer);
    ask->next_us = now_us + (wait_us << ask->sends);
    ask->sends++;
}

/* Return: false when the attribute is missing or does not fit */
static bool copy_text(const struct stun_message *message, uint16_t type, uint8_t *out,
                      size_t capacity, uint8_t *bytes_out)
{
    const uint8_t *value;
    size_t bytes;

    if (!stun_find(message, type, &value, &bytes) || bytes == 0 || bytes > capacity)
        return false;
    memcpy(out, value, bytes);
    *bytes_out = (uint8_t)bytes;
    return true;
}

bool turn_take_nonce(struct turn *turn, const struct stun_message *answer,
                     struct turn_transaction *ask, uint64_t now_us)
{
    if (ask->stale++ >= STALE_MAX ||
        !copy_text(answer, ATTRIBUTE_REALM, turn->realm, sizeof turn->realm, &turn->realm_bytes) ||
        !copy_text(answer, ATTRIBUTE_NONCE, turn->nonce, sizeof turn->nonce, &turn->nonce_bytes))
        return false;
    turn->ops.key(turn->user, turn->realm, turn->realm_bytes, turn->password, turn->key);
    turn->has_key = true;
    renew(turn, ask, now_us);
    return true;
}

/* ---- states ---- */

static void leave(struct turn *turn, enum turn_state state)
{
    turn->state = state;
    turn->ask.out = false;
    turn->relayed = (struct endpoint){0};
    memset(turn->peer, 0, sizeof turn->peer);
}

static void fail_for(struct turn *turn, enum turn_failure failure, unsigned code, uint64_t retry_us)
{
    leave(turn, TURN_FAILED);
    turn->failure = failure;
    turn->failure_code = code;
    turn->retry_us = retry_us;
}

static void fail(struct turn *turn, enum turn_failure failure, unsigned code, uint64_t now_us)
{
    uint64_t wait_us = RETRY_US << (turn->failures < 4 ? turn->failures : 4);

    turn->failures++;
    fail_for(turn, failure, code, now_us + (wait_us < RETRY_MAX_US ? wait_us : RETRY_MAX_US));
}

static void ask_for_allocation(struct turn *turn, uint64_t now_us)
{
    leave(turn, TURN_ASKING);
    turn_ask(turn, &turn->ask, now_us);
}

static void release(struct turn *turn, bool start_again, uint64_t now_us)
{
    leave(turn, TURN_RELEASING);
    turn->start_again = start_again;
    turn_ask(turn, &turn->ask, now_us);
}

static void released(struct turn *turn, uint64_t now_us)
{
    if (turn->start_again)
        ask_for_allocation(turn, now_us);
    else
        leave(turn, TURN_IDLE);
}

bool turn_init(struct turn *turn, const struct turn_ops *ops, const char *user,
               const char *password)
{
    memset(turn, 0, sizeof *turn);
    if (strlen(user) >= sizeof turn->user || strlen(password) >= sizeof turn->password)
        return false;
    turn->ops = *ops;
    memcpy(turn->user, user, strlen(user));
    memcpy(turn->password, password, strlen(password));
    return true;
}

void turn_start(struct turn *turn, const struct endpoint *server, uint64_t now_us)
{
    if (turn->state != TURN_IDLE && turn->state != TURN_FAILED)
        return;
    turn->server = *server;
    turn->has_key = turn->cleared = turn->ask_v6 = false;
    ask_for_allocation(turn, now_us);
}

/* A server that forgets at once would be asked again at once. */
void turn_lost(struct turn *turn, uint64_t now_us)
{
    if (now_us < turn->refreshed_us + TURN_PATIENCE_US) {
        fail_for(turn, TURN_FAILURE_LOST, ERROR_MISMATCH, now_us + TURN_PATIENCE_US);
        return;
    }
    turn->has_key = turn->cleared = false;
    ask_for_allocation(turn, now_us);
}

/* What was asked for with credentials may have been given, with the answer under way. */
void turn_release(struct turn *turn, uint64_t now_us)
{
    bool perhaps = turn->state == TURN_ASKING && turn->has_key;

    if (perhaps || turn->state == TURN_ALLOCATED || turn->state == TURN_RELEASING)
        release(turn, false, now_us);
    else
        leave(turn, TURN_IDLE);
}

void turn_hurry(struct turn *turn, uint64_t now_us)
{
    if (turn->state == TURN_ASKING || turn->state == TURN_ALLOCATED)
        turn_ask(turn, &turn->ask, now_us);
    turn->failures = 0;
    if (turn->state == TURN_FAILED)
        turn->retry_us = now_us;
}

/* ---- time ---- */

/* Somebody waits for us to end. */
static bool is_last_word(const struct turn *turn)
{
    return turn->state == TURN_RELEASING && !turn->start_again;
}

static uint64_t patience_us(const struct turn *turn)
{
    return is_last_word(turn) ? RELEASE_WAIT_US : TURN_PATIENCE_US;
}

static uint64_t refresh_at_us(const struct turn *turn)
{
    uint64_t silence_us = turn->heard_us + SILENCE_US;
    uint64_t half_us = turn->refreshed_us + turn->lifetime_us / 2;
    uint64_t at_us = silence_us < half_us ? silence_us : half_us;

    if (turn->unanswered && turn->unanswered_since_us + UNANSWERED_US < at_us)
        at_us = turn->unanswered_since_us + UNANSWERED_US;
    return at_us;
}

/* One that worked a moment ago is worth another try soon. */
static void on_silence(struct turn *turn, uint64_t now_us)
{
    if (turn->state == TURN_RELEASING)
        released(turn, now_us);
    else if (turn->state == TURN_ALLOCATED)
        fail_for(turn, TURN_FAILURE_SILENCE, 0, now_us + TURN_PATIENCE_US);
    else if (turn->cleared)
        fail(turn, TURN_FAILURE_MISMATCH, ERROR_MISMATCH, now_us);
    else
        fail(turn, TURN_FAILURE_SILENCE, 0, now_us);
}

static void look_at_time(struct turn *turn, uint64_t now_us)
{
    if (turn->ask.out && now_us >= turn->ask.began_us + patience_us(turn))
        on_silence(turn, now_us);
    if (turn->state == TURN_ALLOCATED && !turn->ask.out && now_us >= refresh_at_us(turn))
        turn_ask(turn, &turn->ask, now_us);
}

/* Allocate or Refresh, by the state. */
static void write_request(struct turn *turn, uint64_t now_us, struct turn_request *out)
{
    struct stun_writer writer;

    turn_begin_request(&writer, out, turn->state == TURN_ASKING ? STUN_ALLOCATE : STUN_REFRESH,
                       &turn->ask);
    if (turn->state == TURN_ASKING)
        stun_add_u32(&writer, ATTRIBUTE_REQUESTED_TRANSPORT, (uint32_t)PROTOCOL_UDP << 24);
    if (turn->state == TURN_ASKING && turn->ask_v6)
        stun_add_u32(&writer, ATTRIBUTE_REQUESTED_ADDRESS_FAMILY, (uint32_t)FAMILY_V6 << 24);
    if (turn->state == TURN_RELEASING)
        stun_add_u32(&writer, ATTRIBUTE_LIFETIME, 0);
    turn_end_request(turn, &writer, out, &turn->ask,
                     is_last_word(turn) ? RELEASE_AGAIN_US : RETRANSMIT_US, now_us);
}

bool turn_due(struct turn *turn, uint64_t now_us, struct turn_request *out)
{
    look_at_time(turn, now_us);
    if (!turn_ask_due(&turn->ask, now_us))
        return turn_peers_due(turn, now_us, out);
    write_request(turn, now_us, out);
    return true;
}

uint64_t turn_deadline_us(const struct turn *turn)
{
    uint64_t ask_us = turn_ask_deadline_us(&turn->ask, patience_us(turn));
    uint64_t peers_us = turn_peers_deadline_us(turn);

    if (turn->state == TURN_ALLOCATED && !turn->ask.out)
        ask_us = refresh_at_us(turn);
    return ask_us < peers_us ? ask_us : peers_us;
}

/* ---- answers ---- */

static void hear(struct turn *turn, uint64_t now_us)
{
    turn->heard_us = now_us;
    turn->unanswered = false;
}

static void take_lifetime(struct turn *turn, const struct stun_message *answer, uint64_t now_us)
{
    uint32_t seconds = LIFETIME_S;
    const uint8_t *value;
    size_t bytes;

    if (stun_find(answer, ATTRIBUTE_LIFETIME, &value, &bytes) && bytes == 4)
        seconds = load_be32(value);
    if (seconds < LIFETIME_MIN_S)
        seconds = LIFETIME_MIN_S;
    if (seconds > LIFETIME_MAX_S)
        seconds = LIFETIME_MAX_S;
    turn->lifetime_us = seconds * TURN_SECOND_US;
    turn->refreshed_us = now_us;
}

static void on_allocated(struct turn *turn, const struct stun_message *answer, uint64_t now_us)
{
    struct endpoint relayed;
    enum ip_family wanted = turn->ask_v6 ? IP_V6 : IP_V4;

    /* coturn tells of both families, one of them as 0.0.0.0 or :: (RFC 8656 s.7.2). */
    if (!stun_get_address_of(answer, ATTRIBUTE_XOR_RELAYED_ADDRESS, wanted, &relayed) ||
        ip_is_unspecified(&relayed.address) || relayed.port == 0) {
        fail(turn, TURN_FAILURE_MALFORMED, 0, now_us);
        return;
    }
    leave(turn, TURN_ALLOCATED);
    turn->relayed = relayed;
    turn->failure = TURN_FAILURE_NONE;
    turn->failures = 0;
    take_lifetime(turn, answer, now_us);
}

static void on_success(struct turn *turn, const struct stun_message *answer, uint64_t now_us)
{
    turn->ask.out = false;
    if (stun_unknown_required(answer, NULL, 0) > 0)
        fail(turn, TURN_FAILURE_MALFORMED, 0, now_us);
    else if (turn->state == TURN_ASKING)
        on_allocated(turn, answer, now_us);
    else if (turn->state == TURN_ALLOCATED)
        take_lifetime(turn, answer, now_us);
    else
        released(turn, now_us);
}

static enum turn_failure failure_of(unsigned code)
{
    switch (code) {
    case ERROR_UNAUTHENTICATED:
        return TURN_FAILURE_CREDENTIALS;
    case ERROR_FORBIDDEN:
        return TURN_FAILURE_FORBIDDEN;
    case ERROR_MISMATCH:
    case ERROR_WRONG_CREDENTIALS: /* of the allocation's owner, who we are not */
        return TURN_FAILURE_MISMATCH;
    case ERROR_UNKNOWN_ATTRIBUTE:
    case ERROR_FAMILY:
    case ERROR_TRANSPORT:
        return TURN_FAILURE_UNSUPPORTED;
    case ERROR_QUOTA:
        return TURN_FAILURE_QUOTA;
    case ERROR_TRY_ALTERNATE:
    case ERROR_CAPACITY:
        return TURN_FAILURE_FULL;
    default:
        return TURN_FAILURE_OTHER;
    }
}

static void on_refused_allocation(struct turn *turn, const struct stun_message *answer,
                                  unsigned code, uint64_t now_us)
{
    bool wrong = code == ERROR_UNAUTHENTICATED && turn->has_key;

    if ((code == ERROR_UNAUTHENTICATED && !wrong) || code == ERROR_STALE_NONCE) {
        if (!turn_take_nonce(turn, answer, &turn->ask, now_us))
            fail(turn, TURN_FAILURE_MALFORMED, code, now_us);
    } else if (code == ERROR_MISMATCH) {
        if (!turn->cleared)
            release(turn, true, now_us); /* else it takes a moment to be gone: ask on */
        turn->cleared = true;
    } else if (code == ERROR_FAMILY && !turn->ask_v6) {
        turn->ask_v6 = true;
        ask_for_allocation(turn, now_us);
    } else {
        fail(turn, failure_of(code), code, now_us);
    }
}

static void on_error(struct turn *turn, const struct stun_message *answer, unsigned code,
                     uint64_t now_us)
{
    bool nonce = code == ERROR_STALE_NONCE || (code == ERROR_UNAUTHENTICATED && !turn->has_key);

    if (turn->state == TURN_ASKING) {
        on_refused_allocation(turn, answer, code, now_us);
        return;
    }
    if (nonce && turn_take_nonce(turn, answer, &turn->ask, now_us))
        return;
    if (turn->state == TURN_RELEASING)
        released(turn, now_us);
    else
        turn_lost(turn, now_us);
}

/* Those that tell a nonce come from a server that takes us for nobody yet; and without a key there
 * is nothing to check. */
static bool is_authentic(const struct turn *turn, const struct stun_message *answer, unsigned code)
{
    return code == ERROR_UNAUTHENTICATED || code == ERROR_STALE_NONCE || !turn->has_key ||
           stun_integrity_ok(answer, turn->key, sizeof turn->key, turn->ops.hmac);
}

static bool belongs_to(const struct stun_message *answer, const struct turn_transaction *ask)
{
    return ask->out && memcmp(answer->transaction, ask->id, sizeof ask->id) == 0;
}

static void on_answer(struct turn *turn, const struct stun_message *answer, uint64_t now_us)
{
    bool ours = belongs_to(answer, &turn->ask);
    struct turn_peer *peer = ours ? NULL : turn_peers_find_ask(turn, answer->transaction);
    unsigned code = 0;
    const char *reason;
    size_t reason_bytes;

    if (!ours && peer == NULL)
        return;
    if (answer->class_ == STUN_ERROR && !stun_get_error(answer, &code, &reason, &reason_bytes))
        return;
    if (!is_authentic(turn, answer, code))
        return;
    hear(turn, now_us);
    if (peer != NULL)
        turn_peers_answer(turn, peer, answer, code, now_us);
    else if (code == 0)
        on_success(turn, answer, now_us);
    else
        on_error(turn, answer, code, now_us);
}

static bool is_channel_data(const uint8_t *datagram, size_t bytes)
{
    return bytes >= TURN_CHANNEL_HEADER_BYTES && (datagram[0] & 0xf0) == 0x40;
}

/* Binding is not ours: the server may well be asked by the STUN client, too. */
enum turn_receipt turn_receive(struct turn *turn, const struct endpoint *from, uint8_t *datagram,
                               size_t bytes, uint64_t now_us, struct turn_delivery *out)
{
    struct stun_message message;
    bool data = false;

    if (!endpoint_equal(from, &turn->server))
        return TURN_NOT_OURS;
    if (is_channel_data(datagram, bytes))
        data = turn_peers_receive_channel(turn, datagram, bytes, now_us, out);
    else if (!stun_parse(&message, datagram, bytes) || message.method == STUN_BINDING)
        return TURN_NOT_OURS;
    else if (message.method == STUN_DATA && message.class_ == STUN_INDICATION)
        data = turn_peers_receive_data(turn, &message, datagram, now_us, out);
    else if (message.class_ == STUN_SUCCESS || message.class_ == STUN_ERROR)
        on_answer(turn, &message, now_us);
    if (data)
        hear(turn, now_us);
    return data ? TURN_DATA : TURN_HANDLED;
}

/* ---- for people who look ---- */

const struct endpoint *turn_relayed(const struct turn *turn)
{
    return turn->state == TURN_ALLOCATED ? &turn->relayed : NULL;
}

uint64_t turn_retry_us(const struct turn *turn)
{
    return turn->retry_us;
}

const char *turn_failure_text(enum turn_failure failure)
{
    switch (failure) {
    case TURN_FAILURE_NONE:
        return "fine";
    case TURN_FAILURE_SILENCE:
        return "no answer: is the address right, and does a firewall let UDP through?";
    case TURN_FAILURE_CREDENTIALS:
        return "user or password are wrong: check 'turn' and the file of 'turn-secret'";
    case TURN_FAILURE_FORBIDDEN:
        return "forbidden: ask who runs the server";
    case TURN_FAILURE_MISMATCH:
        return "an earlier allocation of this port cannot be released: it ends by itself within "
               "minutes";
    case TURN_FAILURE_UNSUPPORTED:
        return "it relays no UDP: use another server";
    case TURN_FAILURE_QUOTA:
        return "this user has too many allocations: use another user for each home";
    case TURN_FAILURE_FULL:
        return "it has no room: use another server";
    case TURN_FAILURE_LOST:
        return "it lost what it had just given: trying again: was it restarted?";
    case TURN_FAILURE_MALFORMED:
        return "it does not speak TURN with long-term credentials: is that the right port?";
    case TURN_FAILURE_OTHER:
        break;
    }
    return "refused: ask who runs the server";
}
