/* SPDX-License-Identifier: MIT
 *
 * turn_relay.h - the TURN servers of the configuration: one allocation, and what goes through it.
 *
 * One of the servers is used at a time, in the order they are written: the next one is tried when
 * one fails or does not answer in 5 s, and the first again when none is left. The one that works is
 * kept until it fails. Server n's allocation is the way VIA_TURN + n of an endpoint. Names are
 * resolved, all at once, each time a server is wanted, and the addresses of one are tried one after
 * the other.
 *
 * What is relayed is copied into a buffer: the relay is the last resort, not the quick way.
 *
 * Threads. turn_relay_transmit() may be called by any thread, from turn_relay_start() to
 * turn_relay_stop(); all else belongs to the loop's. A mutex guards what they share; who sends
 * nothing through a relay never takes it. The listener's transmit() is called with it held, by the
 * thread that called or by the loop's; changed() by the loop's, without.
 */
#ifndef TURN_RELAY_H
#define TURN_RELAY_H

#include "config.h"
#include "tunnel/turn.h"

#include <pthread.h>
#include <uv.h>

enum { TURN_RELAY_ADDRESSES_MAX = 4, TURN_RELAY_BATCH = 64, TURN_RELAY_BUFFER_BYTES = 128 << 10 };

struct turn_relay_listener {
    void *context;
    void (*changed)(void *context); /* turn_relay_address() */
    /* Send from the tunnel's socket; by any thread. */
    void (*transmit)(void *context, const struct datagram *datagrams, size_t count);
};

struct turn_relay_server {
    struct turn turn;
    char where[CONFIG_ENDPOINT_SIZE]; /* host:port */
    uint8_t address_count, address_next;
    struct endpoint address[TURN_RELAY_ADDRESSES_MAX];
    bool asked;                     /* its name's answer is under way, ... */
    uint64_t asked_us;              /* ... since then */
    bool resolved;                  /* address[] is fresh, and none was tried yet */
    bool unresolved;                /* the name had no answer ... */
    uint64_t ask_again_us;          /* ... and may be asked for again then */
    enum turn_failure told_failure; /* said in the log already */
};

struct turn_relay {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_async_t hurried; /* another thread made something due */
    struct turn_relay_listener listener;
    pthread_mutex_t lock;
    bool running, stopping;
    uint64_t generation;  /* an answer for an older one is of no use */
    uint64_t armed_us;    /* the timer's; UINT64_MAX: none */
    struct endpoint told; /* the relayed address at the last changed() */
    uint8_t told_via;
    uint8_t server_count;
    struct turn_relay_server server[VIA_TURNS];
    unsigned waiting; /* datagrams in the buffer */
    size_t used_bytes;
    struct datagram batch[TURN_RELAY_BATCH];
    uint8_t buffer[TURN_RELAY_BUFFER_BYTES];
};

/**
 * turn_relay_start() - Begin in zeroed memory, which must live until the last request has come back
 * @config:  Its servers are copied, passwords too: into locked memory
 *
 * Return: false with @error
 */
bool turn_relay_start(struct turn_relay *relay, uv_loop_t *loop,
                      const struct turn_relay_listener *listener, const struct config *config,
                      struct error *error);

/** turn_relay_reload() - The servers of another configuration; nothing happens if they are the same
 */
void turn_relay_reload(struct turn_relay *relay, const struct config *config);

/** turn_relay_hurry() - The network changed: look at once whether the allocation is still there */
void turn_relay_hurry(struct turn_relay *relay);

/**
 * turn_relay_stop() - Give the allocation back and wipe the passwords
 *
 * Runs the loop for up to 200 ms, until the server answers: before the loop's handles and the
 * sockets are closed, and not by a callback of the loop. Other threads must have ceased to call.
 * Nothing happens when it was not started.
 */
void turn_relay_stop(struct turn_relay *relay);

/**
 * turn_relay_receive() - A datagram that begins with a byte below 0x80
 * @out:  TURN_DATA: a peer's datagram, its endpoint's via set. It may be anything: what begins with
 *        less than 0x80 is none of the tunnel's
 *
 * Return: TURN_NOT_OURS when it is for others to look at
 */
enum turn_receipt turn_relay_receive(struct turn_relay *relay, const struct endpoint *from,
                                     uint8_t *datagram, size_t bytes, struct turn_delivery *out);

/**
 * turn_relay_transmit() - Send datagrams whose `to.via` is VIA_TURN ... through those allocations
 *
 * What cannot be sent is dropped, as a network would. By any thread.
 */
void turn_relay_transmit(struct turn_relay *relay, const struct datagram *datagrams, size_t count);

/**
 * turn_relay_address() - Where others reach us through the allocation
 * @via:  Receives the way through it
 *
 * Return: false when there is none
 */
bool turn_relay_address(struct turn_relay *relay, struct endpoint *relayed, uint8_t *via);

struct json_object;

/** turn_relay_json() - An array of {server, state, relayed, error} for status */
struct json_object *turn_relay_json(struct turn_relay *relay);

#endif
