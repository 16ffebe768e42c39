/* SPDX-License-Identifier: MIT
 *
 * turn.h - a TURN client (RFC 8656): a relay's address for this site, the last way to a peer.
 *
 * One struct is one allocation on one server, asked for over UDP from the tunnel's own socket with
 * long-term credentials (RFC 8489 s.9.2). It is pure: datagrams and time in, requests and a
 * deadline out. What is relayed stays sealed: a TURN server sees the ends, not the content.
 *
 * States
 *   IDLE        nothing asked for                       turn_start() -> ASKING
 *   ASKING      Allocate is out; the first without credentials, for the 401 tells the realm and a
 *               nonce to make them with                 -> ALLOCATED, FAILED
 *   ALLOCATED   turn_relayed() is ours; turn_wrap() works; refreshed now and then
 *                                                       -> FAILED, turn_release() -> RELEASING
 *   RELEASING   Refresh with a lifetime of 0 is out, twice at most      -> IDLE
 *   FAILED      'failure' says why; turn_start() at turn_retry_us(), 60 s later and each time
 *               twice as long up to 10 min, or whenever the owner has a reason to
 *
 * What the server says (RFC 8656 s.7.4, 8489 s.9.2.5)
 *   401  the first is the question for credentials; one to credentials fails: they are wrong
 *   438  the nonce is old: asked again with the new one, thrice at most
 *   437  to Allocate: this socket has an allocation of an earlier life (a daemon that crashed);
 *        it is released, and asked again until it is gone. To Refresh: the server lost ours (it was
 *        restarted, or our NAT's mapping was): ASKING
 *   440  no relayed IPv4 addresses there: asked for an IPv6 one
 *   any other, or no answer: FAILED
 *
 * Only an answer from the server's address with the transaction's 96 random bits is looked at; but
 * for the two that tell a nonce it must carry the integrity of our key, once there is one.
 *
 * Refresh. At half the allocation's lifetime; when nothing has come from the server for 20 s, to
 * keep our NAT's mapping to it alive; and when nothing has for 3 s though we sent something: is it
 * still there? A server that is not is given up after 5 s, and may be tried again 5 s later.
 *
 * Peers. An address gets a channel when it is first sent to: ChannelBind installs its permission,
 * too (s.12.1), and repeated every 4 minutes keeps both (they live 10 and 5). Until it is answered,
 * datagrams go as Send indications, which the server drops as long as it has not seen the request.
 * A server that refuses the channel (400) is asked for the permission alone, and Send indications
 * go on; any other refusal leaves the peer alone for a minute, and a Refresh asks whether the
 * allocation is still there. Who was not sent to, nor heard of, for 4 minutes is not refreshed. The
 * table holds TURN_PEERS_MAX; a new one takes the place of one that was not in use for 30 s, or
 * finds none: however many addresses a peer names, the server gets a bounded number of requests.
 *
 * Memory: the password and the key are in the struct: locked memory, please, wiped at
 * the end. Nothing here is guarded against two threads.
 */
#ifndef TUNNEL_TURN_H
#define TUNNEL_TURN_H

#include "address.h"
#include "tunnel/stun.h"

enum {
    TURN_PEERS_MAX = 32,
    TURN_USER_SIZE = 128, /* with the NUL */
    TURN_PASSWORD_SIZE = 128,
    TURN_REALM_MAX = 255, /* bytes; a server whose realm or nonce is longer cannot be used */
    TURN_NONCE_MAX = 255,
    TURN_KEY_BYTES = 16, /* an MD5 */
    TURN_CHANNEL_HEADER_BYTES = 4,
    /* A Send indication: header, XOR-PEER-ADDRESS of IPv6, DATA's header and padding. */
    TURN_OVERHEAD_MAX_BYTES = STUN_HEADER_BYTES + 24 + 4 + 3,
};

enum turn_state { TURN_IDLE, TURN_ASKING, TURN_ALLOCATED, TURN_RELEASING, TURN_FAILED };

enum turn_failure {
    TURN_FAILURE_NONE,
    TURN_FAILURE_SILENCE,     /* no answer */
    TURN_FAILURE_CREDENTIALS, /* 401, 441: user or password */
    TURN_FAILURE_FORBIDDEN,   /* 403 */
    TURN_FAILURE_MISMATCH,    /* 437, 441: an allocation of our socket that is not ours */
    TURN_FAILURE_UNSUPPORTED, /* 440, 442, 420: no relayed UDP address of either family */
    TURN_FAILURE_QUOTA,       /* 486: this user has too many allocations */
    TURN_FAILURE_FULL,        /* 300, 508: no room there */
    TURN_FAILURE_LOST,        /* 437: it forgot what it gave, within seconds */
    TURN_FAILURE_MALFORMED,   /* it does not speak TURN as we do */
    TURN_FAILURE_OTHER,       /* 'failure_code' says which */
};

struct turn_ops {
    void *context; /* random's */
    /* Fill @out with @bytes cryptographically secure random bytes. */
    void (*random)(void *context, void *out, size_t bytes);
    /* MD5(user ":" realm ":" password) (RFC 8489 s.9.2.2); @realm is not terminated. */
    void (*key)(const char *user, const uint8_t *realm, size_t realm_bytes, const char *password,
                uint8_t out[TURN_KEY_BYTES]);
    stun_hmac_fn *hmac;
};

