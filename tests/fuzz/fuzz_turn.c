/* SPDX-License-Identifier: MIT
 *
 * fuzz_turn.c - a TURN client whose server, and whose time, are the input's.
 *
 * The input is a row of steps: a byte that says what happens, a byte of length, so many bytes. An
 * answer gets the transaction that is under way, and half of them the right integrity: neither
 * would be found by chance.
 */
#include "tunnel/turn.h"

#include "bytes.h"
#include "cursor.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum step { RECEIVE, ANSWER, ANSWER_SIGNED, WRAP, WAIT, START, RELEASE, HURRY, STEPS };

static const struct endpoint server = {.address = {IP_V4, {192, 0, 2, 1}}, .port = 3478};

/* Of one run. */
static struct turn turn;
static struct turn_request request;
static uint64_t now_us;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void count_up(void *context, void *out, size_t bytes)
{
    uint32_t *counter = context;

    memset(out, 0, bytes);
    memcpy(out, counter, bytes < sizeof *counter ? bytes : sizeof *counter);
    ++*counter;
}

static void any_key(const char *user, const uint8_t *realm, size_t realm_bytes,
                    const char *password, uint8_t out[TURN_KEY_BYTES])
{
    (void)user;
    (void)password;
    crypto_generichash(out, TURN_KEY_BYTES, realm, realm_bytes, NULL, 0);
}

static void any_hmac(const uint8_t *key, size_t key_bytes, const uint8_t *data, size_t bytes,
                     uint8_t out[STUN_INTEGRITY_BYTES])
{
    crypto_generichash(out, STUN_INTEGRITY_BYTES, data, bytes, key, key_bytes);
}

static void receive(const uint8_t *data, size_t bytes)
{
    struct turn_delivery got;
    uint8_t *copy = malloc(bytes + 1); /* so that reading past it is seen */

    if (bytes > 0)
        memcpy(copy, data, bytes);
    if (turn_receive(&turn, &server, copy, bytes, now_us, &got) == TURN_DATA) {
        require(turn.state == TURN_ALLOCATED);
        require(got.peer.address.family == turn_relayed(&turn)->address.family);
        require(got.data >= copy && got.data + got.bytes <= copy + bytes);
    }
    free(copy);
}

/* @attributes: a byte of 100s, one of the rest, and any attributes */
static void answer(struct cursor attributes, bool sign)
{
    uint8_t out[STUN_MESSAGE_MAX_BYTES], code[4] = {0};
    struct stun_message asked;
    struct stun_writer w;
    uint16_t type, length;
    const uint8_t *value;

    if (!stun_parse(&asked, request.data, request.bytes) || !cursor_u8(&attributes, &code[2]) ||
        !cursor_u8(&attributes, &code[3]))
        return;
    stun_begin(&w, out, sizeof out, asked.method, code[2] != 0 ? STUN_ERROR : STUN_SUCCESS,
               asked.transaction);
    if (code[2] != 0)
        stun_add(&w, ATTRIBUTE_ERROR_CODE, code, sizeof code);
    while (cursor_u16(&attributes, &type) && cursor_u16(&attributes, &length) &&
           cursor_take(&attributes, length, &value))
        stun_add(&w, type, value, length);
    if (sign)
        stun_add_integrity(&w, turn.key, sizeof turn.key, any_hmac);
    receive(out, stun_end(&w));
}

/* @input: address and port, of IPv6 when there are so many */
static void wrap(struct cursor input)
{
    static uint8_t datagram[1500], out[sizeof datagram + TURN_OVERHEAD_MAX_BYTES];
    struct endpoint to = {0};
    size_t room = cursor_left(&input);

    to.address.family = room >= 16 ? IP_V6 : IP_V4;
    memcpy(to.address.octet, input.at, room >= 16 ? 16 : room < 4 ? room : 4);
    to.port = (uint16_t)room;
    size_t bytes = turn_wrap(&turn, &to, datagram, sizeof datagram, out, sizeof out, now_us);
    require(bytes <= sizeof out);
    require(bytes == 0 || bytes > sizeof datagram);
    require(turn.state == TURN_ALLOCATED || bytes == 0);
}

/* Requests are few, whatever comes: at most one of the allocation's and one of each peer's. */
static void send_all(void)
{
    struct stun_message message;
    unsigned sent = 0;

    while (turn_due(&turn, now_us, &request)) {
        require(stun_parse(&message, request.data, request.bytes));
        require(message.class_ == STUN_REQUEST);
        require(++sent <= 1 + TURN_PEERS_MAX);
    }
    require(turn_deadline_us(&turn) > now_us);
    require((turn_relayed(&turn) != NULL) == (turn.state == TURN_ALLOCATED));
    require(turn_failure_text(turn.failure) != NULL);
}

static void take(enum step step, const uint8_t *data, uint8_t bytes)
{
    switch (step) {
    case RECEIVE:
        receive(data, bytes);
        break;
    case ANSWER:
    case ANSWER_SIGNED:
        answer(cursor_over(data, bytes), step == ANSWER_SIGNED);
        break;
    case WRAP:
        wrap(cursor_over(data, bytes));
        break;
    case WAIT:
        now_us += bytes >= 4 ? load_be32(data) : bytes * UINT64_C(1000);
        break;
    case START:
        turn_start(&turn, &server, now_us);
        break;
    case RELEASE:
        turn_release(&turn, now_us);
        break;
    case HURRY:
        turn_hurry(&turn, now_us);
        break;
    case STEPS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    struct cursor c = cursor_over(input, count);
    uint32_t counter = 0;
    const struct turn_ops ops = {&counter, count_up, any_key, any_hmac};
    uint8_t step, bytes;
    const uint8_t *data;

    now_us = 0;
    request.bytes = 0;
    require(turn_init(&turn, &ops, "user", "password"));
    turn_start(&turn, &server, now_us);
    send_all();
    while (cursor_u8(&c, &step) && cursor_u8(&c, &bytes) && cursor_take(&c, bytes, &data)) {
        take((enum step)(step % STEPS), data, bytes);
        send_all();
    }
    return 0;
}
