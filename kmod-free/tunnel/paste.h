/* SPDX-License-Identifier: MIT
 *
 * paste.h - bytes as one line of text that people copy and paste: an invite's token, a join's
 * reply.
 *
 * The text is a mark, which ends in the format's version and a colon, and base64url without
 * padding of
 *   version 1 | length of all 2 | body | checksum 4
 * Version and length are the first four characters, so that a line cut short is known by its
 * length. The checksum is BLAKE2b-512's first bytes, of all before it: it finds what a copy lost or
 * changed, not forgery. Blanks and line ends are ignored wherever they stand, as mail and chat
 * programs put them there. The version is judged after the checksum: a line that arrived whole but
 * is of a later version is told from a damaged one.
 *
 * What is in a line may be secret: everything here leaves no copy of it behind.
 */
#ifndef TUNNEL_PASTE_H
#define TUNNEL_PASTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PASTE_VERSION = 1,
    PASTE_HEADER_BYTES = 3, /* version and length: exactly four characters of base64 */
    PASTE_CHECKSUM_BYTES = 4,
    PASTE_BYTES_MAX = 1536,
    PASTE_MARK_MAX = 32,
    PASTE_TEXT_SIZE = PASTE_MARK_MAX + (PASTE_BYTES_MAX * 4 + 2) / 3 + 1, /* its NUL included */
};

/* The characters of a line with that mark and so many bytes, and a NUL. */
#define PASTE_TEXT_SIZE_OF(mark_chars, bytes) ((mark_chars) + ((bytes)*4 + 2) / 3 + 1)

enum paste_error {
    PASTE_OK,
    PASTE_OTHER,         /* does not begin with the mark */
    PASTE_CUT_SHORT,     /* begins with it, but ends too early */
    PASTE_DAMAGED,       /* a character is wrong, or not one of the alphabet */
    PASTE_OTHER_VERSION, /* whole, but of another version */
    PASTE_OTHER_KIND,    /* PASTE_OTHER, with the mark of the other kind: token.h, reply.h */
    PASTE_INVALID,       /* whole, but says what cannot be */
};

/**
 * paste_encode() - write a line
 * @mark: such as "lansplice1:"
 * @bytes: PASTE_HEADER_BYTES, the body and PASTE_CHECKSUM_BYTES; header and checksum are filled in
 * @count: of all of these, at most PASTE_BYTES_MAX
 * @out: receives the text and a NUL
 * @capacity: bytes there are at @out
 *
 * Return: the text's length without its NUL; 0 when it does not fit.
 */
size_t paste_encode(const char *mark, uint8_t *bytes, size_t count, char *out, size_t capacity);

/**
 * paste_decode() - read a line
 * @mark: which it must have
 * @bytes: receives all of the line's bytes, header and checksum included
 * @capacity: bytes there are at @bytes, at most PASTE_BYTES_MAX; a line of more is damaged
 * @count: receives how many there are
 * @text: need not end in a NUL; blanks and line ends are ignored
 * @chars: length of @text
 *
 * Return: any but the last two. PASTE_OK, and then @count is at least header and checksum; else
 * what is wrong, and what is at @bytes is of no use.
 */
enum paste_error paste_decode(const char *mark, uint8_t *bytes, size_t capacity, size_t *count,
                              const char *text, size_t chars);

/** paste_begins() - whether a text begins with that mark, of whatever version */
bool paste_begins(const char *mark, const char *text, size_t chars);

#endif