/* A request and the answer awaited, sent again after 500 ms, then after twice as long each time. */
struct turn_transaction {
    bool out; /* under way */
    uint8_t id[STUN_TRANSACTION_BYTES];
    uint8_t sends, stale; /* how often sent; how often the nonce was old */
    uint64_t began_us, next_us;
};

enum turn_peer_state {
    TURN_PEER_FREE,
    TURN_PEER_ASKED,     /* neither is known to be there */
    TURN_PEER_PERMITTED, /* no channel: Send indications */
    TURN_PEER_BOUND,     /* its channel may be used */
    TURN_PEER_REFUSED,   /* nothing is sent to it until until_us */
};

struct turn_peer {
    enum turn_peer_state state;
    struct endpoint at;
    uint16_t channel;
    bool no_channel;   /* the server refused one: ask for the permission alone */
    uint64_t used_us;  /* sent to or received from */
    uint64_t until_us; /* when what the server installed, or our patience, ends */
    uint64_t renew_us;
    struct turn_transaction ask;
};

struct turn {
    struct turn_ops ops;
    struct endpoint server;
    char user[TURN_USER_SIZE], password[TURN_PASSWORD_SIZE];

    enum turn_state state;
    enum turn_failure failure;
    unsigned failure_code;
    unsigned failures; /* in a row */
    uint64_t retry_us;
    struct turn_transaction ask; /* Allocate or Refresh, by the state */
    bool ask_v6;                 /* the server has no relayed IPv4 addresses */
    bool cleared;                /* an allocation of an earlier life is being released */
    bool start_again;            /* RELEASING leads to ASKING */

    bool has_key;
    uint8_t key[TURN_KEY_BYTES];
    uint8_t realm[TURN_REALM_MAX], nonce[TURN_NONCE_MAX];
    uint8_t realm_bytes, nonce_bytes;

    struct endpoint relayed;
    uint64_t lifetime_us, refreshed_us, heard_us;
    bool unanswered; /* something was sent through it since the server was heard, ... */
    uint64_t unanswered_since_us; /* ... first at this time */
    uint16_t next_channel;
    struct turn_peer peer[TURN_PEERS_MAX];
};

/* What to send to the server. */
struct turn_request {
    size_t bytes;
    uint8_t data[STUN_MESSAGE_MAX_BYTES];
};

enum turn_receipt {
    TURN_NOT_OURS, /* of another server, or somebody else's STUN */
    TURN_HANDLED,  /* nothing more to do with it; the state may have changed */
    TURN_DATA,     /* a peer's datagram */
};

struct turn_delivery {
    struct endpoint peer; /* where it came from, as the server saw it; VIA_DIRECT */
    uint8_t *data;        /* in the datagram received */
    size_t bytes;
};

/**
 * turn_init() - IDLE
 * @ops:       Copied; its context must outlive the struct
 * @user, @password: Copied; shorter than TURN_USER_SIZE, TURN_PASSWORD_SIZE. Used byte by byte as
 *             they are, so others than ASCII must be normalised already (RFC 8265)
 *
 * Return: false when one of them is too long
 */
bool turn_init(struct turn *turn, const struct turn_ops *ops, const char *user,
               const char *password);

/**
 * turn_start() - Ask for an allocation; in IDLE and FAILED, else nothing happens
 * @server:  Where; one server may have several addresses, to be tried one after the other
 */
void turn_start(struct turn *turn, const struct endpoint *server, uint64_t now_us);

/** turn_release() - Give the allocation back, or stop asking */
void turn_release(struct turn *turn, uint64_t now_us);

/** turn_hurry() - The network changed: look at once whether the server still knows us; a failure
 *  was perhaps the network's, so turn_retry_us() is now */
void turn_hurry(struct turn *turn, uint64_t now_us);

/**
 * turn_due() - The next request to the server, if there is one to be sent now; call until false
 *
 * Notices time-outs: the state may change.
 */
bool turn_due(struct turn *turn, uint64_t now_us, struct turn_request *out);

/** turn_deadline_us() - When turn_due() must be called next; UINT64_MAX: nothing to wait for */
uint64_t turn_deadline_us(const struct turn *turn);

/**
 * turn_wrap() - Put what makes the server pass it on around a datagram
 * @to:        The peer as the server shall reach it; its `via` is not looked at
 * @out:       Receives the message for the server, of at most @capacity bytes: @bytes and
 *             TURN_OVERHEAD_MAX_BYTES always suffice. Must not overlap @datagram
 *
 * A new peer makes a request due: call turn_due() after it.
 * Return: the message's bytes; 0 when it cannot be sent: no allocation, one of the other family,
 * the peer refused, the table full, no room
 */
size_t turn_wrap(struct turn *turn, const struct endpoint *to, const uint8_t *datagram,
                 size_t bytes, uint8_t *out, size_t capacity, uint64_t now_us);

/**
 * turn_receive() - A datagram from the socket that does not begin with 0x80 or more
 * @out:  Set when TURN_DATA is returned; from a peer that was sent to before, and only from such
 */
enum turn_receipt turn_receive(struct turn *turn, const struct endpoint *from, uint8_t *datagram,
                               size_t bytes, uint64_t now_us, struct turn_delivery *out);

/** turn_relayed() - Our address on the server; NULL when there is none */
const struct endpoint *turn_relayed(const struct turn *turn);

/** turn_retry_us() - FAILED: when turn_start() is worth a try */
uint64_t turn_retry_us(const struct turn *turn);

/** turn_failure_text() - Why, and what to do about it, for a person: "...: ..." */
const char *turn_failure_text(enum turn_failure failure);

#endif
