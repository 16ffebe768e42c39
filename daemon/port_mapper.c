/* SPDX-License-Identifier: MIT
 *
 * port_mapper.c - see port_mapper.h. A socket for each gateway, bound to the address that is to be
 * mapped and connected, so that the kernel lets in nobody else and tells of ICMP errors; and one
 * for each family where gateways announce their restarts.
 */
#include "port_mapper.h"

#include "clock.h"
#include "json_fields.h"
#include "log.h"
#include "socket_address.h"
#include "text.h"
#include "timer.h"

#include <errno.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

enum { DATAGRAM_MAX_BYTES = 1500, READS_MAX = 16 };

static void settle(struct port_mapper *mapper);

/* ---- sockets ---- */

static int open_socket(uint8_t family, const struct endpoint *local)
{
    struct sockaddr_storage address;
    socklen_t bytes = endpoint_to_socket(local, &address);
    int on = 1;
    int fd =
        socket(family == IP_V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (family == IP_V6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (local->port != 0) /* other programs listen for announcements, too */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, bytes) == 0)
        return fd;
    close(fd);
    return -1;
}

static int open_to_gateway(const struct port_mapping_settings *settings)
{
    struct endpoint local = {.address = settings->source};
    struct sockaddr_storage address;
    socklen_t bytes = endpoint_to_socket(&settings->gateway, &address);
    int fd = open_socket(local.address.family, &local);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, bytes) == 0)
        return fd;
    close(fd);
    return -1;
}

static void send_request(const struct port_mapper_side *side, const uint8_t *request, size_t bytes)
{
    /* An error of the call is that of an earlier datagram, or the route's: it will be repeated. */
    if (bytes != 0 && send(side->fd, request, bytes, 0) < 0)
        log_debug("port mapping: cannot ask the gateway: %s", strerror(errno));
}

/* Return: whether there may be more to read */
static bool receive(struct port_mapper_side *side, int fd)
{
    uint8_t data[DATAGRAM_MAX_BYTES];
    struct sockaddr_storage address = {0};
    socklen_t address_bytes = sizeof address;
    struct endpoint from;
    ssize_t bytes = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&address, &address_bytes);

    if (bytes < 0) {
        if (errno == ECONNREFUSED && fd == side->fd)
            port_mapping_unreachable(&side->asking, clock_now_us());
        return errno == EINTR || errno == ECONNREFUSED;
    }
    if (side->fd >= 0 && endpoint_from_socket(&from, (struct sockaddr *)&address))
        port_mapping_receive(&side->asking, &from, data, (size_t)bytes, clock_now_us());
    return true;
}

/* A gateway that restarted in one family has done so in the other, and tells it not always. */
static void read_all(struct port_mapper_side *side, int fd)
{
    uint32_t broken = side->asking.epochs_broken;
    struct port_mapper_side *other = &side->mapper->side[side->family == IP_V4 ? 1 : 0];

    for (int i = 0; i < READS_MAX && receive(side, fd); i++)
        continue;
    if (side->asking.epochs_broken != broken && other->fd >= 0)
        port_mapping_renew(&other->asking, clock_now_us());
}

/* An ICMP error looks to libuv as if the descriptor were bad: it stops the handle and says so. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct port_mapper_side *side = poll->data;

    (void)events;
    read_all(side, poll == &side->poll ? side->fd : side->announced_fd);
    if (status < 0)
        uv_poll_start(poll, UV_READABLE, on_readable);
    settle(side->mapper);
}

/* ---- one gateway ---- */

/* PCP's nonce (RFC 6887 s.11.2): for each pair of addresses its own, for others random. */
static void make_nonce(const struct port_mapper *mapper, struct port_mapping_settings *settings)
{
    static const char label[] = "lansplice PCP nonce";
    uint8_t hash[crypto_generichash_BYTES_MIN];
    crypto_generichash_state state;

    crypto_generichash_init(&state, mapper->secret, sizeof mapper->secret, sizeof hash);
    crypto_generichash_update(&state, (const uint8_t *)label, sizeof label);
    crypto_generichash_update(&state, settings->gateway.address.octet, 16);
    crypto_generichash_update(&state, settings->source.octet, 16);
    crypto_generichash_final(&state, hash, sizeof hash);
    memcpy(settings->nonce, hash, sizeof settings->nonce);
    sodium_memzero(&state, sizeof state);
}

