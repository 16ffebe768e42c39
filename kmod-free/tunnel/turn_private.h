/* SPDX-License-Identifier: MIT
 *
 * turn_private.h - what turn.c (the allocation) and turn_peers.c (who is reached through it) share.
 */
#ifndef TUNNEL_TURN_PRIVATE_H
#define TUNNEL_TURN_PRIVATE_H

#include "tunnel/turn.h"

#define TURN_SECOND_US UINT64_C(1000000)

/* How long an answer is waited for. */
#define TURN_PATIENCE_US (5 * TURN_SECOND_US)

/* ---- turn.c ---- */

/** turn_ask() - Begin a transaction; its request is due at once */
void turn_ask(struct turn *turn, struct turn_transaction *ask, uint64_t now_us);

/** turn_ask_due() - Is it to be sent (again)? Not looked at: whether it waited too long */
bool turn_ask_due(const struct turn_transaction *ask, uint64_t now_us);

/** turn_ask_deadline_us() - When it is to be sent again, or waited for no longer */
uint64_t turn_ask_deadline_us(const struct turn_transaction *ask, uint64_t patience_us);

/**
 * turn_begin_request(), turn_end_request() - Before and after a request's own attributes
 *
 * The end counts it as sent; the next one follows after @wait_us, twice that, and so on.
 */
void turn_begin_request(struct stun_writer *writer, struct turn_request *out,
                        enum stun_method method, const struct turn_transaction *ask);
void turn_end_request(const struct turn *turn, struct stun_writer *writer, struct turn_request *out,
                      struct turn_transaction *ask, uint64_t wait_us, uint64_t now_us);

/**
 * turn_take_nonce() - 401, 438: go on with the nonce in it, in a new transaction
 *
 * Return: false when there is none, or it was tried too often
 */
bool turn_take_nonce(struct turn *turn, const struct stun_message *answer,
                     struct turn_transaction *ask, uint64_t now_us);

/** turn_lost() - The server does not know our allocation: ask for another */
void turn_lost(struct turn *turn, uint64_t now_us);

/* ---- turn_peers.c ---- */

/** turn_peers_due() - The next request about a peer */
bool turn_peers_due(struct turn *turn, uint64_t now_us, struct turn_request *out);

uint64_t turn_peers_deadline_us(const struct turn *turn);

/** turn_peers_find_ask() - The peer whose transaction an answer belongs to, or NULL */
struct turn_peer *turn_peers_find_ask(struct turn *turn, const uint8_t *transaction);

/** turn_peers_answer() - Success (@code 0) or error, of the right integrity or in need of none */
void turn_peers_answer(struct turn *turn, struct turn_peer *peer, const struct stun_message *answer,
                       unsigned code, uint64_t now_us);

/** turn_peers_receive_channel(), turn_peers_receive_data() - ChannelData; a Data indication */
bool turn_peers_receive_channel(struct turn *turn, uint8_t *datagram, size_t bytes, uint64_t now_us,
                                struct turn_delivery *out);
bool turn_peers_receive_data(struct turn *turn, const struct stun_message *message,
                             uint8_t *datagram, uint64_t now_us, struct turn_delivery *out);

#endif
