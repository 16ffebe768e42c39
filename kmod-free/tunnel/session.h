/* SPDX-License-Identifier: MIT
 *
 * session.h - the keys and counters of one completed handshake.
 *
 * A session is two independent halves. The sealing half (key, counter) is a struct of its own: the
 * LAN-to-WAN direction takes it away when the session comes into use, so that one place owns the
 * counter. The opening half (key, replay window) is the WAN-to-LAN direction's. Sealing always uses
 * a counter greater than any before; opening refuses what the window has seen. Both work on a whole
 * data datagram (wire.h).
 */
#ifndef TUNNEL_SESSION_H
#define TUNNEL_SESSION_H

#include "address.h"
#include "crypto/aead.h"
#include "crypto/noise.h"
#include "crypto/replay.h"
#include "wire.h"

/* Key suite SUITE_NONE: there is none, or it was taken away. */
struct sealer {
    uint32_t remote_index;
    uint64_t counter; /* of the next datagram */
    struct aead_key key;
};

struct session {
    uint32_t local_index, remote_index; /* local 0: the slot is free */
    bool initiator;                     /* we began the handshake: rekeying is up to us */
    bool enrolling;                     /* made under a token's one-time PSK */
    enum suite suite;
    uint32_t remote_features; /* FEATURE_*, or-ed: what the peer can receive */
    uint64_t created_us;
    uint8_t lasting_psk[PSK_BYTES]; /* from this handshake; used when it was an enrolment */

    struct sealer sealer;

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

/**
 * data_payload_bytes() - The payload of a data datagram that fills an outer packet
 * @family:             Of the outer packet
 * @outer_packet_bytes: At least OUTER_PACKET_MIN_BYTES
 */
size_t data_payload_bytes(enum ip_family family, enum suite suite, uint16_t outer_packet_bytes);

/** outer_header_bytes() - IP and UDP headers of an outer packet */
size_t outer_header_bytes(enum ip_family family);

/**
 * sealer_seal() - Make a data datagram in place
 * @datagram:  DATA_HEADER_BYTES free, then @payload_bytes, then room for the tag
 *
 * Return: bytes of the datagram
 */
size_t sealer_seal(struct sealer *sealer, uint8_t *datagram, size_t payload_bytes);

/**
 * sealer_seal_from() - Make a data datagram of a payload that lies elsewhere
 * @datagram:  Room for DATA_HEADER_BYTES, @payload_bytes and the tag; not where @payload is
 *
 * Return: bytes of the datagram
 */
size_t sealer_seal_from(struct sealer *sealer, uint8_t *datagram, const uint8_t *payload,
                        size_t payload_bytes);

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
