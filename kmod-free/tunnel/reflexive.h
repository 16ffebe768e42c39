/* SPDX-License-Identifier: MIT
 *
 * reflexive.h - what the Internet sees of our socket: a STUN client (RFC 8489).
 *
 * Binding requests leave by the tunnel's own socket, since a NAT's mapping belongs to it. Each
 * answer tells our server-reflexive endpoint (RFC 8445's word); two answers from different
 * addresses tell how the NAT maps (RFC 5780 s.4.3): the same endpoint to both, or one for each. A
 * server that has an OTHER-ADDRESS is asked there too, so that one server suffices.
 *
 * Per family all servers are asked in rounds. A query is sent up to 5 times, after 0, 0.5, 1.5,
 * 3.5 and 7.5 s, and given up at 15.5 s (RFC 8489 s.6.2.1 with Rc 5); a server of several addresses
 * is then asked at the next one. A round is over when no query is out. The next begins 5 minutes
 * later, or 30 s when nobody answered; at once at reflexive_hurry(), with new transactions. Only
 * answers of one round are compared: from one round to the next a mapping may have changed. While
 * reflexive_keep() says so, and there is a mapping that holds for everybody, rounds are 20 s apart:
 * a NAT forgets a mapping that nothing uses.
 *
 * What is known lasts until it is contradicted: a round in which nobody answers says something
 * about the servers only. But after reflexive_hurry() the network may be another one, and a round
 * without an answer makes the endpoint unknown.
 *
 * Anybody can send us an answer. One counts only from the address that was asked, with the 96
 * random bits of the query that is out, once. What else comes is dropped and counted in 'refused'.
 * Servers are not trusted: addresses they tell are looked at before they are used.
 *
 * States of a query: idle -> asking -> answered | failed. Servers' names are resolved elsewhere.
 */
#ifndef TUNNEL_REFLEXIVE_H
#define TUNNEL_REFLEXIVE_H

#include "tunnel/stun.h"

enum {
    REFLEXIVE_SERVERS_MAX = 4,
    REFLEXIVE_CHOICES_MAX = 4, /* addresses of one server in one family */
    REFLEXIVE_LOCAL_MAX = 32,
    REFLEXIVE_ANSWERS_MAX = 2 * 2 * REFLEXIVE_SERVERS_MAX,
};

/* RFC 4787 s.4.1. */
enum nat_mapping {
    NAT_MAPPING_UNKNOWN,     /* fewer than two addresses answered */
    NAT_MAPPING_NONE,        /* the endpoint is ours: there is no NAT */
    NAT_MAPPING_INDEPENDENT, /* one endpoint for all the world */
    NAT_MAPPING_DEPENDENT,   /* another one for each destination, or for some */
};

/* What one family is known to be. */
struct reflexive_result {
    bool known;
    struct endpoint mapped; /* NAT_MAPPING_DEPENDENT: its port holds for one server only */
    enum nat_mapping mapping;
    bool port_kept; /* mapped to the port that it has here */
};

enum reflexive_state {
    REFLEXIVE_IDLE,
    REFLEXIVE_ASKING,
    REFLEXIVE_ANSWERED,
    REFLEXIVE_FAILED, /* silent, or an error */
};

struct reflexive_query {
    struct endpoint to;
    enum reflexive_state state;
    uint8_t transaction[STUN_TRANSACTION_BYTES];
    unsigned sent;
    uint64_t next_us; /* to be sent again, or given up */

    bool known;             /* it was answered, in this round or an earlier one, ... */
    struct endpoint mapped; /* ... so */
    unsigned error;         /* this round's answer was this error; 0: it was none */
};

struct reflexive_server {
    struct endpoint choice[REFLEXIVE_CHOICES_MAX];
    uint8_t choice_count, chosen, tried; /* tried: addresses, in this round */
    struct reflexive_query first, other; /* its own address, its OTHER-ADDRESS */
};

