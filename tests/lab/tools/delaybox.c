/* SPDX-License-Identifier: MIT
 *
 * delaybox INTERFACE INTERFACE [OPTION=N]... - a relay that is as bad as a line may be.
 *
 *   delay-ms=N      every frame waits that long, each way
 *   jitter-ms=N     and up to that much more
 *   loss-ppm=N      this many of a million frames vanish
 *   reorder-ppm=N   this many do not wait and so overtake the others
 *   queue=N         frames that may wait in each direction; one more is lost (default 1000)
 *   seed=N          of the dice; the same seed and frames give the same fate
 *
 * Waiting frames of each direction stand in a binary heap ordered by (due time, arrival); without
 * jitter and reordering they leave in the order they came. SIGTERM prints the counts.
 */
#include "relay.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

enum { PORTS = 2, QUEUE_MAX = 100000 };

static struct {
    unsigned long delay_ms, jitter_ms, loss_ppm, reorder_ppm, queue, seed;
} options = {.queue = 1000, .seed = 1};

struct waiting {
    uint64_t due_us, order;
    struct relay_frame *frame;
};

static struct line {
    struct waiting *heap;
    size_t count;
    uint64_t arrivals, lost, overflowed;
} lines[PORTS];

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* xorshift64*: the dice need no more. */
static uint64_t roll(void)
{
    static uint64_t state;
    if (!state)
        state = options.seed * 0x9e3779b97f4a7c15u + 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1du) >> 20;
}

static bool happens(unsigned long ppm)
{
    return roll() % 1000000 < ppm;
}

static bool earlier(const struct waiting *a, const struct waiting *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void swap(struct waiting *a, struct waiting *b)
{
    struct waiting kept = *a;
    *a = *b;
    *b = kept;
}

static void heap_push(struct line *line, struct waiting new)
{
    size_t at = line->count++;
    line->heap[at] = new;
    for (; at && earlier(&line->heap[at], &line->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&line->heap[at], &line->heap[(at - 1) / 2]);
}

static struct relay_frame *heap_pop(struct line *line)
{
    struct relay_frame *first = line->heap[0].frame;
    size_t at = 0;

    line->heap[0] = line->heap[--line->count];
    line->heap[line->count].frame = NULL;
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < line->count; child++)
            least = earlier(&line->heap[child], &line->heap[least]) ? child : least;
        if (least == at)
            return first;
        swap(&line->heap[at], &line->heap[least]);
        at = least;
    }
}

/* A frame came: it is lost, or waits. */
static void admit(struct line *line, const struct relay_frame *frame)
{
    size_t bytes = offsetof(struct relay_frame, bytes) + frame->len;
    struct waiting new = {.due_us = now_us(), .order = line->arrivals++};
    uint64_t jitter_us = options.jitter_ms ? roll() % (options.jitter_ms * 1000) : 0;

    if (happens(options.loss_ppm)) {
        line->lost++;
        return;
    }
    if (!happens(options.reorder_ppm))
        new.due_us += options.delay_ms * 1000 + jitter_us;
    if (line->count >= options.queue || !(new.frame = malloc(bytes))) {
        line->overflowed++;
        return;
    }
    memcpy(new.frame, frame, bytes);
    heap_push(line, new);
}

static void release_due(struct line *line, int fd)
{
    while (line->count && line->heap[0].due_us <= now_us()) {
        struct relay_frame *frame = heap_pop(line);
        relay_write(fd, frame);
        free(frame);
    }
}

/* The time to the next release, for ppoll; NULL when nothing waits. */
static struct timespec *time_left(struct timespec *left)
{
    uint64_t due_us = UINT64_MAX, now = now_us();
    for (int i = 0; i < PORTS; i++)
        if (lines[i].count && lines[i].heap[0].due_us < due_us)
            due_us = lines[i].heap[0].due_us;
    if (due_us == UINT64_MAX)
        return NULL;
    uint64_t wait_us = due_us > now ? due_us - now : 0;
    left->tv_sec = (time_t)(wait_us / 1000000);
    left->tv_nsec = (long)(wait_us % 1000000 * 1000);
    return left;
}

static bool parse_option(const char *text)
{
    static const struct {
        const char *name;
        unsigned long *value;
    } known[] = {{"delay-ms=", &options.delay_ms}, {"jitter-ms=", &options.jitter_ms},
                 {"loss-ppm=", &options.loss_ppm}, {"reorder-ppm=", &options.reorder_ppm},
                 {"queue=", &options.queue},       {"seed=", &options.seed}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t length = strlen(known[i].name);
        if (strncmp(text, known[i].name, length) == 0) {
            *known[i].value = strtoul(text + length, NULL, 10);
            return options.queue <= QUEUE_MAX;
        }
    }
    return false;
}

static void relay_until_ended(struct pollfd *ports)
{
    static struct relay_frame frame;
    struct timespec left;

    while (!ended) {
        if (ppoll(ports, PORTS, time_left(&left), NULL) < 0 && errno != EINTR)
            relay_die("poll");
        for (int i = 0; i < PORTS; i++) {
            while (relay_read(ports[i].fd, &frame))
                admit(&lines[i], &frame);
            release_due(&lines[i], ports[!i].fd);
        }
    }
}

int main(int argc, char **argv)
{
    for (int i = 3; i < argc; i++)
        if (!parse_option(argv[i]))
            argc = 0;
    if (argc < 3) {
        fputs("usage: delaybox INTERFACE INTERFACE [delay-ms=|jitter-ms=|loss-ppm=|reorder-ppm=|"
              "queue=|seed=N]...\n",
              stderr);
        return 2;
    }
    struct pollfd ports[PORTS];
    for (int i = 0; i < PORTS; i++) {
        ports[i] = (struct pollfd){relay_open(argv[1 + i]), POLLIN, 0};
        lines[i].heap = calloc(options.queue + 1, sizeof *lines[i].heap);
        if (!lines[i].heap)
            relay_die("calloc");
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    puts("ready");
    fflush(stdout);
    relay_until_ended(ports);
    for (int i = 0; i < PORTS; i++)
        printf("from %s: %llu frames, %llu lost, %llu overflowed\n", argv[1 + i],
               (unsigned long long)lines[i].arrivals, (unsigned long long)lines[i].lost,
               (unsigned long long)lines[i].overflowed);
    return 0;
}