static void begin(struct port_mapper_side *side)
{
    struct port_mapping_settings settings = {
        .gateway = side->route.gateway, .source = side->route.source, .port = side->mapper->port};

    settings.gateway.port = PORT_MAPPING_SERVER_PORT;
    make_nonce(side->mapper, &settings);
    port_mapping_begin(&side->asking, &settings, clock_now_us());
    side->fd = open_to_gateway(&settings);
    if (side->fd < 0) {
        log_debug("port mapping: cannot reach the gateway: %s", strerror(errno));
        side->routed = false;
        return;
    }
    uv_poll_init(side->mapper->loop, &side->poll, side->fd);
    side->poll.data = side;
    side->polled = true;
    uv_poll_start(&side->poll, UV_READABLE, on_readable);
}

/* The route may have changed again meanwhile; at the end nothing is begun. */
static void on_closed(uv_handle_t *handle)
{
    struct port_mapper_side *side = handle->data;

    side->polled = false;
    if (side->mapper->loop != NULL && side->routed) {
        begin(side);
        settle(side->mapper);
    }
}

/* The poll is closed before the descriptor: the next socket may get its number, and be a thread's.
 */
static void give_back(struct port_mapper_side *side)
{
    uint8_t request[PORT_MAPPING_REQUEST_MAX];

    if (side->fd < 0)
        return;
    send_request(side, request, port_mapping_release(&side->asking, request));
    uv_close((uv_handle_t *)&side->poll, on_closed);
    close(side->fd);
    side->fd = -1;
}

/* Behind give_back(): by its route, if it has one; while the poll is closing on_closed() does. */
static void begin_anew(struct port_mapper_side *side)
{
    if (!side->polled && side->routed)
        begin(side);
}

static void refresh(struct port_mapper_side *side)
{
    struct wan_route route;
    bool found = wan_route_find(side->mapper->netlink, side->family, &route);
    bool unneeded = found && side->family == IP_V4 && !ip_is_private(&route.source);
    bool routed = found && !unneeded;

    side->unneeded = unneeded;
    if (routed == side->routed && wan_route_equal(&route, &side->route))
        return;
    give_back(side);
    side->routed = routed;
    side->route = route;
    begin_anew(side);
}

/* ---- all of it ---- */

static void on_timer(uv_timer_t *timer)
{
    settle(timer->data);
}

static bool is_mapped(const struct port_mapper_side *side)
{
    return side->fd >= 0 && side->asking.state == PORT_MAPPING_MAPPED;
}

static void say(const struct port_mapper_side *side)
{
    char external[TEXT_ENDPOINT_SIZE];
    const struct port_mapping *asking = &side->asking;
    const char *problem = port_mapping_problem(asking);

    if (is_mapped(side))
        log_info("port mapping: the gateway lets %s in for us (%s)%s%s",
                 text_endpoint(&asking->external, external), port_mapping_protocol(asking),
                 problem != NULL ? ": " : "", problem != NULL ? problem : "");
    else if (side->told.port != 0)
        log_info("port mapping: the gateway does not let %s in any more%s%s",
                 text_endpoint(&side->told, external), problem != NULL ? ": " : "",
                 problem != NULL ? problem : "");
}

/* Return: whether there is news of it */
static bool look_at(struct port_mapper_side *side)
{
    static const struct endpoint none;
    uint8_t state = side->fd >= 0 ? side->asking.state : PORT_MAPPING_ASKING;
    struct endpoint external = is_mapped(side) ? side->asking.external : none;
    bool same = endpoint_equal(&external, &side->told);

    if (!same)
        say(side);
    same = same && state == side->told_state;
    side->told_state = state;
    side->told = external;
    return !same;
}

static void send_due(struct port_mapper_side *side)
{
    uint8_t request[PORT_MAPPING_REQUEST_MAX];
    size_t bytes;

    while ((bytes = port_mapping_due(&side->asking, clock_now_us(), request)) != 0)
        send_request(side, request, bytes);
}

