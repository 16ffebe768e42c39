/* SPDX-License-Identifier: MIT
 *
 * liveness.h - when to rekey, probe, keep alive and give up: one peer's clockwork.
 *
 * Pure decisions from a few times; it sends nothing. WireGuard's timers (whitepaper s.6), with a
 * quicker notice of a dead path, because a home must be back within two seconds:
 *
 *  - Unanswered: from the first LAN frame or probe sent after the last datagram received,
 *    authenticated probes at 250, 500 and 1000 ms and then each second, as long as the session
 *    lives; at 1500 ms a handshake; at 5 s the peer counts as down. The path may come back at any
 *    time, and the next probe finds it sooner than the handshakes' growing intervals would. What
 *    asks for no answer starts nothing: two ends would else answer each other's answers for ever.
 *  - Silence: when frames were coming and stop, probes at 1.25, 2.5, 5 and 10 s. So the side that
 *    only listens notices that its NAT forgot it, and by probing tells the other its new address.
 *    Loop probes are such frames, and come each second: an idle tunnel is watched by them.
 *  - Keepalive: a probe when nothing was sent for keepalive_us; being unanswered it starts the
 *    first rule.
 *  - Rekey: the initiator of a session after rekey_after_us, the responder 30 s later if that did
 *    not happen; a session older than reject_after_us is not used.
 *  - Handshake: retried after 1, 2, 3, 4, 5, 5, ... s, each with up to 333 ms of jitter, for as
 *    long as the peer may be called: two homes have nothing better to do. A joiner stays at 2 s:
 *    its call gets in as soon as the other end has opened its NAT, and people are watching.
 *
 * States: no session and no handshake (waits to be called, or begins at once when it can);
 * handshake under way; session; both. liveness_due() looks at all of it and returns what must be
 * done now; doing it is reported back by liveness_asked() and liveness_handshake_sent().
 */
#ifndef TUNNEL_LIVENESS_H
#define TUNNEL_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

enum liveness_action {
    LIVENESS_PROBE = 1,     /* send a probe */
    LIVENESS_HANDSHAKE = 2, /* send a new initiation */
    LIVENESS_DOWN = 4,      /* tell people; the session is kept, it may come back */
    LIVENESS_REJECT = 8,    /* the current session is too old: drop it */
};

struct liveness {
    /* Settings. */
    uint64_t keepalive_us, rekey_after_us, reject_after_us;
    bool eager; /* somebody waits for the handshake: it is retried every 2 s */

    /* The current session. */
    bool have_session, initiator;
    uint64_t session_since_us;
    bool down_told; /* LIVENESS_DOWN was returned and nothing has come since */

    uint64_t last_sent_us, last_received_us;
    bool unanswered;              /* something was asked since the last receipt, ... */
    uint64_t unanswered_since_us; /* ... first at this time */
    unsigned unanswered_probes;
    bool frames_came; /* frames were received; the silence rule is armed */
    uint64_t last_frame_us;
    unsigned silence_probes;

    /* The handshake we began. */
    bool handshake_wanted; /* may be called, and there is a reason to */
    bool handshake_out;
    unsigned handshake_tries;
    uint64_t handshake_next_us;
};

/** liveness_init() - No session; timers 0 take WireGuard's values, keepalive 0 is none */
void liveness_init(struct liveness *l, uint64_t keepalive_us, uint64_t rekey_after_us,
                   uint64_t reject_after_us);

/** liveness_set_timers() - A reload; 0 takes WireGuard's values */
void liveness_set_timers(struct liveness *l, uint64_t rekey_after_us, uint64_t reject_after_us);

/** liveness_session() - A session became current */
void liveness_session(struct liveness *l, bool initiator, uint64_t now_us);

/** liveness_no_session() - The peer closed, or the session was dropped */
void liveness_no_session(struct liveness *l);

/** liveness_closed() - The peer ended the session: call it again in a while, not at once */
void liveness_closed(struct liveness *l, uint64_t now_us);

/** liveness_sent() - A data datagram was sent; this may be told late, after what came since */
void liveness_sent(struct liveness *l, uint64_t now_us);

/** liveness_asked() - One that should be answered: it had a LAN frame or a probe in it */
void liveness_asked(struct liveness *l, uint64_t now_us);

/** liveness_received() - An authenticated datagram came; @frame: it carried a LAN frame */
void liveness_received(struct liveness *l, bool frame, uint64_t now_us);

/** liveness_call() - Somebody can now be called: begin (or hurry) a handshake */
void liveness_call(struct liveness *l, uint64_t now_us);

/** liveness_prove() - The local network changed: probe at the next liveness_due() */
void liveness_prove(struct liveness *l, uint64_t now_us);

/** liveness_handshake_sent() - An initiation was sent; @jitter: random, any value */
void liveness_handshake_sent(struct liveness *l, uint32_t jitter, uint64_t now_us);

/** liveness_due() - What to do now: enum liveness_action, or-ed
 *  @callable: there is an address to send an initiation to, and we may begin */
unsigned liveness_due(struct liveness *l, bool callable, uint64_t now_us);

/** liveness_deadline_us() - When liveness_due() may next return something */
uint64_t liveness_deadline_us(const struct liveness *l, bool callable);

#endif
