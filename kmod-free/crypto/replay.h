/* SPDX-License-Identifier: MIT
 *
 * replay.h - the anti-replay window of RFC 6479, 8192 bits.
 *
 * A bit per counter, in a ring of words that the counter indexes: word (counter / 64) mod 129. When
 * a greater counter arrives, only the words between are cleared; nothing is ever shifted. One word
 * is spare, so that the word being filled never wipes counters still inside the window: of the
 * greatest counter seen and the 8191 before it, each is accepted once; anything older is refused.
 *
 * One writer, and no reader beside it.
 */
#ifndef CRYPTO_REPLAY_H
#define CRYPTO_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    REPLAY_WINDOW_BITS = 8192,
    REPLAY_WORD_BITS = 64,
    REPLAY_WORDS = REPLAY_WINDOW_BITS / REPLAY_WORD_BITS + 1,
};

struct replay {
    uint64_t greatest; /* meaningless while nothing was accepted: no bit is set then */
    uint64_t seen[REPLAY_WORDS];
};

/**
 * replay_reset() - begin a window: nothing seen
 * @r: the window
 */
void replay_reset(struct replay *r);

/**
 * replay_would_accept() - whether a counter is new, asked before the datagram is opened
 * @r: the window
 * @counter: the counter, not yet authenticated
 *
 * It spares opening a datagram whose counter is old. Nothing is marked: a forger could otherwise
 * use up the counters of datagrams that are still to come.
 */
bool replay_would_accept(const struct replay *r, uint64_t counter);

/**
 * replay_accept() - mark a counter, after the datagram was opened
 * @r: the window
 * @counter: the counter, authenticated
 *
 * Return: false when it was seen before or is older than the window; nothing changes then.
 */
bool replay_accept(struct replay *r, uint64_t counter);

/**
 * replay_greatest() - the greatest counter accepted since replay_reset()
 * @r: the window
 *
 * Return: the counter; 0 also while none was accepted.
 */
uint64_t replay_greatest(const struct replay *r);

#endif
