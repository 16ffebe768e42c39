/* SPDX-License-Identifier: MIT
 *
 * replay.c - the anti-replay window of RFC 6479; replay.h says how it works.
 */
#include "crypto/replay.h"

#include <string.h>

/* Which word of the ring. At most 129 words in a row are in use, so no two share a place. */
static unsigned word_of(uint64_t counter)
{
    return (unsigned)(counter / REPLAY_WORD_BITS % REPLAY_WORDS);
}

static uint64_t bit_of(uint64_t counter)
{
    return UINT64_C(1) << counter % REPLAY_WORD_BITS;
}

/* Clears the words after that of the greatest, up to that of the counter: the whole ring at most.
 */
static void advance(struct replay *r, uint64_t counter)
{
    uint64_t last = counter / REPLAY_WORD_BITS;
    uint64_t words = last - r->greatest / REPLAY_WORD_BITS;

    if (words > REPLAY_WORDS)
        words = REPLAY_WORDS;
    for (uint64_t i = 0; i < words; i++)
        r->seen[(last - i) % REPLAY_WORDS] = 0;
    r->greatest = counter;
}

void replay_reset(struct replay *r)
{
    memset(r, 0, sizeof(*r));
}

bool replay_would_accept(const struct replay *r, uint64_t counter)
{
    if (counter > r->greatest)
        return true;
    if (r->greatest - counter >= REPLAY_WINDOW_BITS)
        return false;
    return (r->seen[word_of(counter)] & bit_of(counter)) == 0;
}

bool replay_accept(struct replay *r, uint64_t counter)
{
    if (!replay_would_accept(r, counter))
        return false;
    if (counter > r->greatest)
        advance(r, counter);
    r->seen[word_of(counter)] |= bit_of(counter);
    return true;
}

uint64_t replay_greatest(const struct replay *r)
{
    return r->greatest;
}
