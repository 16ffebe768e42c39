/* SPDX-License-Identifier: MIT
 *
 * check_chunk.c - packing, cutting and reading chunks: bytes on the wire, limits, malformed rows.
 */
#include "tunnel/chunk.h"

#include "tunnel/reassembly.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static uint8_t payload[9000];

START_TEST(it_writes_the_bytes_of_the_wire)
{
    static const uint8_t want[] = {0x40, 3, 'a',  'b',  'c', 0x60, 1, 'd', 0xc0, 1,  4,
                                   0x80, 8, 0x12, 0x34, 0,   5,    0, 7,   'x',  'y'};
    struct packer p;
    packer_init(&p, payload, sizeof payload);
    ck_assert(packer_add(&p, CHUNK_FRAME, false, (const uint8_t *)"abc", 3));
    ck_assert(packer_add(&p, CHUNK_FRAME, true, (const uint8_t *)"d", 1));
    ck_assert(packer_add(&p, CHUNK_CONTROL, false, (const uint8_t[]){CONTROL_CLOSE}, 1));
    ck_assert(packer_add_fragment(&p, 0x1234, 5, 7, (const uint8_t *)"xy", 2));
    ck_assert_uint_eq(p.used, sizeof want);
    ck_assert_mem_eq(payload, want, sizeof want);
}
END_TEST

START_TEST(it_reads_what_it_wrote)
{
    struct packer p;
    struct chunk_reader r;
    struct chunk c;
    packer_init(&p, payload, sizeof payload);
    uint8_t *body = packer_reserve(&p, CHUNK_FRAME, true, 300);
    ck_assert_ptr_nonnull(body);
    memset(body, 7, 300);
    ck_assert(packer_add(&p, CHUNK_CONTROL, false, (const uint8_t *)"pq", 2));

    chunk_reader_init(&r, payload, p.used);
    ck_assert_int_eq(chunk_next(&r, &c), CHUNK_READ_ONE);
    ck_assert_uint_eq(c.kind, CHUNK_FRAME);
    ck_assert(c.checksum_partial);
    ck_assert_uint_eq(c.bytes, 300);
    ck_assert_ptr_eq(c.body, body);
    ck_assert_int_eq(chunk_next(&r, &c), CHUNK_READ_ONE);
    ck_assert_uint_eq(c.kind, CHUNK_CONTROL);
    ck_assert(!c.checksum_partial);
    ck_assert_uint_eq(c.bytes, 2);
    ck_assert_mem_eq(c.body, "pq", 2);
    ck_assert_int_eq(chunk_next(&r, &c), CHUNK_READ_END);
    ck_assert_int_eq(chunk_next(&r, &c), CHUNK_READ_END);
}
END_TEST

/* A body of exactly the room fits, one more does not and changes nothing. */
START_TEST(it_never_passes_the_capacity)
{
    static const struct {
        size_t capacity, room;
    } row[] = {{0, 0},       {1, 0},       {2, 0},       {3, 1},      {100, 98},
               {8193, 8191}, {8194, 8191}, {9000, 8191}, {8192, 8190}};
    static const uint8_t body[9000];

    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        struct packer p;
        packer_init(&p, payload, row[i].capacity);
        ck_assert_uint_eq(packer_room(&p), row[i].room);
        ck_assert_uint_eq(chunk_body_max(row[i].capacity), row[i].room);
        ck_assert(!packer_add(&p, CHUNK_FRAME, false, body, row[i].room + 1));
        ck_assert(!packer_add(&p, CHUNK_FRAME, false, body, 0));
        ck_assert_uint_eq(p.used, 0);
        ck_assert(packer_add(&p, CHUNK_FRAME, false, body, row[i].room) == (row[i].room > 0));
        ck_assert_uint_eq(p.used, row[i].room ? row[i].room + CHUNK_HEADER_BYTES : 0);
    }
}
END_TEST

START_TEST(a_full_packer_has_no_room)
{
    struct packer p;
    packer_init(&p, payload, 20);
    ck_assert(packer_add(&p, CHUNK_FRAME, false, (const uint8_t *)"0123456789", 10));
    ck_assert_uint_eq(packer_room(&p), 6);
    ck_assert(packer_add(&p, CHUNK_FRAME, false, (const uint8_t *)"012345", 6));
    ck_assert_uint_eq(p.used, 20);
    ck_assert_uint_eq(packer_room(&p), 0);
    ck_assert_ptr_null(packer_reserve(&p, CHUNK_FRAME, false, 1));
}
END_TEST

