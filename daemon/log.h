/* SPDX-License-Identifier: MIT
 *
 * log.h - lines on stderr for procd, systemd or a terminal, which put the time before them.
 *
 * Each call site has a bucket of its own (ten lines at once, then one a second), so that a flood
 * of one message can neither fill a disk nor hide another message. What a bucket swallowed is
 * counted and told with its next line. Nor does writing ever wait: lines that stderr does not take
 * at once are counted and left out.
 *
 * Secrets are never logged; text that came from the network is validated before it gets here.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* One call site's bucket; all zero is a full one. */
struct log_bucket {
    uint64_t last_ms; /* when it was last filled up */
    uint32_t used;    /* lines taken out of it */
    uint32_t suppressed;
};

/** log_set_level() - lines of a later level are not written; at first LOG_LEVEL_INFO */
void log_set_level(enum log_level level);

/** log_level_from_environment() - take the level from LANSPLICE_LOG (error, warn, info, debug) */
void log_level_from_environment(void);

/** log_enabled() - whether a line of @level would be written; spares preparing one that is not */
bool log_enabled(enum log_level level);

/**
 * log_bucket_take() - may a call site write now
 * @now_ms: any monotonic clock
 * @suppressed: receives how many lines were swallowed since the last one written
 */
bool log_bucket_take(struct log_bucket *bucket, uint64_t now_ms, uint32_t *suppressed);

/** log_write() - write one line; call through the macros below */
void log_write(enum log_level level, struct log_bucket *bucket, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define LOG_AT(level, ...)                                                                         \
    do {                                                                                           \
        static struct log_bucket log_bucket_here;                                                  \
        if (log_enabled(level))                                                                    \
            log_write((level), &log_bucket_here, __VA_ARGS__);                                     \
    } while (0)

#define log_error(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  LOG_AT(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
