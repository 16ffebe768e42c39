/* SPDX-License-Identifier: MIT
 *
 * session.c - see session.h.
 */
#include "tunnel/session.h"

#include "bytes.h"
#include "frame/packet.h"

#include <sodium.h>
#include <string.h>

bool session_derive(struct session *session, const struct noise *noise, bool initiator,
                    enum suite suite, uint64_t now_us)
{
    uint8_t keys[3][NOISE_HASH_BYTES];
    uint8_t info = (uint8_t)suite;
    noise_export(noise, &info, 1, keys, 3);

    session->initiator = initiator;
    session->suite = suite;
    session->created_us = now_us;
    session->sealer.remote_index = session->remote_index;
    session->sealer.counter = 0;
    session->received = 0;
    replay_reset(&session->replay);
    bool ready = aead_init(&session->sealer.key, suite, keys[initiator ? 0 : 1]) &&
                 aead_init(&session->receive_key, suite, keys[initiator ? 1 : 0]);
    memcpy(session->lasting_psk, keys[2], PSK_BYTES);
    sodium_memzero(keys, sizeof keys);
    return ready;
}

void session_wipe(struct session *session)
{
    sodium_memzero(session, sizeof *session);
}

size_t outer_header_bytes(enum ip_family family)
{
    return (size_t)(family == IP_V6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES) + UDP_HEADER_BYTES;
}

size_t data_payload_bytes(enum ip_family family, enum suite suite, uint16_t outer_packet_bytes)
{
    return outer_packet_bytes - outer_header_bytes(family) - DATA_HEADER_BYTES -
           aead_tag_bytes(suite);
}

size_t sealer_seal_from(struct sealer *sealer, uint8_t *datagram, const uint8_t *payload,
                        size_t payload_bytes)
{
    uint64_t counter = sealer->counter++;
    store_be32(datagram, (uint32_t)WIRE_DATA << 24);
    store_be32(datagram + 4, sealer->remote_index);
    store_be64(datagram + 8, counter);
    aead_seal_from(&sealer->key, counter, datagram, DATA_HEADER_BYTES, datagram + DATA_HEADER_BYTES,
                   payload, payload_bytes);
    return DATA_HEADER_BYTES + payload_bytes + aead_tag_bytes(sealer->key.suite);
}

size_t sealer_seal(struct sealer *sealer, uint8_t *datagram, size_t payload_bytes)
{
    return sealer_seal_from(sealer, datagram, datagram + DATA_HEADER_BYTES, payload_bytes);
}

enum session_open_result session_open(struct session *session, uint8_t *datagram, size_t bytes,
                                      size_t *payload_bytes, bool *newest)
{
    size_t sealed = bytes - DATA_HEADER_BYTES, tag = aead_tag_bytes(session->suite);
    uint64_t counter = load_be64(datagram + 8);

    if (sealed < tag)
        return SESSION_FORGED;
    if (!replay_would_accept(&session->replay, counter))
        return SESSION_REPLAYED;
    if (!aead_open(&session->receive_key, counter, datagram, DATA_HEADER_BYTES,
                   datagram + DATA_HEADER_BYTES, sealed))
        return SESSION_FORGED;
    *newest = session->received == 0 || counter > replay_greatest(&session->replay);
    if (!replay_accept(&session->replay, counter))
        return SESSION_REPLAYED;
    session->received++;
    *payload_bytes = sealed - tag;
    return SESSION_OPENED;
}

uint64_t session_lost(const struct session *session)
{
    if (session->received == 0)
        return 0;
    return replay_greatest(&session->replay) + 1 - session->received;
}