START_TEST(a_piece_needs_its_header_and_data)
{
    struct packer p;
    static const uint8_t data[9000];
    packer_init(&p, payload, 18);
    ck_assert(!packer_add_fragment(&p, 1, 0, 20, data, 0));
    ck_assert(!packer_add_fragment(&p, 1, 0, 20, data, 11));
    ck_assert(!packer_add_fragment(&p, 1, 0, 20, data, (size_t)-1));
    ck_assert(packer_add_fragment(&p, 1, 0, 20, data, 10));
    packer_init(&p, payload, sizeof payload);
    ck_assert(!packer_add_fragment(&p, 1, 0, 9000, data, 8186));
    ck_assert(packer_add_fragment(&p, 1, 0, 9000, data, 8185));
}
END_TEST

START_TEST(it_reads_rows_as_it_must)
{
    static const struct {
        const char *name;
        uint8_t bytes[12];
        size_t count;
        unsigned chunks;
        enum chunk_read end;
    } row[] = {
        {"nothing", {0}, 0, 0, CHUNK_READ_END},
        {"one zero byte", {0}, 1, 0, CHUNK_READ_END},
        {"one byte of a header", {0x40}, 1, 0, CHUNK_READ_MALFORMED},
        {"zeros, even", {0}, 12, 0, CHUNK_READ_END},
        {"zeros, odd", {0}, 11, 0, CHUNK_READ_END},
        {"padding with a body", {0, 3, 9, 9, 9, 0x40, 1, 5}, 8, 1, CHUNK_READ_END},
        {"padding past the end", {0, 3, 9, 9}, 4, 0, CHUNK_READ_MALFORMED},
        {"a frame, then an odd zero tail", {0x40, 1, 5, 0, 0, 0}, 6, 1, CHUNK_READ_END},
        {"a frame, then one stray byte", {0x40, 1, 5, 1}, 4, 1, CHUNK_READ_MALFORMED},
        {"a body one too long", {0x40, 2, 5}, 3, 0, CHUNK_READ_MALFORMED},
        {"the longest length", {0x5f, 0xff, 5, 5, 5}, 5, 0, CHUNK_READ_MALFORMED},
        {"an empty frame", {0x40, 0, 0x40, 1, 5}, 5, 0, CHUNK_READ_MALFORMED},
        {"an empty control", {0xc0, 0}, 2, 0, CHUNK_READ_MALFORMED},
        {"partial padding", {0x20, 1, 9, 0x40, 1, 5}, 6, 1, CHUNK_READ_END},
        {"two, the second cut", {0x40, 1, 5, 0x80, 7, 1}, 6, 1, CHUNK_READ_MALFORMED},
    };

    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        uint8_t *copy = malloc(row[i].count + 1); /* the sanitizer sees its end */
        struct chunk_reader r;
        struct chunk c;
        unsigned chunks = 0;
        enum chunk_read result;
        memcpy(copy + 1, row[i].bytes, row[i].count);
        chunk_reader_init(&r, copy + 1, row[i].count);
        while ((result = chunk_next(&r, &c)) == CHUNK_READ_ONE)
            chunks++;
        ck_assert_msg(chunks == row[i].chunks, "%s: %u chunks", row[i].name, chunks);
        ck_assert_msg(result == row[i].end, "%s: ends with %d", row[i].name, result);
        ck_assert_msg(chunk_next(&r, &c) == row[i].end, "%s: again", row[i].name);
        free(copy);
    }
}
END_TEST

START_TEST(it_takes_a_piece_apart)
{
    uint8_t body[] = {0x12, 0x34, 0x00, 0x64, 0x00, 0x67, 'a', 'b', 'c'};
    struct chunk c = {.kind = CHUNK_FRAGMENT, .body = body, .bytes = sizeof body};
    uint16_t id, offset, total;
    const uint8_t *data;
    size_t bytes;

    ck_assert(fragment_parse(&c, &id, &offset, &total, &data, &bytes));
    ck_assert_uint_eq(id, 0x1234);
    ck_assert_uint_eq(offset, 100);
    ck_assert_uint_eq(total, 103);
    ck_assert_uint_eq(bytes, 3);
    ck_assert_ptr_eq(data, body + 6);

    body[5] = 0x66; /* total 102: reaches past it */
    ck_assert(!fragment_parse(&c, &id, &offset, &total, &data, &bytes));
    body[5] = 0x67;
    for (c.bytes = 0; c.bytes <= FRAGMENT_HEADER_BYTES; c.bytes++)
        ck_assert(!fragment_parse(&c, &id, &offset, &total, &data, &bytes));
    c.bytes = sizeof body;
    c.kind = CHUNK_FRAME;
    ck_assert(!fragment_parse(&c, &id, &offset, &total, &data, &bytes));
    c.kind = CHUNK_FRAGMENT;
    memcpy(body + 2, "\xff\xff\xff\xff", 4); /* offset and total at their highest */
    ck_assert(!fragment_parse(&c, &id, &offset, &total, &data, &bytes));
}
END_TEST