struct reflexive_family {
    struct reflexive_server server[REFLEXIVE_SERVERS_MAX];
    bool running, hurried;
    uint64_t next_round_us; /* UINT64_MAX: there is nobody to ask */
    uint64_t refused;       /* answers dropped: not asked for, too late, or of no use */
    struct reflexive_result result;
};

struct reflexive_ops {
    void *context;
    /* Fill @out with @bytes cryptographically secure random bytes. */
    void (*random)(void *context, void *out, size_t bytes);
};

struct reflexive {
    struct reflexive_ops ops;
    uint16_t local_port;
    uint8_t local_count;
    struct ip_address local[REFLEXIVE_LOCAL_MAX];
    struct reflexive_family v4, v6;
    bool keep, changed;
};

struct reflexive_request {
    struct endpoint to;
    uint8_t bytes[STUN_HEADER_BYTES];
    size_t count;
};

/* What one address said, for people. */
struct reflexive_answer {
    unsigned server; /* index of reflexive_set_server() */
    bool other;      /* its OTHER-ADDRESS */
    struct endpoint asked;
    enum reflexive_state state;
    bool known; /* it has answered, now or in an earlier round */
    struct endpoint mapped;
    unsigned error; /* of the last round, 300-699; 0: none */
};

/** reflexive_init() - Nobody to ask yet; @ops is copied */
void reflexive_init(struct reflexive *reflexive, const struct reflexive_ops *ops);

/**
 * reflexive_set_server() - A server's addresses, of both families, replacing those before
 *
 * Asked at once when its address is a new one. No address removes the server.
 * @index:  Below REFLEXIVE_SERVERS_MAX
 */
void reflexive_set_server(struct reflexive *reflexive, unsigned index,
                          const struct endpoint *endpoints, size_t count, uint64_t now_us);

/**
 * reflexive_set_local() - This machine's addresses and our socket's port
 * @addresses:  Copied; those past REFLEXIVE_LOCAL_MAX are left out
 */
void reflexive_set_local(struct reflexive *reflexive, uint16_t port,
                         const struct ip_address *addresses, size_t count);

/** reflexive_hurry() - The network changed: ask everybody anew */
void reflexive_hurry(struct reflexive *reflexive, uint64_t now_us);

/**
 * reflexive_keep() - Whether somebody may call us at our endpoint to whom we do not send
 *
 * True while a peer is awaited that knows the endpoint by a reply line, a rendezvous or a meeting
 * point: our own datagrams to peers keep the mapping otherwise.
 */
void reflexive_keep(struct reflexive *reflexive, bool keep, uint64_t now_us);

/**
 * reflexive_receive() - A datagram that may be a STUN message
 *
 * Return: whether it was a response of the Binding method, which nobody but us asks for; taken or
 * refused, there is nothing more to do with it
 */
bool reflexive_receive(struct reflexive *reflexive, const struct endpoint *from,
                       const uint8_t *datagram, size_t bytes, uint64_t now_us);

/** reflexive_due() - The next request to send now; call until it returns false */
bool reflexive_due(struct reflexive *reflexive, uint64_t now_us, struct reflexive_request *out);

/** reflexive_deadline_us() - When reflexive_due() has something to do; UINT64_MAX: never */
uint64_t reflexive_deadline_us(const struct reflexive *reflexive);

/** reflexive_take_changed() - Has a result changed since this was asked last? Ask after any call */
bool reflexive_take_changed(struct reflexive *reflexive);

/** reflexive_result() - What is known of a family: IP_V4 or IP_V6 */
const struct reflexive_result *reflexive_result(const struct reflexive *reflexive,
                                                enum ip_family family);

/**
 * reflexive_answers() - Which server said what
 * @out:  Room for REFLEXIVE_ANSWERS_MAX
 *
 * Return: how many were written
 */
size_t reflexive_answers(const struct reflexive *reflexive, struct reflexive_answer *out);

#endif
