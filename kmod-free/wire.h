/* SPDX-License-Identifier: MIT
 *
 * wire.h - every byte lansplice puts on the wire, in one place. PROTOCOL.md says why.
 *
 * All integers are big-endian. Datagram types begin at 0x80, so that STUN (0x00-0x3f) and TURN
 * ChannelData (0x40-0x4f) can share the socket.
 *
 * Handshake header (initiation, response, cookie), 4 bytes:
 *   0  type
 *   1  part: high nibble which part, low nibble of how many; 0x11 in this version
 *   2  reserved, 2 bytes, must be 0
 *
 * Initiation, always INITIATION_BYTES, so that no answer is ever larger (no amplification):
 *   4  sender index    8  Noise message 1 (e, s, payload padded)   .. mac1 16   .. mac2 16
 * Response, at most INITIATION_BYTES:
 *   4  sender index    8  receiver index    12  Noise message 2 (e, payload)   .. mac1   .. mac2
 * Cookie, 64 bytes:
 *   4  receiver index  8  nonce 24   32  sealed cookie 32
 * Data:
 *   0  type   1  reserved 3, must be 0   4  receiver index   8  counter   16  chunks, sealed   tag
 *
 * Chunk, 2-byte header and body; a data payload is a row of them:
 *   bits 15-14 kind (enum chunk_kind), bit 13 checksum partial, bits 12-0 body bytes
 * so that the IP header of a frame that comes first is aligned to 4 bytes in the datagram.
 * Fragment body: id 2, offset 2, total 2, data.  Control body: type 1 (enum control_type), value.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdint.h>

enum { PROTOCOL_VERSION = 1 };

enum wire_type {
    WIRE_INITIATION = 0x80,
    WIRE_RESPONSE = 0x81,
    WIRE_COOKIE = 0x82,
    WIRE_DATA = 0x83,
};

enum {
    PUBLIC_KEY_BYTES = 32,
    PSK_BYTES = 32,
    MAC_TAG_BYTES = 16, /* mac1, mac2 */
    TOKEN_ID_BYTES = 16,
    WIRE_PART_WHOLE = 0x11,
    INITIATION_BYTES = 1024,
    COOKIE_BYTES = 64,
    INITIATION_NOISE_OFFSET = 8,
    RESPONSE_NOISE_OFFSET = 12,
    NOISE_1_OVERHEAD_BYTES = 32 + 48 + 16, /* e, sealed s, payload's tag */
    NOISE_2_OVERHEAD_BYTES = 32 + 16,      /* e, payload's tag */
    INITIATION_PAYLOAD_BYTES =
        INITIATION_BYTES - INITIATION_NOISE_OFFSET - NOISE_1_OVERHEAD_BYTES - 2 * MAC_TAG_BYTES,
    RESPONSE_PAYLOAD_MAX_BYTES =
        INITIATION_BYTES - RESPONSE_NOISE_OFFSET - NOISE_2_OVERHEAD_BYTES - 2 * MAC_TAG_BYTES,
    DATA_HEADER_BYTES = 16,
};

/* An outer IP packet with data; a path's MTU lies between (tunnel/path_mtu.h). */
enum { OUTER_PACKET_MIN_BYTES = 1200, OUTER_PACKET_MAX_BYTES = 9000 };

/* A site where there is no address for it: the beginning of its public key. */
enum { SITE_ID_BYTES = 8 };

enum chunk_kind {
    CHUNK_PADDING = 0, /* body ignored; an all-zero tail is padding too */
    CHUNK_FRAME = 1,
    CHUNK_FRAGMENT = 2,
    CHUNK_CONTROL = 3,
};

enum {
    CHUNK_HEADER_BYTES = 2,
    CHUNK_KIND_SHIFT = 14,
    CHUNK_CHECKSUM_PARTIAL = 1 << 13,
    CHUNK_BODY_MASK = (1 << 13) - 1,
    FRAGMENT_HEADER_BYTES = 6,
};

enum control_type {
    CONTROL_SITE = 1,        /* value: site info, as in the handshake (site_info.h) */
    CONTROL_PROBE = 2,       /* value: 8 opaque bytes */
    CONTROL_PROBE_REPLY = 3, /* value: the probe's 8 bytes */
    CONTROL_CLOSE = 4,       /* no value: the sender is ending; forget this session */
    CONTROL_CHECK = 5,       /* value: 8 opaque bytes; is this path there? */
    CONTROL_CHECK_REPLY = 6, /* value: the check's 8 bytes, where it came from (endpoint.h) */
    CONTROL_RELAY = 7,       /* value: site id, a datagram: pass it on to that site */
    CONTROL_CANDIDATES = 8,  /* value: where the sender may be reached (candidate.h) */
    CONTROL_RELAYED = 9,     /* value: site id, a datagram that came from that site */
    CONTROL_SEEN = 10,       /* value: site id, and where the sender sees that site (endpoint.h) */
};

/* Features, offered by whoever can receive them. */
enum {
    FEATURE_CHECKSUM_PARTIAL = 1, /* frames with CHUNK_CHECKSUM_PARTIAL */
};

/* AEAD suites, in no order; which is best is the sender's list. A nonce is zeros and, in its last 8
 * bytes, the datagram's counter. Of the 32 bytes of key material a suite takes the first.
 *                     key  nonce  tag
 *   chacha20poly1305   32     12   16
 *   aes256gcm          32     12   16
 *   aegis128l          16     16   32
 *   aegis256           32     32   32
 */
enum suite {
    SUITE_NONE = 0,
    SUITE_CHACHA20POLY1305 = 1,
    SUITE_AES256GCM = 2,
    SUITE_AEGIS128L = 3,
    SUITE_AEGIS256 = 4,
};

#endif
