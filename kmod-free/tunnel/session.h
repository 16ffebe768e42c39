/* SPDX-License-Identifier: MIT
 *
 * session.h - the keys and counters of one completed handshake.
 *
 * A session is two independent halves: the sending half (key, counter) is written only by the
 * LAN-to-WAN direction, the receiving half (key, replay window) only by the WAN-to-LAN direction.
 * Sealing always uses a counter greater than any before; opening refuses what the window has
 * seen. Both work in place on a whole data datagram (wire.h).
 */
#ifndef TUNNEL_SESSION_H
#define TUNNEL_SESSION_H

#include "crypto/aead.h"
#include "crypto/noise.h"
#include "crypto/replay.h"
#include "wire.h"

struct session {
    uint32_t local_index, remote_index; /* local 0: the slot is free */
    bool initiator;                     /* we began the handshake: rekeying is up to us */
    bool enrolling;                     /* made under a token's one-time PSK */
    enum suite suite;
    uint32_t remote_features; /* FEATURE_*, or-ed: what the peer can receive */
    uint64_t created_us;
    uint8_t lasting_psk[PSK_BYTES]; /* from this handshake; used when it was an enrolment */

    struct aead_key send_key;
    uint64_t send_counter;

    struct aead_key receive_key;
    struct replay replay;
    uint64_t received; /* datagrams accepted */
};

enum session_open_result { SESSION_OPENED, SESSION_FORGED, SESSION_REPLAYED };

/**
 * session_derive() - Make the data keys of a finished handshake (PROTOCOL.md, 'Data keys')
 * @session:  Its indices are set already and kept
 * @noise:    Finished; wiped by the caller
 * @suite:    Agreed inside the handshake, bound into the keys
 *
 * Return: false when this machine does not have @suite; the session cannot be used then
 */
bool session_derive(struct session *session, const struct noise *noise, bool initiator,
                    enum suite suite, uint64_t now_us);

/** session_wipe() - Forget all keys; the slot is free then */
void session_wipe(struct session *session);

/** session_sealed_bytes() - Size of a data datagram whose payload has @payload_bytes */
size_t session_sealed_bytes(const struct session *session, size_t payload_bytes);

/**
 * session_seal() - Make a data datagram in place
 * @datagram:  DATA_HEADER_BYTES free, then @payload_bytes, then room for the tag
 *
 * Return: bytes of the datagram
 */
size_t session_seal(struct session *session, uint8_t *datagram, size_t payload_bytes);

/**
 * session_open() - Authenticate and decrypt a data datagram in place
 * @datagram:  Whole datagram whose type, reserved bytes and index were checked
 * @bytes:     At least DATA_HEADER_BYTES
 * @payload_bytes: Set when opened; the payload begins at DATA_HEADER_BYTES
 * @newest:    Set when opened: no datagram with a greater counter came before
 */
enum session_open_result session_open(struct session *session, uint8_t *datagram, size_t bytes,
                                      size_t *payload_bytes, bool *newest);

/** session_lost() - Datagrams that the other end sent and that have not come (yet) */
uint64_t session_lost(const struct session *session);

#endif
