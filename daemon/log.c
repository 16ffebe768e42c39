/* SPDX-License-Identifier: MIT
 *
 * log.c - see log.h
 */
#include "log.h"

#include "clock.h"
#include "text.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BURST_LINES = 10, REFILL_MS = 1000, LINE_SIZE = 1024 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static enum log_level threshold = LOG_LEVEL_INFO;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER; /* guards what follows, and buckets */
static uint32_t unread;                                     /* lines that stderr did not take */

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_level_from_environment(void)
{
    const char *wanted = getenv("LANSPLICE_LOG");

    for (size_t i = 0; wanted && i < sizeof level_names / sizeof *level_names; i++)
        if (strcmp(wanted, level_names[i]) == 0)
            threshold = (enum log_level)i;
}

bool log_enabled(enum log_level level)
{
    return level <= threshold;
}

bool log_bucket_take(struct log_bucket *bucket, uint64_t now_ms, uint32_t *suppressed)
{
    uint64_t refill = (now_ms - bucket->last_ms) / REFILL_MS;

    *suppressed = 0;
    if (refill >= bucket->used) {
        bucket->used = 0;
        bucket->last_ms = now_ms;
    } else {
        bucket->used -= (uint32_t)refill;
        bucket->last_ms += refill * REFILL_MS;
    }
    if (bucket->used >= BURST_LINES) {
        bucket->suppressed++;
        return false;
    }
    bucket->used++;
    *suppressed = bucket->suppressed;
    bucket->suppressed = 0;
    return true;
}

/* A terminal stopped by ^S, or a reader that does not read, must not stop the tunnel. */
static bool can_write(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) > 0 && (out.revents & POLLOUT) != 0;
}

/* Return: whether a line may be written; told first are those that could not be. */
static bool catch_up(void)
{
    if (!can_write()) {
        unread++;
        return false;
    }
    if (unread == 0)
        return true;
    fprintf(stderr, "warn: %u lines are missing here: nobody read them in time\n", unread);
    unread = 0;
    return can_write();
}

__attribute__((format(printf, 3, 0))) static void
write_line(enum log_level level, struct log_bucket *bucket, const char *format, va_list arguments)
{
    char line[LINE_SIZE];
    uint32_t suppressed;

    if (!catch_up() || !log_bucket_take(bucket, clock_now_us() / 1000, &suppressed))
        return;
    vsnprintf(line, sizeof line, format, arguments);
    text_tidy(line);
    /* One call, one write: lines of two processes on one stderr do not mix. */
    if (suppressed)
        fprintf(stderr, "%s: %s (and %u more like it were suppressed)\n", level_names[level], line,
                suppressed);
    else
        fprintf(stderr, "%s: %s\n", level_names[level], line);
}

void log_write(enum log_level level, struct log_bucket *bucket, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    pthread_mutex_lock(&writing);
    write_line(level, bucket, format, arguments);
    pthread_mutex_unlock(&writing);
    va_end(arguments);
}
