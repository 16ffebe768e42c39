/* SPDX-License-Identifier: MIT
 *
 * cursor.h - a checked read position in bytes somebody else made.
 *
 * Every decoder reads through one: a read either has all its bytes or fails and moves nothing, so
 * no decoder compares lengths by hand.
 */
#ifndef CURSOR_H
#define CURSOR_H

#include "bytes.h"

#include <stdbool.h>
#include <stddef.h>

struct cursor {
    const uint8_t *at, *end;
};

static inline struct cursor cursor_over(const uint8_t *bytes, size_t count)
{
    return (struct cursor){bytes, bytes + count};
}

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* Points @out at the next @count bytes and passes them. */
static inline bool cursor_take(struct cursor *c, size_t count, const uint8_t **out)
{
    if (cursor_left(c) < count)
        return false;
    *out = c->at;
    c->at += count;
    return true;
}

static inline bool cursor_skip(struct cursor *c, size_t count)
{
    const uint8_t *passed;
    return cursor_take(c, count, &passed);
}

static inline bool cursor_u8(struct cursor *c, uint8_t *out)
{
    const uint8_t *p;
    if (!cursor_take(c, 1, &p))
        return false;
    *out = *p;
    return true;
}

static inline bool cursor_u16(struct cursor *c, uint16_t *out)
{
    const uint8_t *p;
    if (!cursor_take(c, 2, &p))
        return false;
    *out = load_be16(p);
    return true;
}

static inline bool cursor_u32(struct cursor *c, uint32_t *out)
{
    const uint8_t *p;
    if (!cursor_take(c, 4, &p))
        return false;
    *out = load_be32(p);
    return true;
}

static inline bool cursor_u64(struct cursor *c, uint64_t *out)
{
    const uint8_t *p;
    if (!cursor_take(c, 8, &p))
        return false;
    *out = load_be64(p);
    return true;
}

#endif
