/* SPDX-License-Identifier: MIT
 *
 * udp.c - see udp.h. The receive buffers are static: no allocation per packet, and pages of a
 * buffer that no datagram ever reached are never resident. Their message headers are filled once;
 * after each use only what the kernel changed is set again.
 */
#include "udp.h"

#include "log.h"
#include "socket_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 32,
    DATAGRAM_MAX_BYTES = 9216, /* more than OUTER_PACKET_MAX_BYTES ever fills */
    SOCKET_BUFFER_BYTES = 4 << 20,
    TRIES = 8, /* of a call that an error which waited may have failed; each takes one away */
};

static struct {
    uint8_t buffer[BATCH][DATAGRAM_MAX_BYTES];
    struct sockaddr_storage from[BATCH];
    struct iovec iov[BATCH];
    struct mmsghdr message[BATCH];
} in;

static void set_option(int fd, int level, int option, int value, const char *what)
{
    if (setsockopt(fd, level, option, &value, sizeof value) != 0)
        log_debug("udp: %s: %s", what, strerror(errno));
}

/* The forced size needs CAP_NET_ADMIN; without it the kernel caps at net.core.[rw]mem_max. */
static void enlarge_buffers(int fd)
{
    int bytes = SOCKET_BUFFER_BYTES;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        set_option(fd, SOL_SOCKET, SO_RCVBUF, bytes, "SO_RCVBUF");
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
        set_option(fd, SOL_SOCKET, SO_SNDBUF, bytes, "SO_SNDBUF");
}

static int bind_v4(int fd, uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};

    set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, "IP_MTU_DISCOVER");
    set_option(fd, IPPROTO_IP, IP_RECVERR, 1, "IP_RECVERR");
    return bind(fd, (const struct sockaddr *)&any, sizeof any);
}

static int bind_v6(int fd, uint16_t port)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int on = 1;

    if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
        return -1;
    set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, "IPV6_MTU_DISCOVER");
    set_option(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1, "IPV6_DONTFRAG");
    set_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1, "IPV6_RECVERR");
    return bind(fd, (const struct sockaddr *)&any, sizeof any);
}

