/* SPDX-License-Identifier: MIT
 *
 * udprate - UDP at a chosen rate, and how long a datagram is under way.
 *
 *   udprate sink PORT                              counts until SIGTERM:
 *       received=N
 *   udprate send ADDRESS PORT BYTES RATE SECONDS   BYTES of payload, RATE a second (0: no limit):
 *       sent=N refused=N seconds=S
 *   udprate echo PORT                              sends back what comes, until SIGTERM
 *   udprate ping ADDRESS PORT INTERVAL_US COUNT    one datagram each interval, none waited for:
 *       sent=N received=N p50_us=T p99_us=T max_us=T
 *
 * IPv4 only. sink and echo say `ready` first. Datagrams are sent by sendmmsg, as many at a time as
 * are due; what the sender's own machine refuses is counted as refused, not as sent. A ping carries
 * its number and its time, so an answer that comes late is still an answer, up to a second after
 * the last was sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, PAYLOAD_MAX_BYTES = 9000, BUFFER_BYTES = 8 << 20 };
enum { PINGS_MAX = 1000000, LAST_ANSWER_US = 1000000, NAP_NS = 20000 };

struct ping {
    uint64_t sent_us;
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "udprate: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static unsigned long number(const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*end || end == text || value > max) {
        fprintf(stderr, "udprate: not a number up to %lu: %s\n", max, text);
        exit(2);
    }
    return value;
}

static int udp_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = BUFFER_BYTES;

    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    return fd;
}

static int listening_socket(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)number(port, UINT16_MAX))};
    int fd = udp_socket();

    if (bind(fd, (struct sockaddr *)&at, sizeof at))
        die(port);
    puts("ready");
    fflush(stdout);
    return fd;
}

static int connected_socket(const char *address, const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)number(port, UINT16_MAX))};
    int fd = udp_socket();

    if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
        fprintf(stderr, "udprate: not an IPv4 address: %s\n", address);
        exit(2);
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof to))
        die(address);
    return fd;
}

/* Signals must not be restarted around recvmmsg(), or the sink would sleep on. */
static void end_on_sigterm(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* True when something came within 100 ms: a signal between two calls is not slept over. */
static bool wait_readable(int fd)
{
    struct pollfd port = {fd, POLLIN, 0};
    return poll(&port, 1, 100) > 0;
}

static int sink(int fd)
{
    static uint8_t space[BATCH][PAYLOAD_MAX_BYTES];
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];
    unsigned long received = 0;

    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){space[i], sizeof space[i]};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    while (!ended) {
        int got = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
        if (got > 0)
            received += (unsigned long)got;
        else
            wait_readable(fd);
    }
    printf("received=%lu\n", received);
    return 0;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

/* The number of datagrams that should have gone by now and have not, one batch at most. */
static unsigned due(unsigned long rate, uint64_t passed_us, unsigned long gone)
{
    uint64_t until_now = (uint64_t)rate * passed_us / 1000000;

    if (!rate || until_now > gone + BATCH)
        return BATCH;
    return until_now > gone ? (unsigned)(until_now - gone) : 0;
}

