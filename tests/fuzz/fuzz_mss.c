/* SPDX-License-Identifier: MIT
 *
 * fuzz_mss.c - any frame and maximum: a clamp lowers values among the TCP options, leaves a good
 * checksum good and a bad one bad, and changes nothing else.
 */
#include "frame/checksum.h"
#include "frame/mss.h"

#include "bytes.h"

#include <stdlib.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* As a receiver sees it: 0 and 0xffff are one value. */
static bool checksum_good(const struct packet *p)
{
    uint16_t found = load_be16(p->frame + p->transport_offset + 16);
    return found % 0xffff == checksum_transport(p) % 0xffff;
}

static void require_clamp(const struct packet *p, const uint8_t *before, bool good_before)
{
    size_t tcp = p->transport_offset, checksum = tcp + 16, changed = 0;
    size_t options_end = tcp + (size_t)4 * (p->frame[tcp + 12] >> 4);
    require(p->protocol == IP_PROTOCOL_TCP && !p->later_fragment && (p->frame[tcp + 13] & 2) != 0);
    for (size_t i = 0; i < p->frame_bytes; i++) {
        if (p->frame[i] == before[i] || i == checksum || i == checksum + 1)
            continue;
        require(i >= tcp + 22 && i < options_end);
        /* The low half of a value may rise only when its high half falls. */
        require(p->frame[i] < before[i] || p->frame[i - 1] < before[i - 1]);
        changed++;
    }
    require(changed >= 1 && changed <= 20);
    require(checksum_good(p) == good_before);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

/* The first two octets are the maximum. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    if (count < 2)
        return 0;
    uint16_t maximum = load_be16(input);
    const uint8_t *before = input + 2;
    size_t bytes = count - 2;
    uint8_t *frame = malloc(bytes ? bytes : 1);
    struct packet p;
    require(frame != NULL);
    if (bytes > 0)
        memcpy(frame, before, bytes);
    if (packet_parse(&p, frame, bytes)) {
        bool good = p.transport_offset != 0 && p.protocol == IP_PROTOCOL_TCP && checksum_good(&p);
        if (mss_clamp(&p, maximum))
            require_clamp(&p, before, good);
        else
            require(memcmp(frame, before, bytes) == 0);
        require(!mss_clamp(&p, maximum));
    }
    free(frame);
    return 0;
}
