/* SPDX-License-Identifier: MIT
 *
 * fuzz_codel.c - any frames, any waits: a verdict is given from the frame alone and only where
 * codel.h says so, and a mark changes the ECN bits and the IPv4 header checksum and nothing else,
 * and leaves a good checksum good and a bad one bad.
 */
#include "frame/checksum.h"
#include "frame/codel.h"

#include <stdlib.h>
#include <string.h>

enum { REPEATS = 300, STEP_US = 100 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool header_checksum_good(const uint8_t *ip)
{
    return checksum_finish(checksum_add(0, ip, (size_t)4 * (ip[0] & 0xf))) == 0;
}

/* @before: the frame as it was. */
static void require_marked(const uint8_t *frame, const uint8_t *before, size_t bytes)
{
    struct packet p;
    uint8_t *copy = malloc(bytes);
    require(copy != NULL);
    memcpy(copy, before, bytes);
    if (packet_parse(&p, copy, bytes) && !p.malformed) {
        size_t at = p.network_offset;
        bool v4 = p.network == PACKET_IPV4;
        require(v4 || p.network == PACKET_IPV6);
        require((frame[at + 1] | (v4 ? 3 : 0x30)) == frame[at + 1]);
        copy[at + 1] |= v4 ? 3 : 0x30;
        if (v4) {
            require(header_checksum_good(frame + at) == header_checksum_good(before + at));
            memcpy(copy + at + 10, frame + at + 10, 2);
        }
        require(memcmp(copy, frame, bytes) == 0);
    }
    free(copy);
}

/* One frame as a heavy flow in a queue that stands. */
static enum codel_verdict judge(struct codel *codel, const uint8_t *frame, size_t bytes,
                                uint32_t waited_us)
{
    enum codel_verdict verdict = CODEL_PASS;
    for (uint64_t now_us = 0; now_us < REPEATS * STEP_US; now_us += STEP_US)
        if (codel_standing(codel, waited_us)) {
            enum codel_verdict now = codel_judge(codel, frame, bytes, waited_us, now_us);
            verdict = now == CODEL_PASS ? verdict : now;
        }
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

/* The first two octets: how long it waited, in units of 8 us. The lowest bit of the third: 1400
 * octets more, of zero, so that small inputs make large frames. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    static const uint8_t key[CODEL_KEY_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static struct codel codel;
    if (count < 3)
        return 0;
    uint32_t waited_us = (uint32_t)(input[0] << 8 | input[1]) * 8;
    bool padded = (input[2] & 1) != 0;
    const uint8_t *given = input + 3;
    size_t given_bytes = count - 3, bytes = given_bytes + (padded ? 1400 : 0);
    uint8_t *frame = calloc(1, bytes ? bytes : 1), *before = calloc(1, bytes ? bytes : 1);
    require(frame != NULL && before != NULL);
    if (given_bytes > 0) {
        memcpy(frame, given, given_bytes);
        memcpy(before, given, given_bytes);
    }
    codel_init(&codel, key);
    enum codel_verdict verdict = judge(&codel, frame, bytes, waited_us);
    require(memcmp(frame, before, bytes) == 0);
    if (verdict != CODEL_PASS)
        require(bytes > CODEL_SMALL_BYTES && (frame[0] & 1) == 0 && waited_us >= codel.target_us);
    codel_mark(frame, bytes);
    if (verdict == CODEL_MARK)
        require_marked(frame, before, bytes);
    free(frame);
    free(before);
    return 0;
}
