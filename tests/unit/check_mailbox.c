/* SPDX-License-Identifier: MIT
 *
 * check_mailbox.c - the queue between two threads: edges as a truth table, at the beginning of the
 * indices and where they wrap; random work against a plain queue; two real threads. The latter are
 * what the thread sanitizer is to look at: make SAN=thread.
 */
#include "mailbox.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Xorshift: the same messages in each run, and the same on both sides of the box. */
static uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void fill(uint8_t *bytes, size_t length, uint32_t seed)
{
    for (size_t i = 0; i < length; i++, seed = seed * 1664525 + 1013904223)
        bytes[i] = (uint8_t)(seed >> 24);
}

static bool is_filled(const uint8_t *bytes, size_t length, uint32_t seed)
{
    for (size_t i = 0; i < length; i++, seed = seed * 1664525 + 1013904223)
        if (bytes[i] != (uint8_t)(seed >> 24))
            return false;
    return true;
}

static bool is_all(const uint8_t *bytes, size_t length, uint8_t value)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

/* A box as it is after a long life: everything up to `index` was read. */
static void box_at(struct mailbox *box, uint8_t *memory, uint32_t capacity, uint32_t index)
{
    mailbox_init(box, memory, capacity);
    atomic_store(&box->written, index);
    atomic_store(&box->read, index);
}

/* Where the tables' boxes begin: the last makes the indices wrap within the memory's first turn,
 * the one before it at the memory's end. */
static const uint32_t BASE[] = {0, 64, UINT32_MAX - 127, UINT32_MAX - 63};
enum { BASES = sizeof BASE / sizeof BASE[0], CAPACITY = 64 };
static _Alignas(8) uint8_t table_memory[CAPACITY];

/* Boxes of 64 bytes: read up to here, that many bytes waiting; the largest body then taken. */
static const struct {
    uint32_t read, waiting;
    size_t room;
} ROOM[] = {
    {0, 0, 56},   /* the whole memory */
    {0, 8, 48},   /* up to the end */
    {0, 48, 8},   /* */
    {0, 56, 0},   /* an empty body at most */
    {0, 64, 0},   /* full */
    {8, 0, 48},   /* the end is larger than the beginning */
    {24, 0, 32},  /* */
    {32, 0, 24},  /* as large: the least an empty box has */
    {40, 0, 32},  /* the beginning is larger */
    {56, 0, 48},  /* */
    {32, 16, 24}, /* the end 16, the beginning 32 */
    {32, 24, 24}, /* the end 8, the beginning 32 */
    {32, 32, 24}, /* exactly at the end: the beginning */
    {16, 40, 8},  /* the end 8, the beginning 16 */
    {8, 48, 0},   /* 8 and 8: an empty body at most */
    {32, 40, 16}, /* behind the end: up to `read` */
    {32, 56, 0},  /* an empty body at most */
    {32, 64, 0},  /* full, in the middle */
};

START_TEST(room_at_the_edges)
{
    for (size_t i = 0; i < sizeof ROOM / sizeof ROOM[0]; i++) {
        for (size_t b = 0; b < BASES; b++) {
            struct mailbox box;
            box_at(&box, table_memory, CAPACITY, BASE[b] + ROOM[i].read);
            atomic_store(&box.written, BASE[b] + ROOM[i].read + ROOM[i].waiting);
            ck_assert_msg(mailbox_room(&box) == ROOM[i].room, "row %zu: room %zu", i,
                          mailbox_room(&box));
            ck_assert_int_eq(mailbox_empty(&box), ROOM[i].waiting == 0);
            ck_assert_uint_eq(mailbox_used_bytes(&box), ROOM[i].waiting);
        }
    }
}
END_TEST

