/* SPDX-License-Identifier: MIT
 *
 * fuzz_path_mtu.c - any row of answers, hints, traffic and time: the size in use stays within its
 * bounds and is one that was probed, and nothing is due again and again at one instant.
 *
 * A step is 4 bytes of input: what happens 1, its argument 2, time that passes before it 1.
 */
#include "tunnel/path_mtu.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum { REMEMBERED = 64 };

static struct path_mtu p;
static uint64_t now_us;
static struct path_mtu_probe sent[REMEMBERED]; /* the last probes */
static unsigned sent_count;
static uint64_t controls[REMEMBERED];
static unsigned control_count;
static uint8_t ever_probed[(UINT16_MAX + 1) / 8]; /* a bit for each size */

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool was_probed(unsigned bytes)
{
    return ever_probed[bytes / 8] >> bytes % 8 & 1;
}

static void check(void)
{
    if (p.state == PATH_MTU_FIXED || p.state == PATH_MTU_STOPPED) {
        require(path_mtu_deadline_us(&p) == UINT64_MAX);
        return;
    }
    require(p.state <= PATH_MTU_CONFIRMING && p.limit <= PATH_MTU_LIMIT_BELOW_BASE);
    require(p.base_bytes == PATH_MTU_BASE_V4_BYTES || p.base_bytes == PATH_MTU_BASE_V6_BYTES);
    require(p.mtu_bytes >= p.base_bytes && p.mtu_bytes <= OUTER_PACKET_MAX_BYTES);
    require(p.mtu_bytes == p.base_bytes || (p.proved && was_probed(p.mtu_bytes)));
    require(path_mtu_deadline_us(&p) != UINT64_MAX || p.state == PATH_MTU_FOUND);
}

static void due(int64_t rtt_us)
{
    struct path_mtu_probe out[PATH_MTU_SIZES_MAX];
    unsigned count = path_mtu_due(&p, rtt_us, now_us, out);

    require(count <= PATH_MTU_SIZES_MAX);
    require(path_mtu_deadline_us(&p) > now_us);
    require(path_mtu_due(&p, rtt_us, now_us, out) == 0);
    for (unsigned i = 0; i < count; i++) {
        require(out[i].bytes >= p.base_bytes && out[i].bytes <= OUTER_PACKET_MAX_BYTES);
        require(path_mtu_is_probe(out[i].value));
        ever_probed[out[i].bytes / 8] |= (uint8_t)(1u << out[i].bytes % 8);
        sent[sent_count++ % REMEMBERED] = out[i];
    }
    if (count != 0)
        controls[control_count++ % REMEMBERED] = now_us;
}

/* As a path of that size answers the last round; or any probe; or what never was sent. */
static void answer(uint8_t how, uint16_t argument)
{
    for (unsigned i = 0; i < PATH_MTU_SIZES_MAX; i++)
        if (how == 0 && sent[i].bytes <= argument)
            path_mtu_answered(&p, sent[i].value, now_us);
    if (how == 1)
        path_mtu_answered(&p, sent[argument % REMEMBERED].value, now_us);
    if (how == 2)
        path_mtu_answered(
            &p, sent[argument % REMEMBERED].value ^ UINT64_C(1) << (argument >> 8) % 64, now_us);
    path_mtu_control(
        &p, controls[how ? argument % REMEMBERED : (control_count + REMEMBERED - 1) % REMEMBERED],
        now_us);
}

static void step(const uint8_t in[4])
{
    uint16_t argument = load_be16(in + 1);

    now_us += (uint64_t)in[3] * in[3] * in[3];
    switch (in[0] & 15) {
    case 0:
    case 1:
    case 2:
        answer(in[0] & 3, argument);
        break;
    case 3:
    case 4:
        path_mtu_hint(&p, argument, in[0] & 16, now_us);
        break;
    case 5:
        path_mtu_sent(&p, argument, now_us);
        break;
    case 6:
        path_mtu_begin(&p, in[0] & 16 ? IP_V6 : IP_V4, now_us);
        break;
    case 7:
        path_mtu_stop(&p);
        break;
    case 8:
        path_mtu_set(&p, in[0] & 16 ? (uint16_t)(1200 + argument % 7801) : 0,
                     (uint64_t)argument * 10000);
        break;
    case 9: /* whenever it wants, for a while */
        for (unsigned i = 0; i < argument % 64; i++) {
            uint64_t at_us = path_mtu_deadline_us(&p);
            if (at_us != UINT64_MAX && at_us > now_us)
                now_us = at_us;
            due(argument);
        }
        break;
    default:
        due(in[0] & 16 ? -1 : (int64_t)argument * 100);
        break;
    }
    check();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    memset(&p, 0, sizeof p);
    memset(sent, 0, sizeof sent);
    memset(ever_probed, 0, sizeof ever_probed);
    sent_count = control_count = 0;
    now_us = 0;
    path_mtu_set(&p, 0, 0);
    check();
    for (size_t at = 0; at + 4 <= count; at += 4)
        step(input + at);
    return 0;
}