static void arm(struct port_mapper *mapper)
{
    uint64_t due_us = UINT64_MAX;

    for (struct port_mapper_side *s = mapper->side; s < mapper->side + PORT_MAPPER_SIDES; s++)
        if (s->fd >= 0 && port_mapping_deadline_us(&s->asking) < due_us)
            due_us = port_mapping_deadline_us(&s->asking);
    timer_arm(&mapper->timer, on_timer, due_us);
}

/* Ends each turn: sends what is due, sets the timer, and tells what differs. */
static void settle(struct port_mapper *mapper)
{
    const struct port_mapper_side *v4 = &mapper->side[0];
    bool news = false;

    for (struct port_mapper_side *s = mapper->side; s < mapper->side + PORT_MAPPER_SIDES; s++) {
        if (s->fd >= 0)
            send_due(s);
        news = look_at(s) || news;
    }
    arm(mapper);
    bool in_vain = v4->fd >= 0 && (v4->asking.state == PORT_MAPPING_SILENT ||
                                   v4->asking.state == PORT_MAPPING_REFUSED);
    upnp_want(&mapper->upnp, in_vain ? &v4->route : NULL);
    if (news)
        mapper->listener.changed(mapper->listener.context);
}

static void on_upnp(void *context)
{
    struct port_mapper *mapper = context;
    char external[TEXT_ENDPOINT_SIZE];

    if (mapper->upnp.mapped)
        log_info("port mapping: the gateway lets %s in for us (upnp)",
                 text_endpoint(&mapper->upnp.external, external));
    mapper->listener.changed(mapper->listener.context);
}

/* Where it cannot be listened, the next renewal finds out. */
static void listen_for_announcements(struct port_mapper_side *side)
{
    struct endpoint local = {.address.family = side->family, .port = PORT_MAPPING_ANNOUNCE_PORT};

    side->announced_fd = open_socket(side->family, &local);
    if (side->announced_fd < 0)
        return;
    uv_poll_init(side->mapper->loop, &side->announced_poll, side->announced_fd);
    side->announced_poll.data = side;
    uv_poll_start(&side->announced_poll, UV_READABLE, on_readable);
}

void port_mapper_start(struct port_mapper *mapper, uv_loop_t *loop, struct netlink *netlink,
                       const struct port_mapper_listener *listener, uint16_t port,
                       const uint8_t secret[PORT_MAPPER_SECRET_BYTES])
{
    struct upnp_listener upnp = {mapper, on_upnp};

    mapper->loop = loop;
    mapper->netlink = netlink;
    mapper->listener = *listener;
    mapper->port = port;
    memcpy(mapper->secret, secret, sizeof mapper->secret);
    uv_timer_init(loop, &mapper->timer);
    mapper->timer.data = mapper;
    upnp_start(&mapper->upnp, loop, &upnp, port);
    for (int i = 0; i < PORT_MAPPER_SIDES; i++) {
        struct port_mapper_side *side = &mapper->side[i];
        *side = (struct port_mapper_side){
            .mapper = mapper, .family = i == 0 ? IP_V4 : IP_V6, .fd = -1, .announced_fd = -1};
        listen_for_announcements(side);
    }
    port_mapper_refresh(mapper);
}

void port_mapper_refresh(struct port_mapper *mapper)
{
    if (mapper->loop == NULL)
        return;
    for (struct port_mapper_side *s = mapper->side; s < mapper->side + PORT_MAPPER_SIDES; s++)
        refresh(s);
    settle(mapper);
}

void port_mapper_set_port(struct port_mapper *mapper, uint16_t port)
{
    if (mapper->loop == NULL || mapper->port == port)
        return;
    mapper->port = port;
    upnp_set_port(&mapper->upnp, port);
    for (struct port_mapper_side *s = mapper->side; s < mapper->side + PORT_MAPPER_SIDES; s++) {
        give_back(s);
        begin_anew(s);
    }
    settle(mapper);
}

void port_mapper_stop(struct port_mapper *mapper)
{
    if (mapper->loop == NULL)
        return;
    mapper->loop = NULL;
    uv_timer_stop(&mapper->timer);
    for (struct port_mapper_side *s = mapper->side; s < mapper->side + PORT_MAPPER_SIDES; s++) {
        give_back(s);
        if (s->announced_fd < 0)
            continue;
        uv_close((uv_handle_t *)&s->announced_poll, NULL);
        close(s->announced_fd);
        s->announced_fd = -1;
    }
    upnp_stop(&mapper->upnp);
    sodium_memzero(mapper->secret, sizeof mapper->secret);
}