/* The same boxes: what a body of that length makes of them. */
static const struct {
    uint32_t read, waiting, body;
    uint32_t taken; /* by how much `written` goes on, a pad included; 0: refused */
    uint32_t place; /* of the record */
} PUT[] = {
    {0, 0, 0, 8, 0},     /* a head alone */
    {0, 0, 1, 16, 0},    /* rounded up */
    {0, 0, 8, 16, 0},    /* nothing to round */
    {0, 0, 9, 24, 0},    /* */
    {0, 0, 55, 64, 0},   /* */
    {0, 0, 56, 64, 0},   /* fills it */
    {0, 0, 57, 0, 0},    /* */
    {0, 0, 64, 0, 0},    /* */
    {0, 0, 65, 0, 0},    /* */
    {0, 8, 48, 56, 8},   /* exactly to the end */
    {0, 8, 49, 0, 0},    /* the beginning is taken */
    {0, 56, 0, 8, 56},   /* the last 8 bytes */
    {0, 56, 1, 0, 0},    /* */
    {0, 64, 0, 0, 0},    /* full */
    {8, 0, 48, 56, 8},   /* */
    {8, 0, 49, 0, 0},    /* the beginning is too small */
    {8, 48, 0, 8, 56},   /* fills the end alone */
    {8, 48, 1, 0, 0},    /* 8 at the end, 8 at the beginning, but not 16 together */
    {16, 40, 0, 8, 56},  /* */
    {16, 40, 1, 24, 0},  /* pad of a head alone, and full */
    {16, 40, 9, 0, 0},   /* */
    {16, 48, 8, 16, 0},  /* exactly at the end: no pad */
    {16, 48, 9, 0, 0},   /* */
    {32, 0, 24, 32, 32}, /* */
    {32, 0, 25, 0, 0},   /* the least an empty box has, and one more */
    {40, 0, 16, 24, 40}, /* exactly to the end */
    {40, 0, 17, 56, 0},  /* pad of 24 */
    {40, 0, 32, 64, 0},  /* pad of 24, and full */
    {40, 0, 33, 0, 0},   /* */
    {56, 0, 0, 8, 56},   /* */
    {56, 0, 1, 24, 0},   /* pad of a head alone */
    {56, 0, 48, 64, 0},  /* the same, and full */
    {56, 0, 49, 0, 0},   /* */
    {32, 40, 16, 24, 8}, /* behind the end */
    {32, 40, 17, 0, 0},  /* up to `read` and no further */
    {24, 56, 0, 8, 16},  /* */
    {24, 56, 1, 0, 0},   /* */
    {32, 64, 0, 0, 0},   /* full, in the middle */
};

static void refused(struct mailbox *box, const uint8_t *head, size_t head_bytes,
                    const uint8_t *body, size_t body_bytes)
{
    uint8_t before[CAPACITY];
    uint32_t written = atomic_load(&box->written), read = atomic_load(&box->read);
    memcpy(before, table_memory, sizeof before);
    ck_assert(!mailbox_put(box, 7, head, head_bytes, body, body_bytes));
    ck_assert_uint_eq(atomic_load(&box->written), written);
    ck_assert_uint_eq(atomic_load(&box->read), read);
    ck_assert_mem_eq(before, table_memory, sizeof before);
}

/* One row, the body in two pieces of which the first has head_bytes. */
static void check_put(size_t row, uint32_t base, uint32_t head_bytes)
{
    struct mailbox box;
    uint8_t body[CAPACITY + 8];
    uint32_t written = base + PUT[row].read + PUT[row].waiting, length = PUT[row].body;
    memset(table_memory, 0xaa, sizeof table_memory);
    box_at(&box, table_memory, CAPACITY, base + PUT[row].read);
    atomic_store(&box.written, written);
    fill(body, length, (uint32_t)row);
    const uint8_t *head = head_bytes > 0 ? body : NULL;
    const uint8_t *rest = head_bytes < length ? body + head_bytes : NULL;

    if (PUT[row].taken == 0) {
        refused(&box, head, head_bytes, rest, length - head_bytes);
        return;
    }
    ck_assert_msg(mailbox_put(&box, 0xfeedf00d, head, head_bytes, rest, length - head_bytes),
                  "row %zu", row);
    ck_assert_msg(atomic_load(&box.written) - written == PUT[row].taken, "row %zu", row);

    /* What was waiting is read; then it is this one's turn. */
    atomic_store(&box.read, written);
    struct mailbox_message message;
    ck_assert(mailbox_peek(&box, &message));
    ck_assert_ptr_eq(message.bytes, table_memory + PUT[row].place + MAILBOX_HEAD_BYTES);
    ck_assert_uint_eq(message.kind, 0xfeedf00d);
    ck_assert_uint_eq(message.length, length);
    ck_assert(is_filled(message.bytes, length, (uint32_t)row));
    mailbox_done(&box);
    ck_assert(mailbox_empty(&box));
    ck_assert_uint_eq(atomic_load(&box.read), written + PUT[row].taken);
}