static int send_at_rate(int fd, size_t bytes, unsigned long rate, unsigned long seconds)
{
    static uint8_t payload[PAYLOAD_MAX_BYTES];
    struct iovec part = {payload, bytes};
    struct mmsghdr messages[BATCH] = {0};
    const uint64_t start_us = now_us();
    unsigned long sent = 0, refused = 0;
    uint64_t passed_us = 0;

    for (int i = 0; i < BATCH; i++) {
        messages[i].msg_hdr.msg_iov = &part;
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (; passed_us < seconds * 1000000 && !ended; passed_us = now_us() - start_us) {
        unsigned count = due(rate, passed_us, sent + refused);
        if (!count) {
            nap();
            continue;
        }
        int done = sendmmsg(fd, messages, count, 0);
        sent += done > 0 ? (unsigned)done : 0;
        refused += done <= 0;
    }
    printf("sent=%lu refused=%lu seconds=%.6f\n", sent, refused, (double)passed_us / 1e6);
    return 0;
}

static int echo(int fd)
{
    static uint8_t payload[PAYLOAD_MAX_BYTES];
    struct sockaddr_in from;

    while (!ended) {
        socklen_t from_bytes = sizeof from;
        ssize_t got = wait_readable(fd) ? recvfrom(fd, payload, sizeof payload, MSG_DONTWAIT,
                                                   (struct sockaddr *)&from, &from_bytes)
                                        : -1;
        if (got >= 0)
            sendto(fd, payload, (size_t)got, 0, (struct sockaddr *)&from, from_bytes);
    }
    return 0;
}

static int by_size(const void *one, const void *other)
{
    uint64_t a, b;
    memcpy(&a, one, sizeof a);
    memcpy(&b, other, sizeof b);
    return (a > b) - (a < b);
}

/* Waits for answers until the time given; their round trips are added to rtt_us. */
static unsigned long take_answers(int fd, uint64_t until_us, uint64_t *rtt_us,
                                  unsigned long received, unsigned long max)
{
    for (uint64_t now = now_us(); now < until_us && received < max; now = now_us()) {
        struct timespec left = {.tv_sec = (time_t)((until_us - now) / 1000000),
                                .tv_nsec = (long)((until_us - now) % 1000000 * 1000)};
        struct pollfd port = {fd, POLLIN, 0};
        struct ping ping;

        if (ppoll(&port, 1, &left, NULL) > 0 &&
            recv(fd, &ping, sizeof ping, MSG_DONTWAIT) == (ssize_t)sizeof ping)
            rtt_us[received++] = now_us() - ping.sent_us;
    }
    return received;
}

static int ping_at_interval(int fd, uint64_t interval_us, unsigned long count)
{
    uint64_t *rtt_us = calloc(count, sizeof *rtt_us);
    unsigned long received = 0, sent = 0;
    const uint64_t start_us = now_us();

    if (!rtt_us)
        die("calloc");
    for (; sent < count; sent++) {
        struct ping ping = {now_us()};
        if (send(fd, &ping, sizeof ping, 0) < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
            die("send");
        received = take_answers(fd, start_us + (sent + 1) * interval_us, rtt_us, received, count);
    }
    received = take_answers(fd, now_us() + LAST_ANSWER_US, rtt_us, received, count);
    qsort(rtt_us, received, sizeof *rtt_us, by_size);
    printf("sent=%lu received=%lu", sent, received);
    if (received)
        printf(" p50_us=%llu p99_us=%llu max_us=%llu", (unsigned long long)rtt_us[received / 2],
               (unsigned long long)rtt_us[received * 99 / 100],
               (unsigned long long)rtt_us[received - 1]);
    putchar('\n');
    free(rtt_us);
    return received ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    prctl(PR_SET_TIMERSLACK, 1ul); /* else every nap is 50 us longer */
    end_on_sigterm();
    if (strcmp(mode, "sink") == 0 && argc == 3)
        return sink(listening_socket(argv[2]));
    if (strcmp(mode, "echo") == 0 && argc == 3)
        return echo(listening_socket(argv[2]));
    if (strcmp(mode, "send") == 0 && argc == 7)
        return send_at_rate(connected_socket(argv[2], argv[3]), number(argv[4], PAYLOAD_MAX_BYTES),
                            number(argv[5], 100000000), number(argv[6], 3600));
    if (strcmp(mode, "ping") == 0 && argc == 6)
        return ping_at_interval(connected_socket(argv[2], argv[3]), number(argv[4], 10000000),
                                number(argv[5], PINGS_MAX));
    fputs("usage: udprate sink PORT | send ADDRESS PORT BYTES RATE SECONDS | echo PORT | "
          "ping ADDRESS PORT INTERVAL_US COUNT\n",
          stderr);
    return 2;
}