/* ---- what is told ---- */

/* UPnP is asked only when the others are not to be had. */
static bool is_upnp(const struct port_mapper *mapper, const struct port_mapper_side *side)
{
    return side->family == IP_V4 && !is_mapped(side) && mapper->upnp.mapped;
}

static const struct endpoint *external_of(const struct port_mapper *mapper,
                                          const struct port_mapper_side *side)
{
    if (is_upnp(mapper, side))
        return &mapper->upnp.external;
    return is_mapped(side) ? &side->asking.external : NULL;
}

size_t port_mapper_mapped(const struct port_mapper *mapper, struct endpoint out[PORT_MAPPER_SIDES])
{
    size_t count = 0;

    for (const struct port_mapper_side *s = mapper->side; s < mapper->side + PORT_MAPPER_SIDES;
         s++) {
        const struct endpoint *external = mapper->loop != NULL ? external_of(mapper, s) : NULL;
        if (external != NULL && !ip_is_private(&external->address))
            out[count++] = *external;
    }
    return count;
}

static const char *state_text(const struct port_mapper *mapper, const struct port_mapper_side *side)
{
    static const char *const text[] = {[PORT_MAPPING_ASKING] = "asking",
                                       [PORT_MAPPING_MAPPED] = "mapped",
                                       [PORT_MAPPING_REFUSED] = "refused",
                                       [PORT_MAPPING_SILENT] = "silent"};

    if (side->unneeded)
        return "unneeded";
    if (!side->routed || side->fd < 0)
        return "no gateway";
    return is_upnp(mapper, side) ? "mapped" : text[side->asking.state];
}

/* UPnP, asked last, has the last word. */
static const char *problem_of(const struct port_mapper *mapper, const struct port_mapper_side *side)
{
    if (side->fd < 0)
        return NULL;
    if (is_upnp(mapper, side))
        return ip_is_private(&mapper->upnp.external.address) ? "mapped, but behind another NAT"
                                                             : NULL;
    if (side->family == IP_V4 && side->asking.state == PORT_MAPPING_REFUSED)
        return port_mapping_problem(&side->asking);
    if (side->family == IP_V4 && !is_mapped(side) && mapper->upnp.problem[0] != '\0')
        return mapper->upnp.problem;
    return port_mapping_problem(&side->asking);
}

static struct json_object *side_json(const struct port_mapper *mapper,
                                     const struct port_mapper_side *side)
{
    struct json_object *out = json_object_new_object();
    const struct endpoint *external = external_of(mapper, side);
    bool upnp = is_upnp(mapper, side);
    uint64_t now_us = clock_now_us();
    uint64_t expires_us = upnp ? mapper->upnp.expires_us : side->asking.expires_us;
    char text[TEXT_ENDPOINT_SIZE];

    json_object_object_add(out, "family",
                           json_object_new_string(side->family == IP_V4 ? "ipv4" : "ipv6"));
    json_object_object_add(out, "state", json_object_new_string(state_text(mapper, side)));
    json_object_object_add(
        out, "gateway",
        json_new_text(side->routed ? text_address(&side->route.gateway.address, text) : NULL));
    json_object_object_add(out, "protocol",
                           json_new_text(external == NULL ? NULL
                                         : upnp           ? "upnp"
                                                          : port_mapping_protocol(&side->asking)));
    json_object_object_add(out, "external",
                           json_new_text(external != NULL ? text_endpoint(external, text) : NULL));
    json_object_object_add(
        out, "expires_s",
        external == NULL
            ? NULL
            : json_object_new_int64(
                  (int64_t)(expires_us > now_us ? (expires_us - now_us) / 1000000 : 0)));
    json_object_object_add(out, "problem", json_new_text(problem_of(mapper, side)));
    return out;
}

struct json_object *port_mapper_json(const struct port_mapper *mapper)
{
    struct json_object *out = json_object_new_array();

    for (int i = 0; i < PORT_MAPPER_SIDES && mapper->loop != NULL; i++)
        json_object_array_add(out, side_json(mapper, &mapper->side[i]));
    return out;
}