START_TEST(put_at_the_edges)
{
    for (size_t row = 0; row < sizeof PUT / sizeof PUT[0]; row++)
        for (size_t b = 0; b < BASES; b++)
            for (uint32_t head_bytes = 0; head_bytes <= PUT[row].body; head_bytes++)
                check_put(row, BASE[b], head_bytes);
}
END_TEST

/* Lengths no memory has; in some their sum, or what it is rounded up to, wraps. */
START_TEST(absurd_lengths_are_refused)
{
    static const size_t LENGTH[] = {CAPACITY,         CAPACITY + 1, UINT32_MAX - 8, UINT32_MAX,
                                    SIZE_MAX / 2 + 1, SIZE_MAX - 7, SIZE_MAX};
    enum { LENGTHS = sizeof LENGTH / sizeof LENGTH[0] };
    uint8_t byte[CAPACITY] = {0};
    for (size_t at = 0; at < CAPACITY; at += 8) {
        struct mailbox box;
        box_at(&box, table_memory, CAPACITY, (uint32_t)at);
        for (size_t i = 0; i < LENGTHS; i++) {
            refused(&box, byte, LENGTH[i], NULL, 0);
            refused(&box, NULL, 0, byte, LENGTH[i]);
            refused(&box, byte, 1, byte, LENGTH[i]);
            refused(&box, byte, LENGTH[i], byte, 1);
            for (size_t k = 0; k < LENGTHS; k++)
                refused(&box, byte, LENGTH[i], byte, LENGTH[k]);
        }
    }
}
END_TEST

START_TEST(empty_box)
{
    struct mailbox box;
    struct mailbox_message message = {3, NULL, 4};
    mailbox_init(&box, table_memory, CAPACITY);
    ck_assert(mailbox_empty(&box));
    ck_assert(!mailbox_peek(&box, &message));
    ck_assert(message.kind == 3 && message.bytes == NULL && message.length == 4);
    mailbox_done(&box);
    ck_assert(mailbox_empty(&box));
    ck_assert_uint_eq(mailbox_room(&box), CAPACITY - MAILBOX_HEAD_BYTES);
}
END_TEST

/* Wherever the box stands: a promise to those who choose its capacity. */
START_TEST(empty_box_takes_half)
{
    uint8_t body[CAPACITY] = {0};
    for (uint32_t at = 0; at < CAPACITY; at += 8) {
        struct mailbox box;
        box_at(&box, table_memory, CAPACITY, at);
        ck_assert(mailbox_put(&box, 0, NULL, 0, body, CAPACITY / 2 - MAILBOX_HEAD_BYTES));
    }
}
END_TEST