START_TEST(it_plans_pieces)
{
    static const struct {
        size_t frame, capacity;
        unsigned pieces;
    } row[] = {
        {0, 1200, 0},        {1514, 0, 0},    {1514, 8, 0},    {1514, 100, 0}, /* pieces the
                                                                                  receiver refuses
                                                                                */
        {1, 9, 1},           {1184, 1192, 1}, {1185, 1192, 2}, {1514, 1192, 2}, {9234, 1192, 8},
        {9235, 1192, 0},     /* larger than any receiver takes */
        {9234, 9234 + 8, 2}, /* the length has 13 bits */
        {8185, 9242, 1},     {8186, 9242, 2},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        unsigned pieces = fragment_plan(row[i].frame, row[i].capacity);
        ck_assert_msg(pieces == row[i].pieces, "%zu in %zu: %u", row[i].frame, row[i].capacity,
                      pieces);
    }
}
END_TEST

/* Whatever is planned, near-equal pieces fit an empty payload and the receiver takes them all. */
START_TEST(what_is_planned_arrives)
{
    static struct reassembly r;
    static uint8_t data[REASSEMBLY_FRAME_MAX_BYTES];
    uint16_t id = 0;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    reassembly_reset(&r);
    for (size_t capacity = 160; capacity < 9300; capacity += 97) {
        for (size_t frame = 60; frame <= sizeof data; frame += 139) {
            unsigned pieces = fragment_plan(frame, capacity);
            if (pieces == 0) {
                ck_assert_uint_lt(capacity, 2 * REASSEMBLY_PIECE_MIN_BYTES + 8);
                continue;
            }
            enum reassembly_result result = REASSEMBLY_PENDING;
            uint8_t *whole = NULL;
            size_t whole_bytes = 0, offset = 0;
            for (unsigned left = pieces; left > 0; left--) {
                size_t piece = (frame - offset + left - 1) / left;
                struct packer p;
                struct chunk_reader reader;
                struct chunk c;
                uint16_t got_id, got_offset, got_total;
                const uint8_t *got;
                size_t got_bytes;
                packer_init(&p, payload, capacity);
                ck_assert(packer_add_fragment(&p, id, (uint16_t)offset, (uint16_t)frame,
                                              data + offset, piece));
                chunk_reader_init(&reader, payload, p.used);
                ck_assert_int_eq(chunk_next(&reader, &c), CHUNK_READ_ONE);
                ck_assert(fragment_parse(&c, &got_id, &got_offset, &got_total, &got, &got_bytes));
                ck_assert_int_eq(result, REASSEMBLY_PENDING);
                result = reassembly_add(&r, 1, got_id, got_offset, got_total, got, got_bytes, 0,
                                        &whole, &whole_bytes);
                offset += piece;
            }
            ck_assert_int_eq(result, REASSEMBLY_COMPLETE);
            ck_assert_uint_eq(whole_bytes, frame);
            ck_assert_mem_eq(whole, data, frame);
            id++;
        }
    }
    ck_assert_uint_gt(id, 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chunk");
    TCase *tc = tcase_create("chunk");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, it_writes_the_bytes_of_the_wire);
    tcase_add_test(tc, it_reads_what_it_wrote);
    tcase_add_test(tc, it_never_passes_the_capacity);
    tcase_add_test(tc, a_full_packer_has_no_room);
    tcase_add_test(tc, a_piece_needs_its_header_and_data);
    tcase_add_test(tc, it_reads_rows_as_it_must);
    tcase_add_test(tc, it_takes_a_piece_apart);
    tcase_add_test(tc, it_plans_pieces);
    tcase_add_test(tc, what_is_planned_arrives);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