/* Return: the bound socket, or -1 with errno */
static int open_family(enum udp_family family, uint16_t port)
{
    int domain = family == UDP_V4 ? AF_INET : AF_INET6;
    int fd = socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    enlarge_buffers(fd);
    set_option(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1, "SO_SELECT_ERR_QUEUE");
    if ((family == UDP_V4 ? bind_v4(fd, port) : bind_v6(fd, port)) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool is_missing_family(int code)
{
    return code == EAFNOSUPPORT || code == EADDRNOTAVAIL || code == EPROTONOSUPPORT;
}

static void prepare_receiving(void)
{
    for (unsigned i = 0; i < BATCH; i++) {
        in.iov[i] = (struct iovec){.iov_base = in.buffer[i], .iov_len = sizeof in.buffer[i]};
        in.message[i].msg_hdr = (struct msghdr){.msg_name = &in.from[i],
                                                .msg_namelen = sizeof in.from[i],
                                                .msg_iov = &in.iov[i],
                                                .msg_iovlen = 1};
    }
}

bool udp_open(struct udp *udp, uint16_t port, struct error *error)
{
    prepare_receiving();
    *udp = (struct udp){.fd = {-1, -1}};
    for (enum udp_family family = UDP_V4; family < UDP_FAMILIES; family++) {
        const char *name = family == UDP_V4 ? "IPv4" : "IPv6";
        udp->fd[family] = open_family(family, port);
        if (udp->fd[family] >= 0)
            continue;
        if (is_missing_family(errno)) {
            log_info("%s is not available here; going on without", name);
            continue;
        }
        if (errno == EADDRINUSE)
            error_set(error, EXIT_FAILED,
                      "UDP port is in use: port %u (%s): stop the other program or change 'port' "
                      "in [site]",
                      port, name);
        else
            error_set(error, EXIT_FAILED, "cannot bind UDP port: port %u (%s): %s", port, name,
                      strerror(errno));
        udp_close(udp);
        return false;
    }
    if (udp->fd[UDP_V4] >= 0 || udp->fd[UDP_V6] >= 0)
        return true;
    error_set(error, EXIT_FAILED, "no UDP socket: port %u: neither IPv4 nor IPv6 is available",
              port);
    return false;
}

void udp_close(struct udp *udp)
{
    for (enum udp_family family = UDP_V4; family < UDP_FAMILIES; family++) {
        if (udp->fd[family] >= 0)
            close(udp->fd[family]);
        udp->fd[family] = -1;
    }
}

/* Return: how many datagrams were received; negative: none */
static int receive_batch(int fd)
{
    int count = -1;

    for (unsigned i = 0; i < TRIES && count < 0; i++) {
        count = recvmmsg(fd, in.message, BATCH, MSG_DONTWAIT, NULL);
        if (count < 0 && errno == EAGAIN)
            break;
    }
    return count;
}

bool udp_receive(struct udp *udp, enum udp_family family, udp_receive_fn *receive, void *context)
{
    int count = receive_batch(udp->fd[family]);

    for (int i = 0; i < count; i++) {
        struct mmsghdr *message = &in.message[i];
        struct endpoint source;
        message->msg_hdr.msg_namelen = sizeof in.from[i];
        if ((message->msg_hdr.msg_flags & MSG_TRUNC) == 0 &&
            endpoint_from_socket(&source, (const struct sockaddr *)&in.from[i]))
            receive(context, &source, in.buffer[i], message->msg_len);
    }
    return count == BATCH;
}

static void count_unsent(struct udp *udp, enum udp_family family, const struct datagram *d,
                         int code)
{
    if (code != EMSGSIZE) {
        udp->send_dropped++;
        return;
    }
    if (!d->probe)
        udp->send_too_large++;
    udp->refused[family] = d->to;
}

/* A refused datagram is skipped, and so is one that the interface's queue dropped (ENOBUFS): the
 * next may go another way. A full socket drops the rest, as the wire would. */
static void send_all(struct udp *udp, enum udp_family family, struct mmsghdr *message,
                     const struct datagram *datagrams, unsigned count)
{
    unsigned done = 0, tries = 0;

    while (done < count) {
        int sent =
            sendmmsg(udp->fd[family], message + done, count - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            udp->send_dropped += count - done;
            return;
        }
        if (sent < 0 && errno != ENOBUFS && ++tries < TRIES)
            continue;
        if (sent < 0) {
            count_unsent(udp, family, &datagrams[done], errno);
            sent = 1;
        }
        done += (unsigned)sent;
        tries = 0;
    }
}

static enum udp_family family_of(const struct datagram *d)
{
    return d->to.address.family == IP_V4 ? UDP_V4 : UDP_V6;
}

void udp_transmit(struct udp *udp, const struct datagram *datagrams, size_t count)
{
    static struct sockaddr_storage to[BATCH];
    static struct iovec iov[BATCH];
    static struct mmsghdr message[BATCH];

    for (size_t done = 0; done < count;) {
        enum udp_family family = family_of(&datagrams[done]);
        unsigned n = 0;
        for (; n < BATCH && done < count && family_of(&datagrams[done]) == family; n++, done++) {
            const struct datagram *d = &datagrams[done];
            /* The kernel only reads it; struct iovec has no const. */
            iov[n].iov_base = (void *)(uintptr_t)d->data;
            iov[n].iov_len = d->bytes;
            message[n].msg_hdr = (struct msghdr){.msg_name = &to[n],
                                                 .msg_namelen = endpoint_to_socket(&d->to, &to[n]),
                                                 .msg_iov = &iov[n],
                                                 .msg_iovlen = 1};
        }
        if (udp->fd[family] >= 0)
            send_all(udp, family, message, &datagrams[done - n], n);
        else
            udp->send_dropped += n;
    }
}