/* The body is gone when it is released, also what the consumer made of it, and nothing else. */
START_TEST(released_bodies_are_wiped)
{
    static const uint32_t START[] = {0, 48, UINT32_MAX - 15}; /* the latter two: behind a pad */
    for (size_t i = 0; i < sizeof START / sizeof START[0]; i++) {
        struct mailbox box;
        struct mailbox_message first, again, second;
        uint8_t secret[21];
        memset(secret, 0x5e, sizeof secret);
        memset(table_memory, 0, sizeof table_memory);
        box_at(&box, table_memory, CAPACITY, START[i]);
        ck_assert(mailbox_put(&box, 1, secret, 13, secret + 13, 8));
        ck_assert(mailbox_put(&box, 2, secret, 1, NULL, 0));
        ck_assert(mailbox_peek(&box, &first));
        ck_assert(mailbox_peek(&box, &again));
        ck_assert(first.kind == 1 && again.kind == 1 && first.bytes == again.bytes);
        ck_assert(first.length == sizeof secret && is_all(first.bytes, first.length, 0x5e));
        memset(first.bytes, 0x77, 5);
        mailbox_done(&box);
        ck_assert(is_all(first.bytes, first.length, 0));

        ck_assert(mailbox_peek(&box, &second));
        ck_assert(second.kind == 2 && second.length == 1 && second.bytes[0] == 0x5e);
        mailbox_done(&box);
        ck_assert(second.bytes[0] == 0);
        ck_assert(mailbox_empty(&box) && !mailbox_peek(&box, &second));
        ck_assert(memchr(table_memory, 0x5e, CAPACITY) == NULL);
    }
}
END_TEST

/* Asserts a million times over: libcheck's own write to a file each time, also when all is well. */
#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("not so: %s", #condition);                                                \
    } while (0)

/* The plain queue the box is compared with: what was put and not yet released. */
enum { MODEL_MAX = 1024, MODEL_BYTES_MAX = 4096, OPERATIONS = 100000 };

struct model {
    struct {
        uint32_t kind, length; /* kind is the seed of the bytes, too */
    } message[MODEL_MAX];
    unsigned first, count;
    uint32_t bytes; /* of all records */
    uint32_t taken, refused;
};

static uint32_t record_bytes(uint32_t length)
{
    return 8 + ((length + 7) & ~7U);
}

static void model_put(struct model *model, struct mailbox *box, uint32_t *random)
{
    static uint8_t body[MODEL_BYTES_MAX + 1], before[MODEL_BYTES_MAX];
    size_t room = mailbox_room(box);
    uint32_t kind = random_next(random), length = kind % (box->capacity / 2);
    switch (random_next(random) % 8) {
    case 0:
        length = (uint32_t)room; /* exactly what there is */
        break;
    case 1:
        length = (uint32_t)room + 1;
        break;
    case 2:
        length = kind % 16; /* small: many at once */
        break;
    }
    expect(room <= box->capacity - MAILBOX_HEAD_BYTES);
    expect(room == 0 || room + MAILBOX_HEAD_BYTES + model->bytes <= box->capacity);
    if (model->count == 0)
        expect(room >= box->capacity / 2 - MAILBOX_HEAD_BYTES);

    fill(body, length, kind);
    memcpy(before, box->bytes, box->capacity);
    uint32_t head_bytes = random_next(random) % (length + 1);
    bool taken = mailbox_put(box, kind, body, head_bytes, body + head_bytes, length - head_bytes);
    if (length > 0 || room > 0)
        expect(taken == (length <= room));
    if (!taken) {
        expect(memcmp(before, box->bytes, box->capacity) == 0);
        model->refused++;
        return;
    }
    unsigned last = (model->first + model->count++) % MODEL_MAX;
    model->message[last].kind = kind;
    model->message[last].length = length;
    model->bytes += record_bytes(length);
    model->taken++;
}

static void model_take(struct model *model, struct mailbox *box, bool done)
{
    struct mailbox_message message;
    expect(mailbox_peek(box, &message) == (model->count > 0));
    if (model->count == 0)
        return;
    uint32_t kind = model->message[model->first].kind;
    uint32_t length = model->message[model->first].length;
    expect(message.kind == kind);
    expect(message.length == length);
    expect((uintptr_t)message.bytes % MAILBOX_ALIGNMENT == 0);
    expect(message.bytes >= box->bytes + MAILBOX_HEAD_BYTES);
    expect(message.bytes + length <= box->bytes + box->capacity);
    expect(is_filled(message.bytes, length, kind));
    if (!done)
        return;
    mailbox_done(box);
    expect(is_all(message.bytes, length, 0));
    model->first = (model->first + 1) % MODEL_MAX;
    model->count--;
    model->bytes -= record_bytes(length);
}

