/* SPDX-License-Identifier: MIT
 *
 * codel.h - controlled delay (CoDel, RFC 8289) for the queue of datagrams that wait to be read.
 *
 * The queue is the kernel's: first in, first out, and large, so that a burst finds room. A TCP that
 * is faster than this process would fill it and keep it full, and everybody's packets would wait
 * behind. Ours is only the decision which frame does not go on, made from how long its datagram has
 * waited: when for a whole interval none waited less than the target, the queue stands, and each
 * flow in it loses a frame, and then others at a growing pace, until it does not. A frame that says
 * it can be marked (ECN, RFC 3168) is marked instead.
 *
 * Theory of operation. As in fq_codel (RFC 8290) each flow has a law of its own, RFC 8289's: 64
 * streams are slowed by 64 laws at once, where one would take seconds to reach their pace. Flows
 * are told apart by a hash of addresses, protocol and ports. Since they share one queue, one
 * datagram that waited less than the target proves for all that it does not stand, and so does
 * reading it empty (then what waited had waited for us, not for what was before it); they find it
 * out by the number of such proofs when their next frame comes. So a datagram costs one comparison
 * while no queue stands.
 *
 * What never is dropped. A flow's part of the queue is its bytes in an interval, in proportion to
 * the time waited; RFC 8289 leaves alone a queue of one packet, and here a flow whose part is four
 * or less: a stream with such a window would depend on its retransmission timer. Neither is it for
 * a flow with less than an eighth of the heaviest one's bytes to make the queue shorter. So names,
 * voice and pictures of a call pass. So do small frames, of any flow: without them the queue is
 * hardly shorter, and pings, requests and acknowledgements do not depend on whom they share a
 * bucket with. What is no unicast IP is not judged.
 *
 * Interval and target. RFC 8289's 5 ms in 100 ms are for a link that knows nothing of the round
 * trips through it. Here the tunnel's own is known, a lower bound of them: the interval is twice
 * that, within bounds, and the target a tenth of it. A queue much smaller than a flow's round trip
 * leaves the line idle each time it slows down; one larger is delay for nothing.
 *
 * The pace has a limit: who does not slow down (a flood) need not be dropped here, after its
 * datagram was opened, when the kernel drops at a full queue for nothing.
 *
 * The hash is keyed: two flows that somebody made to meet in one bucket (his stream, and the film
 * it is to spoil) meet by chance only. 64 buckets: with eight streams running, one other flow in
 * nine shares a bucket with one, and loses, if its frames are large, a few of them a second.
 *
 * One struct codel per peer: its round trip, its flows, and the socket its datagrams come from are
 * one. One thread uses it.
 */
#ifndef FRAME_CODEL_H
#define FRAME_CODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CODEL_FLOWS = 64,
    CODEL_WORDS = 10, /* of 32 bits: two IPv6 addresses, ports, protocol */
    CODEL_KEY_BYTES = 8 * CODEL_WORDS,
    CODEL_INTERVAL_MIN_US = 5000, /* the target then is what reading a few batches takes */
    CODEL_INTERVAL_MAX_US = 100000,
    CODEL_INTERVAL_RTTS = 2,
    CODEL_TARGET_PART = 10, /* of the interval; RFC 8289 s.4.4: a tenth to a twentieth */
    CODEL_SPARSE_BYTES = 4 * 1514,
    CODEL_SMALL_BYTES = 256,
    CODEL_LIGHT_PART = 8, /* of the heaviest flow's bytes */
    CODEL_COUNT_MAX = 16, /* four drops an interval; more do not make sources any slower */
};

enum codel_verdict { CODEL_PASS, CODEL_MARK, CODEL_DROP };

struct codel_flow {
    /* What was judged, in the codel's window of that number and in the one before. */
    uint64_t window;
    uint32_t bytes, bytes_before;
    /* RFC 8289's variables. */
    bool dropping;
    uint32_t count, last_count;
    uint64_t drop_next_us;
    uint64_t low; /* codel's, when @dropping was true */
};

struct codel {
    uint32_t target_us, interval_us;
    uint64_t low;                       /* proofs that no queue stands */
    uint64_t above_low;                 /* the same when the queue began to stand */
    uint64_t first_above_us;            /* if none came since: frames may be dropped from then on */
    uint64_t window, window_end_us;     /* of an interval, or more */
    uint32_t heaviest, heaviest_before; /* flow's bytes in it, and in the one before */
    uint64_t key[CODEL_WORDS];
    struct codel_flow flow[CODEL_FLOWS];
};

/**
 * codel_init() - No queue stands, the round trip is short
 * @key:  Random and secret; copied
 */
void codel_init(struct codel *codel, const uint8_t key[CODEL_KEY_BYTES]);

/** codel_set_rtt() - Choose interval and target for a peer at this distance; at any time */
void codel_set_rtt(struct codel *codel, uint64_t rtt_us);

/**
 * codel_standing() - Whether the frames of a datagram need judgement: ask once for each datagram
 * @waited_us:  How long it waited to be read; 0 when nobody knows
 *
 * Return: false, in nearly all calls, when no queue stands: all of its frames pass
 */
static inline bool codel_standing(struct codel *codel, uint32_t waited_us)
{
    if (waited_us >= codel->target_us)
        return true;
    codel->low++;
    return false;
}

/** codel_emptied() - All datagrams were read: no queue stands, however long each waited for us */
static inline void codel_emptied(struct codel *codel)
{
    codel->low++;
}

/**
 * codel_judge() - Whether a frame goes on
 * @frame:      Ethernet frame, not looked at by anybody yet
 * @bytes:      Its length
 * @waited_us:  As codel_standing() got it, which has returned true
 * @now_us:     Monotonic time; one for all frames that were read at once
 *
 * Return: CODEL_PASS; CODEL_DROP; or CODEL_MARK, to be obeyed by codel_mark()
 */
enum codel_verdict codel_judge(struct codel *codel, const uint8_t *frame, size_t bytes,
                               uint32_t waited_us, uint64_t now_us);

/** codel_mark() - Set Congestion Experienced (RFC 3168) in a frame that codel_judge() chose */
void codel_mark(uint8_t *frame, size_t bytes);

#endif
