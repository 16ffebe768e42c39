/* SPDX-License-Identifier: MIT
 *
 * queue_world.h - streams of TCP into one tunnel's receiving end, under virtual time: sources that
 * slow down when something is lost, one queue in front of a process that cannot keep up, and pings.
 *
 * A source sends bursts (a large frame cut by UDP_SEGMENT) as its window opens; each waits in the
 * queue as one message, as with UDP_GRO. The server reads messages in batches of 128 KiB, asks
 * CoDel about each segment, needs time for each, and lets a batch's segments go at its end; the
 * source hears of them one round trip later, the queue left out. The server is not always there:
 * other processes run. When it has read all, it says so. A ping asks for next to nothing, so its
 * time is the queue's alone.
 *
 * Sources count packets as QUIC does: what is lost is sent again under a new number. A loss is
 * known when three later ones were acknowledged, or, when none follows, after a time-out.
 */
#ifndef SIM_QUEUE_WORLD_H
#define SIM_QUEUE_WORLD_H

#include "frame/codel.h"

enum {
    QUEUE_FLOWS_MAX = 64,
    QUEUE_SEGMENT_BYTES = 1514,
    QUEUE_BURST_MAX = 40,
    QUEUE_MESSAGES_MAX = 4096,
    QUEUE_EVENTS_MAX = 16384,
    QUEUE_PINGS_MAX = 65536,
};

enum queue_source { SOURCE_RENO, SOURCE_CUBIC };

struct queue_settings {
    enum queue_source source;
    unsigned flows;
    double rtt_ms;
    double server_mbit_s;
    double seconds;
    bool codel, ecn;
    unsigned window_max; /* segments, of each source that has not more to send; 0: none */
    double gap_every_ms; /* mean time between the server's absences of 1 to 4 ms; 0: none */
    uint64_t seed;
};

struct queue_result {
    double mbit_s;                   /* of new data, after the start */
    double ping_p50_ms, ping_p99_ms; /* what a ping waited in the queue */
    double slowest;                  /* flow, in parts of the mean */
    unsigned long dropped, marked, overflowed;
    unsigned long pings_lost;
};

/** queue_world_run() - One run; the first quarter of the time is not counted */
struct queue_result queue_world_run(const struct queue_settings *settings);

#endif
