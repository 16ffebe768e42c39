/* SPDX-License-Identifier: MIT
 *
 * stun.h - the configured STUN servers: their names to addresses, and the STUN client
 * (tunnel/reflexive.h) on the loop and on the tunnel's sockets.
 *
 * A name is asked for at once, again every ten minutes, and sooner when the answer was an error: at
 * boot DNS comes late. An answer that fails leaves the last good one in use. All of it belongs to
 * the loop's thread.
 */
#ifndef DAEMON_STUN_H
#define DAEMON_STUN_H

#include "config.h"
#include "tunnel/reflexive.h"

#include <uv.h>

struct stun_listener {
    void *context;
    /* What stun_state() says has changed; called by stun_receive(), the timer or any other call,
     * at its end. */
    void (*changed)(void *context);
    /* Send from the tunnel's socket of that family. */
    void (*transmit)(void *context, const struct datagram *datagrams, size_t count);
};

struct stun_server {
    char text[CONFIG_ENDPOINT_SIZE]; /* host:port; "": free */
    uint64_t generation;             /* an answer for an older one is of no use */
    bool numeric, asked;             /* asked: an answer is under way */
    bool unresolved;                 /* DNS has never told its address */
    unsigned failures;               /* of DNS, one after the other */
    bool silence_told;               /* in the log */
    uint64_t resolve_us;             /* when to ask DNS; UINT64_MAX: not */
};

struct stun {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct stun_listener listener;
    struct reflexive reflexive;
    uint64_t generation;
    struct stun_server server[CONFIG_STUN_MAX];
};

/** stun_start() - Begin in zeroed memory, which must live until the last request has come back
 *
 * Servers that are written as addresses are sent to at once.
 */
void stun_start(struct stun *stun, uv_loop_t *loop, const struct stun_listener *listener,
                const struct config *config);

/** stun_reload() - The servers of another configuration; those that are the same go on */
void stun_reload(struct stun *stun, const struct config *config);

/** stun_stop() - Send and tell nothing more; the timer closes with the loop's handles */
void stun_stop(struct stun *stun);

/** stun_set_local() - All addresses of this machine; see reflexive_set_local() */
void stun_set_local(struct stun *stun, uint16_t port, const struct ip_address *addresses,
                    size_t count);

/** stun_hurry() - The network changed: ask everybody anew */
void stun_hurry(struct stun *stun);

/** stun_keep() - See reflexive_keep() */
void stun_keep(struct stun *stun, bool keep);

/** stun_receive() - A datagram that may be STUN's. Return: whether it was for us; it is done with
 */
bool stun_receive(struct stun *stun, const struct endpoint *from, const uint8_t *datagram,
                  size_t bytes);

/** stun_state() - What is known: reflexive_result(), reflexive_answers() */
const struct reflexive *stun_state(const struct stun *stun);

struct json_object;

/** stun_json() - For status: {mapped, behaviour, port_kept, servers: [{server, address, other,
 *  state, mapped, error}], refused} of a family; refused: answers that were not believed */
struct json_object *stun_json(const struct stun *stun, enum ip_family family);

#endif
