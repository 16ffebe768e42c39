/* SPDX-License-Identifier: MIT
 *
 * loop_frames.h - a loop detector with its constants, and loop probes built, stamped and handed to
 * it, for its tests.
 */
#ifndef LOOP_FRAMES_H
#define LOOP_FRAMES_H

#include "frame/loop.h"

#include <check.h>
#include <sodium.h>

enum {
    LAN = LOOP_LAN,
    HUB = LOOP_STAMP_HUB,
    OFF = LOOP_STAMP_OFF_LAN,
    ONTO = LOOP_STAMP_ONTO_LAN,
    SHUT = LOOP_STAMP_SHUT
};

static const uint64_t SECOND_US = 1000000;
static const uint64_t START_US = 5; /* monotonic time may be this young */
static const uint8_t SECRET[LOOP_SECRET_BYTES] = {9, 8, 7};
static const struct mac TAP = {{0xfe, 0, 0, 0, 0, 1}};

enum { ME = 0x50, LOW = 0x10, LOWER = 0x08, HIGH = 0x90, HIGHER = 0xa0 };

static inline void id_of(unsigned n, uint8_t id[LOOP_ID_BYTES])
{
    memset(id, 0, LOOP_ID_BYTES);
    id[0] = (uint8_t)n;
}

static inline void init(struct loop *l, unsigned id_number, bool hub, uint64_t now_us)
{
    uint8_t id[LOOP_ID_BYTES];
    id_of(id_number, id);
    loop_init(l, id, hub, SECRET, &TAP, now_us);
}

/* What packet_parse() makes of an untagged frame, as far as probes are concerned. */
static inline struct packet packet_of(uint8_t *frame, size_t bytes)
{
    struct packet p = {.frame = frame, .frame_bytes = bytes};
    memcpy(p.destination.octet, frame, 6);
    memcpy(p.source.octet, frame + 6, 6);
    p.ether_type = (uint16_t)(frame[12] << 8 | frame[13]);
    return p;
}

static inline enum loop_verdict receive(struct loop *l, uint8_t *frame, unsigned from,
                                        unsigned from_id, struct loop_event *event, uint64_t now_us)
{
    uint8_t id[LOOP_ID_BYTES], out[LOOP_PROBE_BYTES];
    size_t out_bytes;
    bool to_lan;
    struct packet p = packet_of(frame, LOOP_PROBE_BYTES);
    id_of(from_id, id);
    return loop_receive(l, &p, (uint16_t)from, from == LOOP_LAN ? NULL : id, out, sizeof out,
                        &out_bytes, &to_lan, event, now_us);
}

static inline void stamp(uint8_t *frame, unsigned id_number, unsigned how)
{
    uint8_t *at = frame + 54 + frame[37] * LOOP_STAMP_BYTES;
    id_of(id_number, at);
    at[LOOP_ID_BYTES] = (uint8_t)how;
    frame[37]++;
}

#endif
