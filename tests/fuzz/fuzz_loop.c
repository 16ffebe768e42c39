/* SPDX-License-Identifier: MIT
 *
 * fuzz_loop.c - any bytes as a loop probe, at a site that has sent some itself.
 *
 * Input: one byte that chooses hub, way in and whether the fuzzer may know our tag; then the
 * frame. What is passed on must be as long as a probe and bear one more stamp, our own; a probe
 * without our tag must shut nothing.
 */
#include "frame/loop.h"

#include <sodium.h>
#include <stdlib.h>

enum { CHOOSE_HUB = 1, CHOOSE_LAN = 2, CHOOSE_OURS = 4, STAMP_COUNT_AT = 37, OURS_BYTES = 37 };

static const uint8_t ID[LOOP_ID_BYTES] = {0x50};
static const uint8_t SECRET[LOOP_SECRET_BYTES] = {1};
static const struct mac TAP = {{0xfe, 0, 0, 0, 0, 1}};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool anything_shut(const struct loop *l)
{
    bool shut = loop_site_shut(l);
    for (uint16_t i = 0; i < LOOP_PEERS_MAX; i++)
        shut |= loop_peer_shut(l, i);
    return shut;
}

/* Make the head and tag those of a real probe of ours, so that the stamps are read. */
static void make_ours(struct loop *l, uint8_t *frame, size_t bytes)
{
    uint8_t probe[LOOP_PROBE_BYTES];
    if (bytes < LOOP_PROBE_BYTES)
        return;
    uint16_t sent_to = frame[35] & 1 ? LOOP_LAN : frame[35];
    if (loop_build(l, sent_to, probe, sizeof probe, 0) == 0)
        return;
    memcpy(frame, probe, OURS_BYTES);
    memcpy(frame + STAMP_COUNT_AT + 1, probe + STAMP_COUNT_AT + 1, LOOP_TAG_BYTES);
}

static void receive(struct loop *l, struct packet *p, unsigned choice)
{
    uint8_t out[LOOP_PROBE_BYTES];
    size_t out_bytes;
    bool to_lan;
    struct loop_event event;
    const uint8_t *last = ID;
    unsigned before = 0;
    if (p->frame_bytes >= LOOP_PROBE_BYTES) {
        before = p->frame[STAMP_COUNT_AT];
        if (before >= 1 && before <= LOOP_STAMPS_MAX)
            last = p->frame + 54 + (before - 1) * LOOP_STAMP_BYTES;
        else
            last = p->frame + 18;
    }
    uint8_t from_id[LOOP_ID_BYTES];
    memcpy(from_id, last, sizeof from_id);

    enum loop_verdict verdict = loop_receive(l, p, choice & CHOOSE_LAN ? LOOP_LAN : 3, from_id, out,
                                             sizeof out, &out_bytes, &to_lan, &event, 1000);
    require((verdict == LOOP_FORWARD) == (out_bytes != 0 || to_lan));
    require(out_bytes == 0 || (out_bytes == sizeof out && out[STAMP_COUNT_AT] == before + 1 &&
                               memcmp(out + 54 + before * LOOP_STAMP_BYTES, ID, sizeof ID) == 0));
    require(!to_lan || p->frame[STAMP_COUNT_AT] == before + 1);
    require((event.kind == LOOP_NONE || !event.shut_here) || anything_shut(l));
    require(choice & CHOOSE_OURS || !anything_shut(l));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 1 + ETHER_HEADER_BYTES || sodium_init() < 0)
        return 0;
    unsigned choice = data[0];
    struct loop l;
    uint8_t probe[LOOP_PROBE_BYTES];
    loop_init(&l, ID, (choice & CHOOSE_HUB) != 0, SECRET, &TAP, 0);
    loop_build(&l, LOOP_LAN, probe, sizeof probe, 0);
    loop_sent(&l, 0);

    size_t frame_bytes = bytes - 1;
    uint8_t *frame = malloc(frame_bytes);
    if (!frame)
        return 0;
    memcpy(frame, data + 1, frame_bytes);
    memcpy(frame, probe, frame_bytes < 18 ? frame_bytes : 18); /* group, EtherType and magic */
    if (choice & CHOOSE_OURS)
        make_ours(&l, frame, frame_bytes);

    struct packet p = {.frame = frame, .frame_bytes = frame_bytes, .ether_type = ETHER_TYPE_LOOP};
    memcpy(p.destination.octet, frame, sizeof p.destination.octet);
    if (loop_is_probe(&p))
        receive(&l, &p, choice);
    free(frame);
    return 0;
}