START_TEST(behaves_as_a_queue)
{
    static const uint32_t SIZE[] = {16, 32, 64, 256, MODEL_BYTES_MAX};
    static _Alignas(8) uint8_t memory[MODEL_BYTES_MAX];
    for (size_t i = 0; i < sizeof SIZE / sizeof SIZE[0]; i++) {
        static struct model model;
        struct mailbox box;
        uint32_t random = 20261121;
        memset(&model, 0, sizeof model);
        /* Early in the work the indices wrap. */
        box_at(&box, memory, SIZE[i], 0U - SIZE[i] * 512);
        for (unsigned n = 0; n < OPERATIONS; n++) {
            /* Times when it fills and times when it drains. */
            unsigned puts = n / 1000 % 2 == 0 ? 5 : 3;
            if (random_next(&random) % 8 < puts)
                model_put(&model, &box, &random);
            else
                model_take(&model, &box, random_next(&random) % 4 != 0);
            expect(mailbox_empty(&box) == (model.count == 0));
        }
        expect(atomic_load(&box.read) < 0x80000000); /* it did wrap */
        expect(model.taken > OPERATIONS / 10);
        expect(model.refused > OPERATIONS / 100);
        while (model.count > 0)
            model_take(&model, &box, true);
        expect(mailbox_empty(&box));
    }
}
END_TEST

/* Two threads. What message n is, both sides make from n. */
enum {
    BOX_BYTES = 16384,
    BODY_MAX_BYTES = BOX_BYTES / 2 - MAILBOX_HEAD_BYTES,
    LOOKS = 200, /* at a box that is full or empty, before the other thread is let run */
};

struct exchange {
    uint32_t messages;
    uint32_t shortest_bytes, longest_bytes; /* from 0 on: most are below 96 */
    int signal_fd; /* an eventfd that wakes the consumer; -1: it looks by itself */
    struct mailbox box;
    uint32_t consumed;        /* the consumer's, until the box is empty */
    uint32_t seen;            /* the producer's: what consumed was then */
    unsigned broken_promises; /* the producer's: mailbox_room() said yes, mailbox_put() no */
    unsigned times_full;
};

static uint32_t seed_of(uint32_t n)
{
    return n * 2654435761U + 1;
}

static uint32_t length_of(const struct exchange *exchange, uint32_t n)
{
    uint32_t state = seed_of(n) | 1, random = random_next(&state) >> 8;
    uint32_t span = exchange->longest_bytes - exchange->shortest_bytes + 1;
    if (exchange->shortest_bytes == 0 && random % 64 != 0)
        span = 96;
    return exchange->shortest_bytes + random % span;
}

static void wait_for_other(unsigned *looks)
{
    if (++*looks % LOOKS == 0)
        sched_yield();
}

static void put_one(struct exchange *exchange, uint32_t n)
{
    uint8_t body[BODY_MAX_BYTES];
    uint32_t length = length_of(exchange, n), head_bytes = length / 3;
    fill(body, length, seed_of(n));
    for (unsigned looks = 0;; wait_for_other(&looks)) {
        size_t room = mailbox_room(&exchange->box);
        if (mailbox_put(&exchange->box, n, body, head_bytes, body + head_bytes,
                        length - head_bytes))
            return;
        exchange->broken_promises += room > 0 && length <= room;
        exchange->times_full++;
    }
}

