/* SPDX-License-Identifier: MIT
 *
 * liveness.c - see liveness.h. Every rule is a deadline; liveness_due() compares them with now.
 */
#include "tunnel/liveness.h"

#include <string.h>

enum { UNANSWERED_PROBES = 3, SILENCE_PROBES = 4 };

#define MS                UINT64_C(1000)
#define SECOND            (1000 * MS)
#define NEVER             UINT64_MAX
#define REKEY_AFTER       (120 * SECOND)
#define REJECT_AFTER      (180 * SECOND)
#define RESPONDER_GRACE   (30 * SECOND)
#define UNANSWERED_REPEAT SECOND
#define UNANSWERED_CALL   (1500 * MS) /* after the third probe had 500 ms to be answered */
#define UNANSWERED_DOWN   (5 * SECOND)
#define RETRY_STEP        SECOND
#define RETRY_MAX         (5 * SECOND)
#define RETRY_EAGER       (2 * SECOND)
#define JITTER_MAX        (333 * MS)

static const uint64_t unanswered_probe_us[UNANSWERED_PROBES] = {250 * MS, 500 * MS, 1000 * MS};
/* The first is later than the next loop probe, which comes after a second and a little. */
static const uint64_t silence_probe_us[SILENCE_PROBES] = {1250 * MS, 2500 * MS, 5 * SECOND,
                                                          10 * SECOND};

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void liveness_init(struct liveness *l, uint64_t keepalive_us, uint64_t rekey_after_us,
                   uint64_t reject_after_us)
{
    memset(l, 0, sizeof *l);
    l->keepalive_us = keepalive_us;
    liveness_set_timers(l, rekey_after_us, reject_after_us);
}

void liveness_set_timers(struct liveness *l, uint64_t rekey_after_us, uint64_t reject_after_us)
{
    l->rekey_after_us = rekey_after_us ? rekey_after_us : REKEY_AFTER;
    l->reject_after_us = reject_after_us ? reject_after_us : REJECT_AFTER;
}

void liveness_session(struct liveness *l, bool initiator, uint64_t now_us)
{
    l->have_session = true;
    l->initiator = initiator;
    l->session_since_us = now_us;
    l->last_sent_us = now_us;
    l->handshake_out = l->handshake_wanted = false;
    l->handshake_tries = 0;
    liveness_received(l, false, now_us);
}

void liveness_no_session(struct liveness *l)
{
    l->have_session = l->unanswered = l->frames_came = l->down_told = false;
}

void liveness_closed(struct liveness *l, uint64_t now_us)
{
    liveness_no_session(l);
    if (!l->handshake_out) {
        l->handshake_wanted = true;
        l->handshake_tries = 0;
        l->handshake_next_us = now_us + RETRY_STEP;
    }
}

void liveness_sent(struct liveness *l, uint64_t now_us)
{
    if (now_us > l->last_sent_us)
        l->last_sent_us = now_us;
}

void liveness_asked(struct liveness *l, uint64_t now_us)
{
    liveness_sent(l, now_us);
    if (!l->unanswered && now_us >= l->last_received_us) {
        l->unanswered = true;
        l->unanswered_since_us = now_us;
        l->unanswered_probes = 0;
    }
}

void liveness_received(struct liveness *l, bool frame, uint64_t now_us)
{
    l->last_received_us = now_us;
    l->unanswered = l->down_told = false;
    if (frame) {
        l->frames_came = true;
        l->last_frame_us = now_us;
        l->silence_probes = 0;
    }
}

void liveness_call(struct liveness *l, uint64_t now_us)
{
    l->handshake_wanted = true;
    l->handshake_tries = 0;
    if (!l->handshake_out || l->handshake_next_us > now_us)
        l->handshake_next_us = now_us;
}

void liveness_prove(struct liveness *l, uint64_t now_us)
{
    /* As if frames had stopped coming a while ago: the silence rule probes at once. */
    l->frames_came = true;
    l->silence_probes = 0;
    l->last_frame_us = now_us - silence_probe_us[0];
}

void liveness_handshake_sent(struct liveness *l, uint32_t jitter, uint64_t now_us)
{
    l->handshake_out = true;
    l->handshake_wanted = false;
    l->handshake_tries++;
    l->handshake_next_us =
        now_us + earlier(l->handshake_tries * RETRY_STEP, l->eager ? RETRY_EAGER : RETRY_MAX) +
        jitter % JITTER_MAX;
}

static uint64_t unanswered_probe_at(const struct liveness *l)
{
    if (!l->have_session || !l->unanswered)
        return NEVER;
    if (l->unanswered_probes >= UNANSWERED_PROBES)
        return l->unanswered_since_us +
               (l->unanswered_probes - UNANSWERED_PROBES + 2) * UNANSWERED_REPEAT;
    return l->unanswered_since_us + unanswered_probe_us[l->unanswered_probes];
}

static uint64_t silence_probe_at(const struct liveness *l)
{
    if (!l->have_session || !l->frames_came || l->silence_probes == SILENCE_PROBES)
        return NEVER;
    return l->last_frame_us + silence_probe_us[l->silence_probes];
}

static uint64_t keepalive_at(const struct liveness *l)
{
    return l->have_session && l->keepalive_us ? l->last_sent_us + l->keepalive_us : NEVER;
}

/* When a handshake becomes due for the session's sake: it is old, or the path looks dead. */
static uint64_t renewal_at(const struct liveness *l)
{
    uint64_t rekey = l->session_since_us + l->rekey_after_us + (l->initiator ? 0 : RESPONDER_GRACE);
    return l->unanswered ? earlier(rekey, l->unanswered_since_us + UNANSWERED_CALL) : rekey;
}

static uint64_t handshake_at(const struct liveness *l, bool callable)
{
    if (!callable)
        return NEVER;
    if (l->handshake_out || l->handshake_wanted)
        return l->handshake_next_us;
    return l->have_session ? renewal_at(l) : 0;
}

static uint64_t down_at(const struct liveness *l)
{
    return l->have_session && l->unanswered && !l->down_told
               ? l->unanswered_since_us + UNANSWERED_DOWN
               : NEVER;
}

static uint64_t reject_at(const struct liveness *l)
{
    return l->have_session ? l->session_since_us + l->reject_after_us : NEVER;
}

unsigned liveness_due(struct liveness *l, bool callable, uint64_t now_us)
{
    unsigned actions = 0;
    if (reject_at(l) <= now_us) {
        liveness_no_session(l);
        actions |= LIVENESS_REJECT;
    }
    /* After a sleep one probe stands for all that were missed. */
    while (unanswered_probe_at(l) <= now_us) {
        l->unanswered_probes++;
        actions |= LIVENESS_PROBE;
    }
    while (silence_probe_at(l) <= now_us) {
        l->silence_probes++;
        actions |= LIVENESS_PROBE;
    }
    if (keepalive_at(l) <= now_us)
        actions |= LIVENESS_PROBE;
    if (handshake_at(l, callable) <= now_us)
        actions |= LIVENESS_HANDSHAKE;
    if (down_at(l) <= now_us) {
        l->down_told = true;
        actions |= LIVENESS_DOWN;
    }
    return actions;
}

uint64_t liveness_deadline_us(const struct liveness *l, bool callable)
{
    uint64_t at = earlier(unanswered_probe_at(l), silence_probe_at(l));
    at = earlier(at, keepalive_at(l));
    at = earlier(at, handshake_at(l, callable));
    at = earlier(at, down_at(l));
    return earlier(at, reject_at(l));
}
