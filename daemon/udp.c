/* SPDX-License-Identifier: MIT
 *
 * udp.c - see udp.h: opening and closing the sockets. udp_send.c and udp_receive.c move datagrams,
 * udp_errors.c reads what became of them.
 */
#include "udp.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* With less a flood of initiations crowds data out while the process is not running. A stream that
 * kept it full would add 7 ms to everybody's round trip: frame/codel.h sees to that. */
enum { SOCKET_BUFFER_BYTES = 4 << 20 };

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

/* The same kernel answers for both families. One that does not know UDP_SEGMENT would not refuse it
 * beside a datagram either, so it is asked here. A segment size of 0 is none. */
static void take_offloads(struct udp *udp, int fd, const struct udp_options *options)
{
    int none = 0, on = 1;

    udp->gso =
        !options->no_segment && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
    udp->gro = !options->no_gro && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0;
}

static int open_with(struct udp *udp, enum udp_family family, uint16_t port,
                     const struct udp_options *options)
{
    int fd = open_family(family, port);

    if (fd < 0)
        return -1;
    take_offloads(udp, fd, options);
    if (!options->no_timestamp)
        set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
    return fd;
}

static bool is_missing_family(int code)
{
    return code == EAFNOSUPPORT || code == EADDRNOTAVAIL || code == EPROTONOSUPPORT;
}

bool udp_open(struct udp *udp, uint16_t port, const struct udp_options *options,
              struct error *error)
{
    *udp = (struct udp){.fd = {-1, -1}};
    for (enum udp_family family = UDP_V4; family < UDP_FAMILIES; family++) {
        const char *name = family == UDP_V4 ? "IPv4" : "IPv6";
        udp->fd[family] = open_with(udp, family, port, options);
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

/* The descriptors stay the same: threads that send see the old socket or the new one. */
bool udp_rebind(struct udp *udp, uint16_t port, const struct udp_options *options)
{
    struct udp fresh = {.fd = {-1, -1}};
    bool good = true;

    for (enum udp_family family = UDP_V4; family < UDP_FAMILIES; family++)
        if (udp->fd[family] >= 0) {
            fresh.fd[family] = open_with(&fresh, family, port, options);
            good = good && fresh.fd[family] >= 0;
        }
    for (enum udp_family family = UDP_V4; family < UDP_FAMILIES && good; family++)
        if (udp->fd[family] >= 0)
            dup3(fresh.fd[family], udp->fd[family], O_CLOEXEC);
    udp_close(&fresh);
    return good;
}

void udp_close(struct udp *udp)
{
    for (enum udp_family family = UDP_V4; family < UDP_FAMILIES; family++) {
        if (udp->fd[family] >= 0)
            close(udp->fd[family]);
        udp->fd[family] = -1;
    }
}
