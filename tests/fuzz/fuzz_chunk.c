/* SPDX-License-Identifier: MIT
 *
 * fuzz_chunk.c - any payload: chunks lie inside it, in order, and pack again to what was read.
 */
#include "tunnel/chunk.h"

#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void repack(struct packer *packer, const struct chunk *c)
{
    uint16_t id, offset, total;
    const uint8_t *data;
    size_t bytes;
    if (!fragment_parse(c, &id, &offset, &total, &data, &bytes)) {
        require(packer_add(packer, c->kind, c->checksum_partial, c->body, c->bytes));
        return;
    }
    size_t before = packer->used;
    require(bytes > 0 && data + bytes == c->body + c->bytes && offset + bytes <= total);
    require(packer_add_fragment(packer, id, offset, total, data, bytes));
    require(memcmp(packer->bytes + before + CHUNK_HEADER_BYTES, c->body, c->bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
    if (count == 0)
        return 0;
    uint8_t *payload = malloc(count), *again = malloc(count); /* the sanitizer sees their ends */
    struct chunk_reader reader;
    struct packer packer;
    struct chunk c;
    enum chunk_read result;
    const uint8_t *passed = payload;

    memcpy(payload, input, count);
    packer_init(&packer, again, count);
    chunk_reader_init(&reader, payload, count);
    while ((result = chunk_next(&reader, &c)) == CHUNK_READ_ONE) {
        require(c.kind != CHUNK_PADDING && c.bytes > 0 && c.body >= passed + CHUNK_HEADER_BYTES);
        passed = c.body + c.bytes;
        require(passed <= payload + count);
        repack(&packer, &c);
        memset(c.body, 0, c.bytes); /* it may be changed in place, and that changes no length */
    }
    require(chunk_next(&reader, &c) == result);
    require(packer.used <= packer.capacity);
    free(payload);
    free(again);
    return 0;
}