static void *produce(void *argument)
{
    struct exchange *exchange = argument;
    for (uint32_t n = 0; n < exchange->messages; n++) {
        put_one(exchange, n);
        if (exchange->signal_fd >= 0)
            eventfd_write(exchange->signal_fd, 1); /* after the put */
    }
    for (unsigned looks = 0; !mailbox_empty(&exchange->box);)
        wait_for_other(&looks);
    exchange->seen = exchange->consumed;
    return NULL;
}

/* Takes all there is. */
static void drain(struct exchange *exchange)
{
    struct mailbox_message message;
    while (mailbox_peek(&exchange->box, &message)) {
        uint32_t n = exchange->consumed++;
        expect(message.kind == n);
        expect(message.length == length_of(exchange, n));
        expect(is_filled(message.bytes, message.length, seed_of(n)));
        memset(message.bytes, 0xff, message.length); /* the consumer's, until it is done */
        mailbox_done(&exchange->box);
    }
}

static void run_exchange(struct exchange *exchange)
{
    static _Alignas(8) uint8_t memory[BOX_BYTES];
    pthread_t producer;
    box_at(&exchange->box, memory, sizeof memory, UINT32_MAX - BOX_BYTES * 16 + 1);
    ck_assert_int_eq(pthread_create(&producer, NULL, produce, exchange), 0);
    for (unsigned looks = 0; exchange->consumed < exchange->messages; drain(exchange)) {
        eventfd_t count;
        if (exchange->signal_fd >= 0)
            expect(eventfd_read(exchange->signal_fd, &count) == 0); /* before the drain */
        else if (mailbox_empty(&exchange->box))
            wait_for_other(&looks);
    }
    ck_assert_int_eq(pthread_join(producer, NULL), 0);
    ck_assert(mailbox_empty(&exchange->box));
    ck_assert_uint_eq(exchange->seen, exchange->messages);
    ck_assert_uint_eq(exchange->broken_promises, 0);
}

START_TEST(two_threads)
{
    struct exchange exchange = {.messages = 1000000, .longest_bytes = 1500, .signal_fd = -1};
    run_exchange(&exchange);
    ck_assert_uint_gt(exchange.times_full, 0); /* the edge was met */
}
END_TEST

/* Two or three fill the box: each is put where one was released this moment. */
START_TEST(two_threads_large_messages)
{
    struct exchange exchange = {.messages = 10000,
                                .shortest_bytes = BODY_MAX_BYTES / 2,
                                .longest_bytes = BODY_MAX_BYTES,
                                .signal_fd = -1};
    run_exchange(&exchange);
    ck_assert_uint_gt(exchange.times_full, 0);
}
END_TEST

/* The rule of the wake-up, with a signal that does not count: a message that lay in the box
 * unannounced would end this by its time limit. */
START_TEST(no_wake_up_is_lost)
{
    struct exchange exchange = {
        .messages = 100000, .longest_bytes = 1500, .signal_fd = eventfd(0, EFD_CLOEXEC)};
    ck_assert_int_ge(exchange.signal_fd, 0);
    run_exchange(&exchange);
    close(exchange.signal_fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mailbox");
    TCase *edges = tcase_create("edges");
    tcase_add_test(edges, room_at_the_edges);
    tcase_add_test(edges, put_at_the_edges);
    tcase_add_test(edges, absurd_lengths_are_refused);
    tcase_add_test(edges, empty_box);
    tcase_add_test(edges, empty_box_takes_half);
    tcase_add_test(edges, released_bodies_are_wiped);
    suite_add_tcase(suite, edges);
    TCase *random = tcase_create("random");
    tcase_set_timeout(random, 120);
    tcase_add_test(random, behaves_as_a_queue);
    suite_add_tcase(suite, random);
    TCase *threads = tcase_create("threads");
    tcase_set_timeout(threads, 300); /* under the thread sanitizer, on a busy machine */
    tcase_add_test(threads, two_threads);
    tcase_add_test(threads, two_threads_large_messages);
    tcase_add_test(threads, no_wake_up_is_lost);
    suite_add_tcase(suite, threads);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
